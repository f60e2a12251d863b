"""Stored rows as CSV or JSON lines in whole blocks: split by columns, changed a column at a time, joined again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from holdfast.model import csv_cells
from holdfast.model.records import Row, Table, Value
from holdfast.sources.exchanging import Block
from holdfast.sources.postgres.records.columns import csv_column, json_column, singly, split
from holdfast.sources.postgres.records.finding import Part
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook
from holdfast.sources.postgres.records.text import NULL, Form, unescaped

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Singles:
    """How single values are written: (column, value) -> cell of CSV before it is quoted, or what JSON makes of it."""

    cell: Callable[[str, Value], str | None]
    told: Callable[[str, Value], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableText:
    """The text of all rows of ``table`` in ``book``, block by block."""

    book: SnapshotBook
    table: Table
    singles: Singles

    def csv(self, names: Sequence[str]) -> Iterator[Block]:
        """Lines of these columns."""
        for part, data, rows in self._units():
            text = _decoded(data, part.form)
            columns = split(text, len(part.form.names)) if text else None
            if columns is None or not names:
                yield from self._csv_rows(names, rows)
                continue
            count = len(columns[0])
            made = [self._csv_cells(part.form, columns, name, count) for name in names]
            lines = csv_cells.END.join(map(",".join, zip(*made, strict=True))) + csv_cells.END
            yield Block(count, lines.encode("utf-8", "backslashreplace"))

    def json(self) -> Iterator[Block]:
        """An object a line."""
        for part, data, rows in self._units():
            text = _decoded(data, part.form)
            columns = split(text, len(part.form.names)) if text else None
            if columns is None:
                yield from self._json_rows(rows)
            else:
                yield Block(len(columns[0]), self._objects(part.form, columns).encode())

    def _units(self) -> Iterator[tuple[Part, bytes, Iterator[Row]]]:
        """(part, its stored lines or nothing where rows lie in pieces, the same as rows)."""
        for part in self.book.parts(self.table.name):
            for data, rows in self.book.stored(part):
                yield part, data, rows

    def _csv_cells(self, form: Form, columns: list[list[str]], name: str, count: int) -> Sequence[str]:
        place = form.place(name)
        if place is None:
            return [""] * count

        def one(field: str) -> str:
            cell = self.singles.cell(name, unescaped(field))
            return "" if cell is None else csv_cells.written(cell)

        if self._type(name).endswith("[]"):
            return singly(columns[place], one)
        return csv_column(columns[place], one)

    def _objects(self, form: Form, columns: list[list[str]]) -> str:
        """Names and values laid side by side, then joined."""
        count, width = len(columns[0]), 2 * len(columns) + 1
        laid: list[str] = ["}\n"] * (count * width)
        for place, name in enumerate(form.names):
            begin = f"{',' if place else '{'}{_ENCODER.encode(name).decode()}:"
            laid[2 * place :: width] = [begin] * count
            laid[2 * place + 1 :: width] = json_column(self._type(name), columns[place], self._json_one(name))
        return "".join(laid)

    def _type(self, name: str) -> str:
        return next((column.type for column in self.table.columns if column.name == name), "")

    def _json_one(self, name: str) -> Callable[[str], str]:
        def one(field: str) -> str:
            if field == NULL:
                return "null"
            return _ENCODER.encode(self.singles.told(name, unescaped(field))).decode()

        return one

    def _csv_rows(self, names: Sequence[str], rows: Iterator[Row]) -> Iterator[Block]:
        for row in rows:
            cells = [self.singles.cell(name, row.values.get(name)) for name in names]
            yield Block(1, csv_cells.line(cells).encode("utf-8", "backslashreplace"))

    def _json_rows(self, rows: Iterator[Row]) -> Iterator[Block]:
        for row in rows:
            told = {
                name: None if value is None else self.singles.told(name, value) for name, value in row.values.items()
            }
            yield Block(1, _ENCODER.encode(told) + b"\n")


def _decoded(data: bytes, form: Form) -> str:
    """Whole lines; nothing where they are not all letters of the encoding."""
    try:
        return data.decode(form.codec) if form.names else ""
    except UnicodeDecodeError:
        return ""
