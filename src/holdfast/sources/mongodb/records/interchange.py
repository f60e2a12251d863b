"""Documents in other formats: extended JSON that keeps every type, CSV for people, BSON files as of mongodump."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import bson
import msgspec
from bson import ObjectId
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps, loads

from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Row, Table, Value
from holdfast.sources.exchanging import Dump
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.records import typing_in
from holdfast.sources.mongodb.records.book import MongoBook, raw_of_row, row_of
from holdfast.sources.mongodb.records.telling import NOT_READ, READING, VERBATIM, kept, read, told, written
from holdfast.sources.records import Book, SnapshotView

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_PLAIN_WORD = re.compile(r"(?!(?:null|true|false)\Z)[^\s;{}\[\]\"](?:[^;]*[^\s;])?")
_EXTENDED = ("{", "[", '"')
_SAMPLES = 20
_SAFE = "$&+=:@"


class MongoInterchange:
    """sources.exchanging.Interchange."""

    formats = ("bson",)
    documents = True

    def __init__(self) -> None:
        self._types: dict[str, dict[str, set[type]]] = {}
        self._samples: dict[str, dict[str, list[Any]]] = {}
        self._kinds: dict[str, dict[str, set[type]]] = {}

    def by_example(self, table: Table, rows: Iterable[Row]) -> None:
        """See Interchange: where these hold ObjectIds or dates, so do texts that look like them."""
        types = self._types.setdefault(table.name, {})
        samples = self._samples.setdefault(table.name, {})
        kinds_there = self._kinds.setdefault(table.name, {})
        for row in rows:
            _note_types("", row.values, types)
            for name, value in row.values.items():
                kinds_there.setdefault(name, set()).add(type(value))
                if len(samples.setdefault(name, [])) < _SAMPLES:
                    samples[name].append(value)

    def with_tables(self, book: Book | None, names: AbstractCollection[str]) -> Book | None:
        """See Interchange."""
        definitions = book.definitions if isinstance(book, MongoBook) else {}
        return _Drawer(definitions, dict.fromkeys([*(book.tables if book is not None else ()), *names]))

    def told(self, table: Table, row: Row) -> Mapping[str, Any]:
        """See Interchange: relaxed where JSON's own types are certain; bytes where no reader would keep a document."""
        del table
        raw = raw_of_row(row)
        found = kept(raw)
        return {VERBATIM: base64.b64encode(raw).decode()} if found is None else found

    def taken(self, table: Table, values: Mapping[str, Any]) -> Row:
        """See Interchange."""
        if len(values) == 1 and isinstance(values.get(VERBATIM), str):
            try:
                return self.from_raw(base64.b64decode(values[VERBATIM], validate=True))
            except binascii.Error as error:
                raise UsageError("this is no base64", where=table.name, why=str(error)) from error
        types = self._types.get(table.name, {})
        try:
            return row_of(written(_typed("", read(values), types)))
        except NOT_READ as error:
            raise UsageError("this is no document of MongoDB", where=table.name, why=str(error)) from error

    def cell(self, table: Table, column: str, value: Value) -> str | None:
        """See Interchange: as people write it where that is read back; in a field of several types, extended JSON."""
        mixed = bool(self._kinds.get(table.name, {}).get(column, set()) - {type(value), type(None)})
        if value is None:
            return "null"
        if type(value) is str:
            return _quoted(value) if _reads_otherwise(value, mixed=mixed) else value
        if isinstance(value, ObjectId) and not mixed:
            return str(value)
        if isinstance(value, datetime) and not mixed and isinstance(moment := told(value).get("$date"), str):
            return moment
        if isinstance(value, list) and value and all(type(v) is str and _PLAIN_WORD.fullmatch(v) for v in value):
            return ";".join(value)
        return dumps(value, json_options=READING) if mixed else msgspec.json.encode(told(value)).decode()

    def from_cell(self, table: Table, column: str, text: str) -> Value:
        """See Interchange: by the types of the values that are there already."""
        if text == "null":
            return None
        if text.startswith(_EXTENDED):
            value: Value = _extended(text, column)
            return value
        kinds_there = self._kinds.get(table.name, {}).get(column, set())
        if text in ("true", "false") and bool in kinds_there:
            return text == "true"
        seen = self._samples.get(table.name, {}).get(column, [])
        if any(issubclass(kind, list) for kind in kinds_there):
            listed: Value = _typed(column, [each.strip() for each in text.split(";")], self._types[table.name])
            return listed
        found: Value = typing_in.parse(text, column, seen)
        return found

    def from_sql(self, table: Table, column: str, literal: Any) -> Value:
        """See Interchange."""
        if isinstance(literal, str):
            return self.from_cell(table, column, literal)
        return float(literal) if isinstance(literal, Decimal) else literal

    def made(self, values: Mapping[str, Value]) -> Row:
        """See Interchange."""
        return row_of(written(values))

    def from_raw(self, raw: bytes) -> Row:
        """See Interchange."""
        try:
            return row_of(raw)
        except RecursionError as error:
            raise UsageError("values are nested too deep", hint="MongoDB takes 100 levels") from error
        except ValueError as error:
            raise UsageError("this is no document of BSON", why=str(error)) from error

    def dump(self, view: SnapshotView, book: Book, format: str, tables: Sequence[Table] | None) -> Iterator[Dump]:  # noqa: A002
        """See Interchange: ``database/collection.bson`` and ``….metadata.json`` beside it."""
        del format
        assert isinstance(book, MongoBook)  # noqa: S101 - a snapshot of this kind is opened as one
        folder = quote(str(view.manifest.notes.get("database") or "database"), safe=_SAFE)
        for name, definition in book.definitions.items():
            if tables is None and definition.kind == kinds.KIND_VIEW:
                yield Dump(name=f"{folder}/{_file(name)}.metadata.json", blocks=iter([_metadata(name, definition)]))
        for table in book.tables.values() if tables is None else tables:
            path = f"{folder}/{_file(table.name)}"
            yield Dump(name=f"{path}.bson", blocks=(raw_of_row(row) for row in book.rows(table)))
            metadata = _metadata(table.name, book.definitions.get(table.name))
            yield Dump(name=f"{path}.metadata.json", blocks=iter([metadata]))


class _Drawer(MongoBook):
    """Collections without documents: some known, some to be."""

    def rows(self, table: Table) -> Iterator[Row]:
        del table
        return iter(())

    def find(self, table: Table, columns: tuple[str, ...], wanted: AbstractCollection[Key]) -> Iterator[Row]:
        del table, columns, wanted
        return iter(())


def _file(name: str) -> str:
    return quote(name, safe=_SAFE, errors="surrogateescape")


def _metadata(name: str, definition: Collection | None) -> bytes:
    """What mongorestore makes a collection of."""
    told: dict[str, Any] = {"indexes": [], "collectionName": name, "type": "collection", "options": {}}
    if definition is not None:
        told["indexes"] = [bson.decode(each) for each in definition.indexes]
        told["options"] = definition.options
        told["type"] = definition.kind
        if definition.uuid:
            told["uuid"] = definition.uuid.hex()
    return dumps(told, json_options=CANONICAL_JSON_OPTIONS).encode()


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _reads_otherwise(text: str, *, mixed: bool) -> bool:
    """Whether a reader of the cell would take the text for something else."""
    if text in ("", "null") or text.startswith(_EXTENDED):
        return True
    return mixed and (";" in text or len(typing_in.readings(text, None)) > 1)


def _extended(text: str, column: str) -> Any:
    try:
        return loads(text, json_options=READING)
    except NOT_READ as error:
        raise UsageError(f"this is no extended JSON: {text[:80]}", where=column, why=str(error)) from error


def _note_types(path: str, value: Any, types: dict[str, set[type]]) -> None:
    if isinstance(value, Mapping):
        for name, each in value.items():
            _note_types(f"{path}.{name}", each, types)
    elif isinstance(value, list):
        for each in value:
            _note_types(f"{path}[]", each, types)
    elif value is not None:
        types.setdefault(path, set()).add(type(value))


def _typed(path: str, value: Any, types: Mapping[str, set[type]]) -> Any:
    """Texts at places where only ObjectIds or only dates stand become such."""
    if isinstance(value, dict):
        return {name: _typed(f"{path}.{name}", each, types) for name, each in value.items()}
    if isinstance(value, list):
        return [_typed(f"{path}[]", each, types) for each in value]
    if isinstance(value, str) and (kinds_there := types.get(path)):
        if kinds_there == {ObjectId} and _OBJECT_ID.fullmatch(value):
            return ObjectId(value)
        if kinds_there == {datetime}:
            return _moment(value)
    return value


def _moment(text: str) -> Any:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return found if found.tzinfo else found.replace(tzinfo=UTC)
