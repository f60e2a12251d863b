"""Rows that nobody means to touch, and that the database would delete or change along with those taken away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from holdfast.entities.closure import Identity, identity_for, identity_of
from holdfast.entities.graph import Structure
from holdfast.entities.ordering import spoken
from holdfast.model.records import Did, Difference, Key, Reference, Row, Table
from holdfast.model.sameness import typed

Find = Callable[[Table, tuple[str, ...], Collection[Key]], Iterator[Row]]

_SETS = {"set null": "NULL", "set default": "its default"}


@dataclass(frozen=True, slots=True)
class Reached:
    """``row`` of ``table`` as it is before; ``told``: what becomes of it. ``goes``: it is deleted along."""

    table: Table
    row: Row
    told: str
    goes: bool


def reached_too(book: Structure, find: Find, changes: Sequence[Difference]) -> list[Reached]:
    """Each row outside ``changes`` that goes, or loses a reference, when what they remove is removed.

    ``find`` gives the rows as they are before anything is written.
    """
    left = {
        identity_for(change.table, change.key, not book.tables[change.table].key): change for change in changes
    }
    gone: dict[str, list[Row]] = {}
    for change in changes:
        if change.did is Did.REMOVED and change.before is not None:
            gone.setdefault(change.table, []).append(change.before)
    told: dict[tuple[object, ...], Reached] = {}
    while gone:
        further: dict[str, list[Row]] = {}
        for reference in book.references:
            if reference.to not in gone or reference.on_delete not in {"cascade", *_SETS}:
                continue
            table = book.tables[reference.table]
            keys = {key for row in gone[reference.to] if None not in (key := row.key(reference.to_columns))}
            for row in find(table, reference.columns, keys) if keys else ():
                if (place := _outside(table, row, reference, left)) is not None and place not in told:
                    goes = reference.on_delete == "cascade"
                    told[place] = Reached(table, row, _told(table, row, reference), goes)
                    if goes:
                        further.setdefault(table.name, []).append(row)
        gone = further
    return list(told.values())


def _outside(
    table: Table, row: Row, reference: Reference, left: dict[Identity, Difference]
) -> tuple[object, ...] | None:
    """What tells the row and its reference; None when the changes deal with them themselves."""
    change = left.get(identity_of(table, row))
    if change is not None and (change.did is Did.REMOVED or set(change.columns) & set(reference.columns)):
        return None
    return (*identity_of(table, row), "" if reference.on_delete == "cascade" else reference.columns)


def _told(table: Table, row: Row, reference: Reference) -> str:
    name = f"{table.name} {','.join(map(str, row.key(table.key or tuple(row.values))[:4]))}"
    if reference.on_delete == "cascade":
        return f"{name} came later and would be deleted along ({spoken(reference)})"
    return f"{name} refers to it and would lose that: {reference.columns[-1]} becomes {_SETS[reference.on_delete]}"


def emptied(find: Find, reached: Sequence[Reached], taken: Sequence[Difference]) -> list[Difference]:
    """What became of the rows that lost a reference, asked after that happened; ``taken``: changes told of anyway.

    Rows without a key are left out: nobody could find them again.
    """
    known = {(change.table, change.key) for change in taken if change.key}
    by_table: dict[str, tuple[Table, list[Row]]] = {}
    for each in reached:
        if not each.goes and each.table.key and (each.table.name, each.row.key(each.table.key)) not in known:
            by_table.setdefault(each.table.name, (each.table, []))[1].append(each.row)
    found: list[Difference] = []
    for table, rows in by_table.values():
        found += _changed(table, rows, find)
    return found


def _changed(table: Table, rows: Sequence[Row], find: Find) -> Iterator[Difference]:
    were = {typed(row.key(table.key)): row for row in rows}
    now = {typed(row.key(table.key)): row for row in find(table, table.key, [row.key(table.key) for row in rows])}
    for same, row in were.items():
        after = now.get(same)
        if after is not None and (after.values != row.values or after.raw != row.raw):
            yield Difference(table=table.name, did=Did.CHANGED, key=row.key(table.key), before=row, after=after)
