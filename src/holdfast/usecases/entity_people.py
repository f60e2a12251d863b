"""Who the people were that an entity names: their id and what tells them apart, kept with its own snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from holdfast.entities.closure import Closure
from holdfast.entities.strangers import natural_row
from holdfast.model.errors import Damaged
from holdfast.model.records import Key, Row
from holdfast.model.sameness import typed
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.repository.undoing import read_undo
from holdfast.sources.records import Book
from holdfast.usecases.row_notes import packed, unpacked


def people_of(book: Book, closure: Closure) -> Iterator[bytes]:
    """A header for each table and its columns, then the values of each person, once."""
    last: tuple[str, tuple[str, ...]] | None = None
    told: set[tuple[str, Key]] = set()
    for each in sorted(closure.users, key=lambda one: one.edge.reference.to):
        name, columns = each.edge.reference.to, each.edge.reference.to_columns
        table = book.tables.get(name)
        if each.row is None or table is None or (name, typed(each.key)) in told:
            continue
        told.add((name, typed(each.key)))
        row = natural_row(table, each.row, columns)
        if last != (name, tuple(row.values)):
            last = (name, tuple(row.values))
            yield msgspec.msgpack.encode([name, list(row.values)])
        yield msgspec.msgpack.encode([[packed(book, value) for value in row.values.values()]])


def with_people(repository: Repository, entry: SnapshotEntry, book: Book, closure: Closure) -> Closure:
    """``closure``, with the people whom the snapshot ``entry`` remembers; Damaged when that cannot be read."""
    if not any(each.row is None for each in closure.users):
        return closure
    reader = repository.reader()
    rows: dict[tuple[str, tuple[str, ...], Key], Row] = {}
    wanted = {(each.edge.reference.to, each.edge.reference.to_columns) for each in closure.users}
    for name, row in _rows(book, read_undo(repository.manifest(entry, reader), reader).created):
        rows.update(
            ((name, columns, typed(row.key(columns))), row) for table, columns in wanted if table == name
        )
    closure.users = [
        each if each.row is not None else
        replace(each, row=rows.get((each.edge.reference.to, each.edge.reference.to_columns, typed(each.key))))
        for each in closure.users
    ]  # fmt: skip
    return closure


def _rows(book: Book, notes: list[bytes]) -> Iterator[tuple[str, Row]]:
    name, columns = "", ()  # type: str, tuple[str, ...]
    try:
        for raw in notes:
            note: list[Any] = msgspec.msgpack.decode(raw)
            if len(note) == 2:
                name, columns = note[0], tuple(note[1])
                continue
            table = book.tables.get(name)
            values = (unpacked(book, table, *pair) for pair in zip(columns, note[0], strict=True))
            yield name, Row(dict(zip(columns, values, strict=True)))
    except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
        raise Damaged("who was named cannot be read", why=str(error)) from error
