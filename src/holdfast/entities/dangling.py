"""Rows about to be written that would name others which are neither there nor written with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from holdfast.entities.asking import Find, rows_by_key
from holdfast.entities.graph import Structure
from holdfast.entities.ordering import spoken
from holdfast.entities.sameish import alike
from holdfast.entities.writes import by_table_of
from holdfast.model.records import Did, Difference, Key, Reference, Row
from holdfast.model.sameness import typed

Known = Mapping[str, Sequence[Row]]


def dangling(book: Structure, find: Find, changes: Sequence[Difference], there: Iterable[tuple[str, Row]]) -> list[str]:
    """In words, each row the database would refuse for a reference of its own; ``there``: rows known to be there."""
    known: dict[str, list[Row]] = {}
    for table, row in there:
        known.setdefault(table, []).append(row)
    for change in changes:
        if change.after is not None:
            known.setdefault(change.table, []).append(change.after)
    by_table = by_table_of(changes)
    return [
        told
        for reference in book.references
        if reference.table in by_table and reference.to in book.tables
        for told in _of(reference, book, find, (_named(reference, by_table[reference.table]), known))
    ]


def _named(reference: Reference, changes: Sequence[Difference]) -> dict[Key, tuple[Key, Row]]:
    """What the changes newly name by it, each with one row that does."""
    found: dict[Key, tuple[Key, Row]] = {}
    for change in changes:
        row = change.after
        if row is None or (change.did is Did.CHANGED and not set(change.columns) & set(reference.columns)):
            continue
        key = row.key(reference.columns)
        if None not in key:
            found.setdefault(typed(key), (key, row))
    return found


def _of(
    reference: Reference, book: Structure, find: Find, rows: tuple[dict[Key, tuple[Key, Row]], Known]
) -> Iterator[str]:
    named, known = rows
    keys = [row.key(reference.to_columns) for row in known.get(reference.to, ())] if named else []
    same, perhaps = {typed(key) for key in keys}, None
    left: dict[Key, tuple[Key, Row]] = {}
    for key, each in named.items():
        if key not in same:
            perhaps = perhaps if perhaps is not None else {alike(one) for one in keys}
            if alike(each[0]) not in perhaps:
                left[key] = each
    there = rows_by_key(find, book.tables[reference.to], reference.to_columns, [key for key, _ in left.values()])
    table = book.tables[reference.table]
    for same_key, (key, row) in left.items():
        if same_key not in there:
            mine = ",".join(map(str, row.key(table.key or reference.columns)))
            other = f"{reference.to} {','.join(map(str, key))}"
            yield f"{table.name} {mine} names {other}, which is gone ({spoken(reference)}); bring that row back first"
