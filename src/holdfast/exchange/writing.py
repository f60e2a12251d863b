"""Rows of a book as one JSON document, or a table each as CSV or JSON lines; streaming, whatever the kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast.model import csv_cells
from holdfast.model.records import Row, Table
from holdfast.sources.exchanging import Block, Blockwise, Interchange
from holdfast.sources.records import Book

_BLOCK = 256 << 10
_ENCODER = msgspec.json.Encoder(decimal_format="number")
VERSION = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is exported: ``tables`` of ``book``, or just ``rows`` of them where those are given.

    ``root``: the one row that stands apart from the others, and not among them again. ``called``: tables that a
    document has under another name.
    """

    book: Book
    interchange: Interchange
    tables: Sequence[Table]
    rows: Mapping[str, Sequence[Row]] | None = None
    root: tuple[Table, Row] | None = None
    called: Mapping[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def of(self, table: Table) -> Iterator[Row]:
        """The rows of one table, counted."""
        count = 0
        apart = self.root[1].key(table.key) if self.root is not None and self.root[0].name == table.name else None
        for row in self.book.rows(table) if self.rows is None else self.rows.get(table.name, ()):
            if apart is None or row.key(table.key) != apart:
                yield row
            count += 1
        self.counts[table.name] = count

    def stored(self, table: Table, made: Callable[[Blockwise], Iterator[Block] | None]) -> Iterator[bytes] | None:
        """All rows of one table as whole blocks of text, counted; None where they must be made one by one."""
        apart = self.root is not None and self.root[0].name == table.name
        if self.rows is not None or apart or not isinstance(self.interchange, Blockwise):
            return None
        found = made(self.interchange)
        return None if found is None else self._counted(table, found)

    def _counted(self, table: Table, found: Iterator[Block]) -> Iterator[bytes]:
        count = 0
        for block in found:
            yield block.data
            count += block.rows
        self.counts[table.name] = count


def blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Small parts joined to blocks worth writing."""
    joined = bytearray()
    for part in parts:
        joined += part
        if len(joined) > _BLOCK:
            yield bytes(joined)
            joined.clear()
    yield bytes(joined)


def csv_of(contents: Contents, table: Table) -> Iterator[bytes]:
    """One table: a line of names, then the rows."""
    names = _names(contents, table)
    cell = contents.interchange.cell
    yield csv_cells.header(names).encode("utf-8", "backslashreplace")
    if (found := contents.stored(table, lambda by: by.csv_blocks(contents.book, table, names))) is not None:
        yield from found
        return
    for row in contents.of(table):
        cells = [cell(table, name, row.values[name]) if name in row.values else None for name in names]
        yield csv_cells.line(cells).encode("utf-8", "backslashreplace")


def _names(contents: Contents, table: Table) -> list[str]:
    """The columns; documents are read once for all fields that any of them has, and the types in each."""
    if table.columns and not contents.interchange.documents:
        return [column.name for column in table.columns if not column.generated]
    found = dict.fromkeys(table.key)

    def named() -> Iterator[Row]:
        for row in contents.of(table):
            found.update(dict.fromkeys(row.values))
            yield row

    contents.interchange.by_example(table, named())
    return list(found)


def jsonl_of(contents: Contents, table: Table) -> Iterator[bytes]:
    """One table: one JSON object a line."""
    if (found := contents.stored(table, lambda by: by.json_blocks(contents.book, table))) is not None:
        yield from found
        return
    for row in _told(contents, table):
        yield row + b"\n"


def tables_document(contents: Contents, facts: Mapping[str, Any]) -> Iterator[bytes]:
    """``{id, timestamp, version, tables: {name: [row, …]}, statistics: {name: rows}}``."""
    yield _head({"version": VERSION, **facts}) + b',\n"tables": {'
    yield from _tables(contents)
    counts = {contents.called.get(name, name): count for name, count in contents.counts.items()}
    yield b'},\n"statistics": ' + _ENCODER.encode(counts) + b"\n}\n"


def entity_document(contents: Contents, metadata: Mapping[str, Any]) -> Iterator[bytes]:
    """``{metadata, eventDocument, collections: {Name: [document, …]}}``; the root is the event's document."""
    told = contents.interchange.told(*contents.root) if contents.root else None
    yield b'{\n"metadata": ' + _ENCODER.encode({"version": VERSION, **metadata})
    yield b',\n"eventDocument": ' + _ENCODER.encode(told) + b',\n"collections": {'
    yield from _tables(contents)
    yield b"}\n}\n"


def _head(facts: Mapping[str, Any]) -> bytes:
    return b"{\n" + b",\n".join(_ENCODER.encode(name) + b": " + _ENCODER.encode(each) for name, each in facts.items())


def _tables(contents: Contents) -> Iterator[bytes]:
    for number, table in enumerate(contents.tables):
        yield (b",\n" if number else b"\n") + _ENCODER.encode(contents.called.get(table.name, table.name)) + b": ["
        yield from _elements(contents, table)
        yield b"]"


def _elements(contents: Contents, table: Table) -> Iterator[bytes]:
    """The rows of one table as an array has them; no row has a line end in itself."""
    before = b"\n"
    for lines in jsonl_of(contents, table):
        yield before + lines[:-1].replace(b"\n", b",\n")
        before = b",\n"


def _told(contents: Contents, table: Table) -> Iterator[bytes]:
    told = contents.interchange.told
    generated = {column.name for column in table.columns if column.generated}
    for row in contents.of(table):
        values = told(table, row)
        if generated:
            values = {name: value for name, value in values.items() if name not in generated}
        yield _ENCODER.encode(values)
