"""What would become of chosen rows: as they were, as they are now, as the newest backup has them; and why."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from holdfast.model.records import Did, Difference, Key, Reference, Row, Table
from holdfast.model.sameness import typed
from holdfast.sources.records import Book

Find = Callable[[Table, tuple[str, ...], Collection[Key]], Iterator[Row]]
"""Rows of the living application by key, within a transaction or without."""

_BATCH = 1000


class Fate(StrEnum):
    """What happens to one row."""

    CREATE = "create"          # it is not there
    UNCHANGED = "unchanged"    # it is there as it was
    UPDATE = "update"          # it is there otherwise, and is replaced
    CONFLICT = "conflict"      # it was changed since, and is left alone
    BLOCKED = "blocked"        # it cannot be written


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPreview:
    """One row; ``newest`` is None where the newest backup has none or was not looked at. ``after``: what is written."""

    table: str
    key: Key
    fate: Fate
    reason: str
    snapshot: Row
    now: Row | None = None
    newest: Row | None = None
    after: Row | None = None

    def difference(self) -> Difference | None:
        """The change to be made, if any."""
        if self.fate not in (Fate.CREATE, Fate.UPDATE):
            return None
        did = Did.ADDED if self.now is None else Did.CHANGED
        return Difference(table=self.table, did=did, key=self.key, before=self.now, after=self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """``rows`` of ``source`` (a table of the snapshot) into ``target`` (the same table of ``live``).

    ``newest``: the newest backup and the table in it. ``drop_columns``: leave out what the target has no place for.
    ``lost``: by the number of a row, why the target would not hold the same.
    """

    rows: Sequence[Row]
    source: Table
    target: Table
    live: Book
    newest: tuple[Book, Table] | None = None
    overwrite: bool = False
    drop_columns: bool = False
    lost: Mapping[int, str] = field(default_factory=dict)


def preview(wish: Wish, find: Find) -> list[RowPreview]:
    """One for each row, in their order. Reads only."""
    target = wish.target
    kept = tuple(column.name for column in target.columns if not column.generated)
    by = target.key or kept
    rows = [_fitting(wish, row) for row in wish.rows]
    keys = [row.key(by) for row in rows]
    same = partial(typed, exact=not target.key)
    there = _by_key(_found(find, target, by, keys), by, same)
    newest = {same(row.key(by)): row for row in _newest(wish, by, keys)}
    found = [
        _first(wish, row, _taken(there.get(same(key)), again=bool(target.key)), newest.get(same(key)), kept, original)
        for row, key, original in zip(rows, keys, wish.rows, strict=True)
    ]
    found = [_kept(each, wish.lost.get(number)) for number, each in enumerate(found)]
    return _require_places(wish, find, _require_parents(wish, find, found))


def _kept(each: RowPreview, lost: str | None) -> RowPreview:
    """Blocked when it would be written, and would not be what it was."""
    if not lost or each.after is None:
        return each
    return replace(each, fate=Fate.BLOCKED, reason=lost, after=None)


def _fitting(wish: Wish, row: Row) -> Row:
    """Without columns that the target has not."""
    if not wish.target.columns:
        return row
    there = {column.name for column in wish.target.columns}
    return Row({name: value for name, value in row.values.items() if name in there}, row.raw)


def _first(
    wish: Wish, row: Row, now: Row | None, newest: Row | None, kept: tuple[str, ...], original: Row
) -> RowPreview:
    """The fate of a row as far as its own values tell."""
    table = wish.target
    found = RowPreview(
        table=table.name, key=row.key(table.key), fate=Fate.CREATE, reason="it is not there any more",
        snapshot=original, now=now, newest=newest, after=row,
    )  # fmt: skip
    if blocked := _misfit(wish, original):
        return replace(found, fate=Fate.BLOCKED, reason=blocked, after=None)
    if now is None:
        return found
    columns = tuple(name for name in kept if name in row.values)
    if _same(now, row, columns):
        return replace(found, fate=Fate.UNCHANGED, reason="it is as it was", after=None)
    names = [name for name in columns or dict.fromkeys((*row.values, *now.values)) if _differs(now, row, name)]
    reason = f"changed since: {', '.join(names) or 'order of its fields'}"
    if newest is not None:
        saved = _same(newest, now, columns)
        reason += "; the newest backup has it as it is now" if saved else "; not saved since that change"
    if not wish.overwrite:
        return replace(found, fate=Fate.CONFLICT, reason=f"{reason}; --overwrite replaces it", after=None)
    after = Row({**now.values, **row.values}, row.raw) if table.columns else row
    return replace(found, fate=Fate.UPDATE, reason=reason, after=after)


def _misfit(wish: Wish, row: Row) -> str:
    """Why the target's definition has no place for a row; "" when it has."""
    if not wish.target.columns:
        return ""
    if wish.source.key != wish.target.key:
        keys = " and ".join(",".join(table.key) or "none" for table in (wish.source, wish.target))
        return f"the key of the table is another now: {keys}"
    there = {column.name for column in wish.target.columns}
    generated = {column.name for column in wish.source.columns if column.generated}
    gone = [name for name, value in row.values.items() if name not in there | generated and value is not None]
    if gone and not wish.drop_columns:
        return f"the table has no column {', '.join(gone)} any more; --drop-columns leaves them out"
    return ""


def _newest(wish: Wish, by: tuple[str, ...], keys: list[Key]) -> Iterator[Row]:
    if wish.newest is None:
        return iter(())
    book, table = wish.newest
    names = {column.name for column in table.columns}
    if table.columns and not names.issuperset(by):
        return iter(())
    return _found(book.find, table, by, keys)


def _found(find: Find, table: Table, by: tuple[str, ...], keys: Collection[Key]) -> Iterator[Row]:
    left = iter({typed(key): key for key in keys}.values())
    while batch := list(itertools.islice(left, _BATCH)):
        yield from find(table, by, batch)


def _by_key(rows: Iterator[Row], by: tuple[str, ...], same: Callable[[Key], Key]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(same(row.key(by)), []).append(row)
    return found


def _taken(rows: list[Row] | None, *, again: bool) -> Row | None:
    """Rows without a key are counted: of equal rows each stands for one that is asked for, and for no other."""
    if not rows:
        return None
    return rows[-1] if again else rows.pop()


def _same(one: Row, two: Row, columns: tuple[str, ...]) -> bool:
    if one.raw and two.raw:
        return one.raw == two.raw
    return not any(_differs(one, two, name) for name in columns or dict.fromkeys((*one.values, *two.values)))


def _differs(one: Row, two: Row, name: str) -> bool:
    """1 and 1.0 are two values, and so are 0.0 and -0.0."""
    mine, theirs = one.values.get(name), two.values.get(name)
    return mine != theirs or repr(mine) != repr(theirs)


def _require_parents(wish: Wish, find: Find, found: list[RowPreview]) -> list[RowPreview]:
    """Rows that refer to what is not there, and is not created along with them, are blocked; so are their children."""
    for reference in wish.live.references:
        if reference.table == wish.target.name and reference.to in wish.live.tables and not reference.when:
            found = _with_parents(wish, find, found, reference)
    return found


def _with_parents(wish: Wish, find: Find, found: list[RowPreview], reference: Reference) -> list[RowPreview]:
    columns, to = reference.columns, wish.live.tables[reference.to]
    keys = {each.after.key(columns) for each in found if each.after is not None}
    keys = {key for key in keys if None not in key}
    there = {row.key(reference.to_columns) for row in _found(find, to, reference.to_columns, keys)}
    while True:
        own = {each.after.key(reference.to_columns) for each in found if each.after is not None}
        known = there | own if reference.to == reference.table else there
        kept = [_orphan(each, reference, known) for each in found]
        if kept == found or reference.to != reference.table:
            return kept
        found = kept


def _orphan(each: RowPreview, reference: Reference, known: set[Key]) -> RowPreview:
    if each.after is None:
        return each
    key = each.after.key(reference.columns)
    if None in key or key in known:
        return each
    told = ",".join(map(str, key))
    return replace(
        each,
        fate=Fate.BLOCKED,
        reason=f"its {','.join(reference.columns)} refers to {reference.to} {told}, which is not there",
        after=None,
    )


def _require_places(wish: Wish, find: Find, found: list[RowPreview]) -> list[RowPreview]:
    """Rows whose place in a unique key is taken by another row, and stays so, are blocked; then those after them."""
    holders = {unique: _holders(wish, find, found, unique) for unique in wish.target.unique}
    while True:
        left: set[tuple[tuple[str, ...], Key, Key]] = {
            (unique, each.key, each.now.key(unique))
            for each in found
            if each.now is not None and each.after is not None
            for unique in holders
            if each.after.key(unique) != each.now.key(unique)
        }
        kept = found
        for unique, taken in holders.items():
            staying = {key: holder for key, holder in taken.items() if (unique, holder, key) not in left}
            kept = [_clash(each, unique, staying) for each in kept]
        if kept == found:
            return found
        found = kept


def _holders(wish: Wish, find: Find, found: list[RowPreview], unique: tuple[str, ...]) -> dict[Key, Key]:
    """Which row has each unique value that is to be written."""
    keys = {each.after.key(unique) for each in found if each.after is not None}
    keys = {key for key in keys if None not in key}
    return {row.key(unique): row.key(wish.target.key) for row in _found(find, wish.target, unique, keys)}


def _clash(each: RowPreview, unique: tuple[str, ...], taken: dict[Key, Key]) -> RowPreview:
    holder = taken.get(each.after.key(unique)) if each.after is not None else None
    if holder is None or (holder and holder == each.key):
        return each
    told = f"row {','.join(map(str, holder))}" if holder else "another row"
    reason = f"its {','.join(unique)} belongs to {told} now"
    return replace(each, fate=Fate.BLOCKED, reason=reason, after=None)
