"""What is remembered of rows that were changed: a header for each table and its columns, then a note for each row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.model.errors import Damaged
from holdfast.model.records import Difference, Key, Row, Table, Value
from holdfast.sources.records import Book

_PLAIN = (bool, int, float, bytes, type(None))


@dataclass(frozen=True, slots=True)
class RowNote:
    key: Key
    digest: bytes | None
    existed: bool


def digest(row: Row, columns: Sequence[str]) -> bytes:
    """Tells whether these columns of a row are as they were."""
    told = row.raw or repr([row.values.get(column) for column in columns]).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(told, digest_size=16).digest()


def notes_of(book: Book, changes: Sequence[Difference]) -> Iterator[bytes]:
    last: tuple[str, tuple[str, ...]] | None = None
    for change in changes:
        row = change.after if change.after is not None else change.before
        assert row is not None  # noqa: S101 - a difference has one side at least
        columns = tuple(row.values) if not row.raw else ()
        if last != (change.table, columns):
            last = (change.table, columns)
            yield msgspec.msgpack.encode([change.table, list(columns)])
        table = book.tables[change.table]
        key = row.key(table.key or columns)
        after = None if change.after is None else digest(change.after, columns)
        yield msgspec.msgpack.encode([[packed(book, value) for value in key], after, change.before is not None])


def grouped(notes: Sequence[bytes], book: Book) -> dict[tuple[str, tuple[str, ...]], list[RowNote]]:
    found: dict[tuple[str, tuple[str, ...]], list[RowNote]] = {}
    group: list[RowNote] = []
    table: Table | None = None
    columns: tuple[str, ...] = ()
    try:
        for raw in notes:
            note = msgspec.msgpack.decode(raw)
            if len(note) == 2:
                table, columns = book.tables.get(note[0]), tuple(note[1])
                group = found.setdefault((note[0], columns), [])
                continue
            by = (table.key if table else ()) or columns
            key = tuple(
                unpacked(book, table, by[number] if number < len(by) else "", value)
                for number, value in enumerate(note[0])
            )
            group.append(RowNote(key, note[1], note[2]))
    except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
        raise Damaged("what an undo needs to know cannot be read", why=str(error)) from error
    return found


def packed(book: Book, value: Value) -> Any:
    """Text and numbers as they are; text that is not valid as its bytes; a kind's own types as they are typed in."""
    if isinstance(value, str):
        return value if _is_valid(value) else ["s", value.encode("utf-8", "surrogateescape")]
    if type(value) not in _PLAIN:
        return ["t", json.dumps(book.plain(value))]
    return value


def unpacked(book: Book, table: Table | None, column: str, value: Any) -> Value:
    """What ``packed`` was given. UsageError when the column cannot hold it any more."""
    if not isinstance(value, list):
        packed: Value = value
        return packed
    if value[0] == "s":
        return bytes(value[1]).decode("utf-8", "surrogateescape")
    return book.parse(table, column, value[1]) if table is not None else str(value[1])


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
