"""Rows of PostgreSQL in other formats: JSON with numbers, lists and documents as such, CSV as COPY reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.model.errors import UsageError
from holdfast.model.records import Row, Table, Value
from holdfast.sources.exchanging import Block, Dump
from holdfast.sources.postgres.interchange_blocks import Singles, TableText
from holdfast.sources.postgres.records import arrays, lines
from holdfast.sources.postgres.records.columns import NUMBERS, WHOLE
from holdfast.sources.postgres.records.lines import stored_names
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook
from holdfast.sources.postgres.records.storable import Storable
from holdfast.sources.postgres.records.text import Form, escaped
from holdfast.sources.postgres.records.typed import typed
from holdfast.sources.records import Book, SnapshotView

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_INSTANT = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)T(?P<time>\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,6}))?Z")
_DOCUMENTS = ("json", "jsonb")
_VERBATIM = "$json"
_LISTED = re.compile(r"[^\s;{}\[\]](?:[^;{}]*[^\s;{}])?")


class PostgresInterchange:
    """sources.exchanging.Interchange. ``environ``: where pg_restore is looked for."""

    formats = ("sql", "pgdump")
    documents = False

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._types: dict[str, dict[str, str]] = {}
        self._storable: dict[str, Storable] = {}

    def by_example(self, table: Table, rows: Iterable[Row]) -> None:
        """See Interchange: the columns have types."""

    def with_tables(self, book: Book | None, names: Collection[str]) -> Book | None:
        """See Interchange: a table needs a definition."""
        del names
        return book

    def told(self, table: Table, row: Row) -> Mapping[str, Any]:
        """See Interchange."""
        types = self._types_of(table)
        return {
            name: None if value is None else _told(str(value), types.get(name, ""))
            for name, value in row.values.items()
        }

    def taken(self, table: Table, values: Mapping[str, Any]) -> Row:
        """See Interchange."""
        types = self._types_of(table)
        return Row({name: _taken(table, name, types.get(name, ""), value) for name, value in values.items()})

    def cell(self, table: Table, column: str, value: Value) -> str | None:
        """See Interchange: a list of plain words as ``jazz;live``, any other as PostgreSQL writes it."""
        if value is None or not self._types_of(table).get(column, "").endswith("[]"):
            return None if value is None else str(value)
        found = arrays.parsed(str(value))
        plain = found and all(isinstance(each, str) and _LISTED.fullmatch(each) for each in found)
        return ";".join(map(str, found)) if plain and found else str(value)

    def from_cell(self, table: Table, column: str, text: str) -> Value:
        """See Interchange."""
        kind = self._types_of(table).get(column, "")
        if kind.endswith("[]"):
            if text.startswith(("{", "[")) and text.endswith("}"):
                return text
            return arrays.written([each.strip() for each in text.split(";") if each.strip()])
        if kind in _DOCUMENTS:
            return _document(text)
        return typed(table, column, text)

    def from_sql(self, table: Table, column: str, literal: Any) -> Value:
        """See Interchange: what COPY or another database wrote, in the form of the column."""
        kind = self._types_of(table).get(column, "")
        if isinstance(literal, bytes | bytearray):
            return "\\x" + bytes(literal).hex()
        if kind == "boolean" and not isinstance(literal, bool):
            return typed(table, column, str(literal))
        if isinstance(literal, int | Decimal) and kind.startswith(NUMBERS) and not kind.endswith("[]"):
            return typed(table, column, _text(literal))
        return _text(literal)

    def made(self, values: Mapping[str, Value]) -> Row:
        """See Interchange."""
        return Row(values)

    def from_raw(self, raw: bytes) -> Row:
        """See Interchange."""
        del raw
        raise UsageError("documents cannot be kept in PostgreSQL", hint="export them as JSON and import that")

    def dump(self, view: SnapshotView, book: Book, format: str, tables: Sequence[Table] | None) -> Iterator[Dump]:  # noqa: A002
        """See Interchange."""
        del book
        from holdfast.sources.postgres.archive import Archive

        archive = Archive(view, None if tables is None else {table.name for table in tables})
        if format == "pgdump":
            yield Dump(name="", blocks=archive.blocks())
            return
        from holdfast.sources.postgres.archive_script import script_from

        yield Dump(name="", blocks=script_from(archive.blocks(), self._environ, version=archive.reader_version))

    def csv_blocks(self, book: Book, table: Table, names: Sequence[str]) -> Iterator[Block] | None:
        """See Blockwise."""
        found = self._blocks(book, table)
        return None if found is None else found.csv(names)

    def json_blocks(self, book: Book, table: Table) -> Iterator[Block] | None:
        """See Blockwise."""
        found = self._blocks(book, table)
        return None if found is None else found.json()

    def lines_of_copy(self, table: Table, names: Sequence[str | None], text: str) -> str | None:
        """See Linewise."""
        return lines.copied(table, names, text)

    def lines_of_cells(self, table: Table, names: Sequence[str | None], cells: Sequence[Sequence[str]]) -> str | None:
        """See Linewise."""
        types = self._types_of(table)

        def one(name: str) -> Callable[[str], str]:
            return lambda cell: escaped(self.from_cell(table, name, cell))

        try:
            made = [
                column if name is None else lines.column_of(types[name], column, one(name))
                for name, column in zip(names, cells, strict=True)
            ]
        except UsageError:  # it is told where it stands
            return None
        return lines.laid(table, names, made)

    def rows_of_lines(self, table: Table, lines: str) -> Iterator[Row]:
        """See Linewise."""
        return Form(names=tuple(stored_names(table)), types=()).rows(lines.encode("utf-8", "surrogateescape"))

    def refuse(self, table: Table, row: Row) -> None:
        """See Storing."""
        self._rules(table).refuse(row)

    def keys_of_lines(self, table: Table, lines: str) -> dict[tuple[str, ...], list[tuple[str, ...]]] | None:
        """See Linewise."""
        rules = self._rules(table)
        found = rules.keys_of(lines)
        return None if found is None else dict(zip(rules.keys, found, strict=True))

    def _rules(self, table: Table) -> Storable:
        if table.name not in self._storable:
            self._storable[table.name] = Storable(table)
        return self._storable[table.name]

    def _blocks(self, book: Book, table: Table) -> TableText | None:
        types = self._types_of(table)
        singles = Singles(
            cell=lambda name, value: self.cell(table, name, value),
            told=lambda name, value: _told(str(value), types.get(name, "")),
        )
        return TableText(book=book, table=table, singles=singles) if isinstance(book, SnapshotBook) else None

    def _types_of(self, table: Table) -> dict[str, str]:
        if table.name not in self._types:
            self._types[table.name] = {column.name: column.type for column in table.columns}
        return self._types[table.name]


def _told(value: str, kind: str) -> Any:
    if kind in WHOLE:
        return int(value)
    if kind == "boolean":
        return value == "t"
    if kind.startswith(NUMBERS):
        return msgspec.Raw(value.encode()) if _NUMBER.fullmatch(value) and value != "-0" else value
    if kind in _DOCUMENTS:
        return _raw_document(value, kind)
    if kind.endswith("[]"):
        return _told_list(value, kind[:-2])
    return value if value.isascii() else _whole_letters(value)


def _raw_document(value: str, kind: str) -> Any:
    """JSON as it is, where reading it back gives the same text; else the text itself, marked."""
    verbatim = value.lstrip().startswith(('{"' + _VERBATIM, "null")) or "\n" in value or "\r" in value
    if kind == "json":
        try:
            verbatim = verbatim or _dumped(_loaded(value)) != value
        except ValueError:
            verbatim = True
    return {_VERBATIM: value} if verbatim else msgspec.Raw(value.encode())


def _told_list(value: str, kind: str) -> Any:
    found = arrays.parsed(value)
    if found is None or arrays.written(found) != value:
        return value
    if kind in WHOLE or kind == "boolean":
        return arrays.mapped(found, lambda each: int(each) if kind in WHOLE else each == "t")
    return found


def _whole_letters(value: str) -> Any:
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        return msgspec.Raw(json.dumps(value).encode())
    return value


def _taken(table: Table, name: str, kind: str, value: Any) -> Value:
    if value is None:
        return None
    if kind in _DOCUMENTS:
        if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_VERBATIM), str):
            return str(value[_VERBATIM])
        return _dumped(value)
    if isinstance(value, list):
        if not kind.endswith("[]"):
            return _dumped(value)
        return arrays.written(arrays.mapped(value, _text))
    if isinstance(value, dict):
        return _special(table, name, value)
    if isinstance(value, str):
        value = _instant(value, kind)
        return value if kind.endswith("[]") or not kind else typed(table, name, value)
    if isinstance(value, bool) and kind.startswith((*WHOLE, *NUMBERS)):
        raise UsageError(f"a boolean cannot stand in {table.name}.{name}", why=f"the column is of type {kind}")
    return typed(table, name, _text(value)) if _is_formed(kind) else _text(value)


def _is_formed(kind: str) -> bool:
    """Whether numbers of a type have one form only."""
    return kind in WHOLE or kind == "boolean" or (kind.startswith(NUMBERS) and not kind.endswith("[]"))


def _instant(text: str, kind: str) -> str:
    """A time as programs write it in JSON, ``2026-11-20T04:20:00.000Z``, as the column would."""
    found = _INSTANT.fullmatch(text) if kind.startswith(("timestamp", "date")) else None
    if found is None:
        return text
    if kind == "date":
        return found["day"] if not found["time"].strip("0:") and not (found["part"] or "").strip("0") else text
    part = (found["part"] or "").rstrip("0")
    zone = "+00" if kind.endswith("with time zone") else ""
    return f"{found['day']} {found['time']}{'.' + part if part else ''}{zone}"


def _type_of(table: Table, name: str) -> str:
    return next((column.type for column in table.columns if column.name == name), "")


def _special(table: Table, name: str, value: Mapping[str, Any]) -> Value:
    """Extended JSON, as documents are exported in; any other object is kept as JSON text."""
    if len(value) == 1:
        kind, inner = next(iter(value.items()))
        if kind == "$date" and isinstance(inner, str):
            return _instant(inner, _type_of(table, name))
        if kind == "$oid":
            return str(inner)
        if kind.startswith("$number"):
            return str(inner)
        if kind == "$uuid":
            return typed(table, name, str(inner))
    return _dumped(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value).replace("E+", "e+").replace("E-", "e-")
    return value if isinstance(value, str) else _dumped(value) if isinstance(value, dict | list) else str(value)


def _loaded(text: str) -> Any:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            raise ValueError("a name stands twice")
        return made

    return json.loads(text, parse_float=Decimal, object_pairs_hook=pairs)


def _dumped(value: Any) -> str:
    """JSON as jsonb prints it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_dumped(str(name))}: {_dumped(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_dumped, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _document(text: str) -> str:
    """A cell for a JSON column: JSON as it is, a list of words ``jazz;live`` as an array of them."""
    try:
        json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith(("{", "[", '"')):
            raise UsageError(f"'{text[:40]}' is no JSON", why=str(error)) from error
        if ";" in text:
            return _dumped([each.strip() for each in text.split(";") if each.strip()])
        return _dumped(text)
    except RecursionError as error:
        raise UsageError("values are nested too deep") from error
    return text
