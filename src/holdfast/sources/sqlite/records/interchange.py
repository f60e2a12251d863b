"""Rows of SQLite in other formats: JSON without loss, CSV by a column's affinity, SQL as ``sqlite3`` reads it."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.model.errors import UsageError
from holdfast.model.records import Column, Row, Table, Value
from holdfast.sources.exchanging import Dump
from holdfast.sources.records import Book, SnapshotView
from holdfast.sources.sqlite.records import script, values
from holdfast.sources.sqlite.records.book import SqliteBook
from holdfast.sources.sqlite.records.schema import Shape

_BYTEA = re.compile(r"\\x(?:[0-9a-f]{2})*")
_LARGEST = 1 << 63
_NOT_FINITE = {"Infinity": math.inf, "-Infinity": -math.inf}


class SqliteInterchange:
    """sources.exchanging.Interchange."""

    formats = ("sql",)
    documents = False

    def by_example(self, table: Table, rows: Iterable[Row]) -> None:
        """See Interchange: the columns have types."""

    def with_tables(self, book: Book | None, names: Collection[str]) -> Book | None:
        """See Interchange: a table needs a definition."""
        del names
        return book

    def told(self, table: Table, row: Row) -> Mapping[str, Any]:
        """See Interchange: bytes and what is not finite as extended JSON."""
        del table
        return {name: _told(value) for name, value in row.values.items()}

    def taken(self, table: Table, values: Mapping[str, Any]) -> Row:
        """See Interchange: lists and objects become JSON text."""
        return Row({name: _taken(table, name, value) for name, value in values.items()})

    def cell(self, table: Table, column: str, value: Value) -> str | None:
        """See Interchange: bytes as ``x'00ff'``."""
        del table, column
        if isinstance(value, bytes):
            return f"x'{value.hex()}'"
        return None if value is None else str(value)

    def from_cell(self, table: Table, column: str, text: str) -> Value:
        """See Interchange."""
        declared = _column(table, column)
        alias = column if table.sequences.get(column) else ""
        if text in ("inf", "-inf") and values.affinity(declared.type) in ("real", "numeric"):
            return float(text)
        return values.parse(Shape(table=table, alias=alias), column, text)

    def from_sql(self, table: Table, column: str, literal: Any) -> Value:
        """See Interchange: what PostgreSQL writes of booleans and bytes becomes numbers and bytes."""
        if not isinstance(literal, str):
            return literal if isinstance(literal, bytes) else _taken(table, column, literal)
        declared = _column(table, column).type
        kind = values.affinity(declared)
        if kind == "text":
            return literal
        if _BYTEA.fullmatch(literal):
            return bytes.fromhex(literal[2:])
        if kind == "blob" or declared.upper() == "ANY":  # a text stays one
            return literal
        if literal in ("t", "f") and "BOOL" in declared.upper():
            return int(literal == "t")
        return self.from_cell(table, column, literal)

    def made(self, values: Mapping[str, Value]) -> Row:
        """See Interchange."""
        return Row(values)

    def from_raw(self, raw: bytes) -> Row:
        """See Interchange."""
        del raw
        raise UsageError("documents cannot be kept in a SQLite database", hint="export them as JSON and import that")

    def dump(self, view: SnapshotView, book: Book, format: str, tables: Sequence[Table] | None) -> Iterator[Dump]:  # noqa: A002
        """See Interchange."""
        del view, format
        assert isinstance(book, SqliteBook)  # noqa: S101 - a snapshot of this kind is opened as one
        yield Dump(name="", blocks=script.script(book, tables))


def _told(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$numberDouble": "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        return msgspec.Raw(json.dumps(value).encode())
    return value


def _taken(table: Table, name: str, value: Any) -> Value:
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            raise UsageError(f"{value} is too large for SQLite", where=f"{table.name}.{name}")
        return value
    if isinstance(value, Decimal):
        if math.isinf(number := float(value)):
            raise UsageError(f"{str(value)[:40]} is too large for SQLite", where=f"{table.name}.{name}")
        return number
    special = _special(table, name, *next(iter(value.items()))) if isinstance(value, dict) and len(value) == 1 else None
    return _json(value) if special is None else special


def _special(table: Table, name: str, kind: str, inner: Any) -> Value:
    """A value that JSON has no form for; None when this is an ordinary object."""
    if kind == "$numberDouble" and inner in _NOT_FINITE:
        return _NOT_FINITE[inner]
    if kind == "$binary" and isinstance(inner, dict) and isinstance(inner.get("base64"), str):
        try:
            return base64.b64decode(inner["base64"], validate=True)
        except binascii.Error as error:
            raise UsageError("this is no base64", where=f"{table.name}.{name}", why=str(error)) from error
    return None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=float)


def _column(table: Table, name: str) -> Column:
    found = next((each for each in table.columns if each.name == name), None)
    return found or Column(name=name)
