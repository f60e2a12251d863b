"""Rows that nobody means to touch, and that the database would delete or change along with those taken away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from holdfast.entities.closure import Identity, identity_for, identity_of
from holdfast.entities.graph import Structure
from holdfast.entities.ordering import spoken
from holdfast.model.records import Did, Difference, Key, Reference, Row, Table

Find = Callable[[Table, tuple[str, ...], Collection[Key]], Iterator[Row]]

_SETS = {"set null": "NULL", "set default": "its default"}


def reached_too(book: Structure, find: Find, changes: Sequence[Difference]) -> list[str]:
    """In words, each row outside ``changes`` that goes or loses its reference when what they remove is removed.

    ``find`` gives the rows as they are before anything is written.
    """
    left = {
        identity_for(change.table, change.key, not book.tables[change.table].key): change for change in changes
    }
    gone: dict[str, list[Row]] = {}
    for change in changes:
        if change.did is Did.REMOVED and change.before is not None:
            gone.setdefault(change.table, []).append(change.before)
    told: dict[tuple[object, ...], str] = {}
    while gone:
        further: dict[str, list[Row]] = {}
        for reference in book.references:
            if reference.to not in gone or reference.on_delete not in {"cascade", *_SETS}:
                continue
            table = book.tables[reference.table]
            keys = {key for row in gone[reference.to] if None not in (key := row.key(reference.to_columns))}
            for row in find(table, reference.columns, keys) if keys else ():
                if (place := _outside(table, row, reference, left)) is not None and place not in told:
                    told[place] = _told(table, row, reference)
                    if reference.on_delete == "cascade":
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
