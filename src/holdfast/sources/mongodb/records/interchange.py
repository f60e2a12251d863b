"""Documents in other formats: extended JSON that keeps every type, CSV for people, BSON files as of mongodump."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import bson
import msgspec
from bson import DatetimeMS, Int64, ObjectId
from bson.json_util import CANONICAL_JSON_OPTIONS, JSONMode, JSONOptions, default, dumps, object_hook

from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Row, Table, Value
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.records import typing_in
from holdfast.sources.mongodb.records.book import MongoBook, raw_of_row, row_of
from holdfast.sources.mongodb.values import LOOKING
from holdfast.sources.records import Book, Dump, SnapshotView

_READING = JSONOptions(
    json_mode=JSONMode.CANONICAL, tz_aware=True, datetime_conversion=LOOKING.datetime_conversion,
    uuid_representation=LOOKING.uuid_representation,
)  # fmt: skip
_VERBATIM = "$bson"
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_PLAIN_WORD = re.compile(r"[^\s;{}\[\]\"][^;]*")
_EPOCH, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_SAMPLES = 20
_SAFE = "$&+=:@"


class MongoInterchange:
    """sources.records.Interchange."""

    formats = ("bson",)
    documents = True

    def __init__(self) -> None:
        self._types: dict[str, dict[str, set[type]]] = {}
        self._samples: dict[str, dict[str, list[Any]]] = {}

    def by_example(self, table: Table, rows: Iterable[Row]) -> None:
        """See Interchange: where these hold ObjectIds or dates, so do texts that look like them."""
        types = self._types.setdefault(table.name, {})
        samples = self._samples.setdefault(table.name, {})
        for row in rows:
            _note_types("", row.values, types)
            for name, value in row.values.items():
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
        found = _told(bson.decode(raw, LOOKING))
        try:
            if _written(_reread(found)) == raw:
                return found  # type: ignore[no-any-return]
        except (UsageError, ValueError, TypeError):
            pass
        return {_VERBATIM: base64.b64encode(raw).decode()}

    def taken(self, table: Table, values: Mapping[str, Any]) -> Row:
        """See Interchange."""
        if len(values) == 1 and isinstance(values.get(_VERBATIM), str):
            try:
                return self.from_raw(base64.b64decode(values[_VERBATIM], validate=True))
            except binascii.Error as error:
                raise UsageError("this is no base64", where=table.name, why=str(error)) from error
        types = self._types.get(table.name, {})
        try:
            return row_of(_written(_typed("", _read(values), types)))
        except (ValueError, TypeError, OverflowError, bson.errors.BSONError) as error:
            raise UsageError("this is no document of MongoDB", where=table.name, why=str(error)) from error

    def cell(self, table: Table, column: str, value: Value) -> str | None:
        """See Interchange."""
        del table, column
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, ObjectId):
            return str(value)
        if isinstance(value, datetime):
            return str(_told(value).get("$date"))
        if isinstance(value, list) and value and all(isinstance(v, str) and _PLAIN_WORD.fullmatch(v) for v in value):
            return ";".join(value)
        return msgspec.json.encode(_told(value)).decode()

    def from_cell(self, table: Table, column: str, text: str) -> Value:
        """See Interchange: by the types of the values that are there already."""
        seen = self._samples.get(table.name, {}).get(column, [])
        if any(isinstance(each, list) for each in seen) and not text.startswith("["):
            return _typed(column, [each.strip() for each in text.split(";")], self._types[table.name])  # type: ignore[no-any-return]
        found: Value = typing_in.parse(text, column, seen)
        return found

    def from_sql(self, table: Table, column: str, literal: Any) -> Value:
        """See Interchange."""
        if isinstance(literal, str):
            return self.from_cell(table, column, literal)
        return float(literal) if isinstance(literal, Decimal) else literal

    def from_raw(self, raw: bytes) -> Row:
        """See Interchange."""
        try:
            return row_of(raw)
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


def _told(value: Any) -> Any:
    if value is None or isinstance(value, bool) or type(value) in (str, int):
        return value
    if type(value) is dict or (isinstance(value, Mapping) and not hasattr(value, "as_doc")):
        return {name: _told(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_told(each) for each in value]
    if isinstance(value, Int64):
        return {"$numberLong": str(int(value))}
    if isinstance(value, float):
        return value if math.isfinite(value) else default(value, CANONICAL_JSON_OPTIONS)
    if isinstance(value, datetime) and _EPOCH <= value < _LAST:
        return {"$date": value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if isinstance(value, datetime | DatetimeMS):
        number = int(value) if isinstance(value, DatetimeMS) else round((value - _EPOCH).total_seconds() * 1000)
        return {"$date": {"$numberLong": str(number)}}
    return _read_back(default(value, _READING))


def _read_back(found: Any) -> Any:
    """What json_util leaves inside (the scope of code, the id of a reference) told likewise."""
    return {name: _told(each) for name, each in found.items()} if isinstance(found, Mapping) else found


def _reread(found: Any) -> Any:
    """As it would come out of a file: a float as its digits."""
    if isinstance(found, float):
        return found
    return _read(found)


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        found = {name: _read(each) for name, each in value.items()}
        return object_hook(found, _READING) if next(iter(found), "").startswith("$") else found
    if isinstance(value, list):
        return [_read(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def _written(document: Any) -> bytes:
    if not isinstance(document, Mapping):
        raise UsageError("this is no document")
    return bson.encode(document, codec_options=LOOKING)


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
