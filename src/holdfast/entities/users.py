"""What becomes of references to people: kept, moved to the id they have now, set to NULL, or a reason to refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.entities.asking import Find, rows_by_key
from holdfast.entities.closure import Closure, Identity, Member, UserReference
from holdfast.entities.ordering import is_path
from holdfast.entities.paths import keys_at
from holdfast.entities.strangers import another_row, is_somebody_else, natural_of
from holdfast.model.records import Key, Row, Table, Value
from holdfast.model.sameness import typed


@dataclass(slots=True, kw_only=True)
class UsersNow:
    """``columns`` of rows of the entity that must be written otherwise than they were."""

    columns: dict[Identity, dict[str, Value]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


def users_now(
    closure: Closure, members: Sequence[Member], tables: Mapping[str, Table], find: Find, wish: str
) -> UsersNow:
    """``wish``: "null" (where that may be), "refuse", "keep" (whoever is there now)."""
    found = UsersNow()
    if wish == "keep":
        return found
    chosen = {member.identity for member in members}
    for each, now in _missing([one for one in closure.users if one.member.identity in chosen], tables, find):
        _one(found, each, now, (tables, find, wish))
    return found


def _one(
    found: UsersNow, each: UserReference, now: Row | None, place: tuple[Mapping[str, Table], Find, str]
) -> None:
    tables, find, wish = place
    reference = each.edge.reference
    row = f"{each.member.table} {','.join(str(value) for value in each.member.identity[1][:4])}"
    missing = f"{reference.to} {','.join(map(str, each.key))}"
    table, inside = tables.get(reference.to), any(map(is_path, reference.columns))
    same = _by_natural_key(table, each, find) if table is not None and not inside else None
    if same is not None:
        found.columns.setdefault(each.member.identity, {}).update(zip(reference.columns, same, strict=True))
        found.warnings.append(
            f"{row}: {missing} is {reference.to} {','.join(map(str, same))} now, and is named so"
        )
        return
    gone = "is gone" if now is None or table is None or each.row is None else (
        another_row(table, each.row, now) or "is somebody else now"
    )  # fmt: skip
    if now is not None and inside:
        found.warnings.append(f"{row}: {gone}")
    elif wish == "refuse" or not _may_be_null(each, tables):
        who = "who is gone" if now is None else gone
        found.refusals.append(f"{row} names {missing}, {who} ({reference.columns[0]}); bring that row back first")
    else:
        found.columns.setdefault(each.member.identity, {}).update(dict.fromkeys(reference.columns))
        because = f"{missing} is gone" if now is None else gone
        found.warnings.append(f"{row}: {reference.columns[0]} becomes NULL, because {because}")


def _by_natural_key(table: Table, each: UserReference, find: Find) -> Key | None:
    """What a user who came back under another id is referred to with now."""
    for unique in table.unique if each.row is not None else ():
        if unique == each.edge.reference.to_columns or each.row is None or unique not in natural_of(table):
            continue
        keys = keys_at(each.row, unique)
        row = next(iter(find(table, unique, keys)), None) if keys else None
        if row is not None and None not in (new := row.key(each.edge.reference.to_columns)):
            return new
    return None


def _missing(
    needed: Sequence[UserReference], tables: Mapping[str, Table], find: Find
) -> Iterator[tuple[UserReference, Row | None]]:
    """Those who are gone, and those whose id somebody else has now, with that row."""
    by_edge: dict[tuple[str, tuple[str, ...]], list[UserReference]] = {}
    for each in needed:
        by_edge.setdefault((each.edge.reference.to, each.edge.reference.to_columns), []).append(each)
    for (name, columns), group in by_edge.items():
        table = tables.get(name)
        there = rows_by_key(find, table, columns, [each.key for each in group]) if table is not None else {}
        strangers: dict[Key, bool] = {}
        for each in group:
            rows = there.get(same := typed(each.key))
            now = rows[0] if rows else None
            if same not in strangers:
                strangers[same] = now is None or bool(table and each.row and is_somebody_else(table, each.row, now))
            if strangers[same]:
                yield each, now


def _may_be_null(each: UserReference, tables: Mapping[str, Table]) -> bool:
    columns = tables[each.member.table].columns
    nullable = {column.name for column in columns if column.nullable}
    names = each.edge.reference.columns
    return not any(is_path(name) for name in names) and (not columns or nullable.issuperset(names))
