"""Writes to the living database that happen whole or not at all, in one transaction of the server."""

from __future__ import annotations

import uuid
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from bson import Binary, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, PyMongoError

from holdfast.model.errors import TargetError
from holdfast.model.records import Key, Row, Table, Value
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.loading import give_back_zero_timestamps, nonzero
from holdfast.sources.mongodb.place import Base, Place
from holdfast.sources.mongodb.records.asking import filters
from holdfast.sources.mongodb.records.book import raw_of_row, row_of
from holdfast.sources.mongodb.records.paths import answers, values_at
from holdfast.sources.mongodb.refusals import translated
from holdfast.sources.mongodb.values import RAW, plain, raw_document
from holdfast.sources.records import Write

_LOOKED_AT = 200
_LOCK = "holdfast_lock"
_WRITING = "documents could not be written"
_UUID = 4
_CONFLICT = "the documents are not what they were expected to be; nothing was changed"

Request = InsertOne[RawBSONDocument] | ReplaceOne[RawBSONDocument] | UpdateOne | DeleteOne


class Transaction:
    """LiveTransaction (sources.records). ``session`` None: outside any transaction of the server (see Journaled)."""

    def __init__(
        self, place: Place, base: Base, tables: Mapping[str, Table], session: ClientSession | None
    ) -> None:
        self._place, self._base, self._tables, self._session = place, base, tables, session
        self._counts: dict[str, list[int]] = {}

    def find(
        self, table: Table, columns: tuple[str, ...], wanted: AbstractCollection[Key], *, lock: bool = False
    ) -> Iterator[Row]:
        """See sources.records.LiveTransaction. A document is locked by a field that is added and taken away again."""
        found: dict[bytes, Row] = {}
        try:
            for condition, keys in filters(columns, wanted):
                for raw in listed(self._base, {"find": table.name, "filter": condition}, self._session):
                    row = row_of(raw)
                    if answers(row.values, columns, keys):
                        found[only(raw, b"_id")] = row
            if lock:
                self._lock(table.name, list(found))
        except PyMongoError as error:
            raise self._told(error, table.name) from error
        yield from found.values()

    def write(self, writes: Sequence[Write]) -> int:
        """See sources.records.LiveTransaction."""
        done = 0
        for (verb, table), group in groupby(writes, key=lambda write: (write.verb, write.table)):
            some = list(group)
            try:
                self._check(table, some)
                done += self._bulk(verb, table, some)
            except BulkWriteError as error:
                raise self._clash(error, table, some) from error
            except PyMongoError as error:
                raise self._told(error, table) from error
        return done

    def defer_constraints(self) -> None:
        """MongoDB checks nothing between collections."""

    def next_id(self, table: Table, column: str, count: int) -> list[Value]:
        """See sources.records.LiveTransaction: like what stands in the field already, ObjectId where nothing does."""
        seen = self._seen(table.name, column)
        if isinstance(seen, bool) or seen is None or isinstance(seen, ObjectId):
            return [ObjectId() for _ in range(count)]
        if isinstance(seen, int | float):
            highest = self._highest(table.name, column)
            return [type(seen)(highest + number) for number in range(1, count + 1)]
        if isinstance(seen, Binary) and seen.subtype == _UUID:
            return [Binary(uuid.uuid4().bytes, _UUID) for _ in range(count)]
        if isinstance(seen, str):
            return [_text_like(seen) for _ in range(count)]
        return [ObjectId() for _ in range(count)]

    def advance_sequences(self, table: Table) -> None:
        """MongoDB has none."""

    def affected(self) -> Mapping[str, tuple[int, int, int]]:
        """See sources.records.LiveTransaction; nothing cascades here."""
        return {name: (counts[0], counts[1], counts[2]) for name, counts in self._counts.items()}

    def before(self, table: str, writes: Sequence[Write]) -> None:
        """Called before anything is written."""

    def _bulk(self, verb: str, table: str, writes: list[Write]) -> int:
        self.before(table, writes)
        held_back: list[tuple[bytes, list[str]]] = []
        requests = [_request(write, held_back) for write in writes]
        found = self._base[table].bulk_write(
            requests, ordered=True, session=self._session, bypass_document_validation=True
        )
        counts = self._counts.setdefault(table, [0, 0, 0])
        done = {"insert": found.inserted_count, "update": found.matched_count, "delete": found.deleted_count}[verb]
        counts[("insert", "update", "delete").index(verb)] += done
        if done != len(writes):
            raise TargetError(
                f"{len(writes) - done} of {len(writes)} documents to {verb} are not there",
                where=f"{self._place.url} {table}", hint="nothing was changed", retryable=True,
            )  # fmt: skip
        give_back_zero_timestamps(self._base, table, held_back, self._session)
        return done

    def _check(self, table: str, writes: list[Write]) -> None:
        """Whoever said what a document must be now is right, or nothing is written."""
        expected = {only(raw_of_row(write.row), b"_id"): write.expect for write in writes if write.expect is not None}
        if not expected:
            return
        keys = [RawBSONDocument(key, RAW)["_id"] for key in expected]
        found = listed(self._base, {"find": table, "filter": {"_id": {"$in": keys}}}, self._session)
        living = {only(raw, b"_id"): raw for raw in found}
        for key, row in expected.items():
            if row is not None and living.get(key) != raw_of_row(row):
                raise TargetError(_CONFLICT, where=f"{self._place.url} {table} {_shown(key)}", retryable=True)

    def _lock(self, table: str, keys: list[bytes]) -> None:
        """A write of nothing locks nothing, so there is one that is taken back within the transaction."""
        if self._session is None:
            return
        ids = [RawBSONDocument(key, RAW)["_id"] for key in keys]
        for change in ({"$set": {_LOCK: 1}}, {"$unset": {_LOCK: 1}}):
            if ids:
                self._base[table].update_many(
                    {"_id": {"$in": ids}}, change, session=self._session, bypass_document_validation=True
                )

    def _seen(self, table: str, column: str) -> Any:
        found = listed(self._base, {"find": table, "limit": _LOOKED_AT, "singleBatch": True}, self._session)
        values = (value for raw in islice(found, _LOOKED_AT) for value in values_at(row_of(raw).values, column))
        return next((value for value in values if value is not None), None)

    def _highest(self, table: str, column: str) -> int:
        command = {
            "find": table, "sort": {column: -1}, "limit": 1, "singleBatch": True,
            "filter": {column: {"$type": "number"}},
        }  # fmt: skip
        for raw in listed(self._base, command, self._session):
            return int(max(value for value in values_at(row_of(raw).values, column) if isinstance(value, int | float)))
        return 0

    def _clash(self, error: BulkWriteError, table: str, writes: list[Write]) -> TargetError:
        first = (error.details.get("writeErrors") or [{}])[0]
        at = first.get("index", 0)
        shown = _shown(only(raw_of_row(writes[at].row), b"_id")) if at < len(writes) else ""
        return TargetError(
            "a document could not be written; nothing was changed", where=f"{self._place.url} {table} {shown}",
            why=str(first.get("errmsg") or "refused"),
        )  # fmt: skip

    def _told(self, error: PyMongoError, table: str) -> Exception:
        told = translated(error, self._place, doing=_WRITING, kind=TargetError)
        told.where = f"{self._place.url} {table}"
        told.retryable = told.retryable or error.has_error_label("TransientTransactionError")
        return told


def _request(write: Write, held_back: list[tuple[bytes, list[str]]]) -> Request:
    raw = raw_of_row(write.row)
    if write.verb == "insert" or (write.verb == "update" and not write.columns):
        raw, names = nonzero(raw)
        if names:
            held_back.append((raw, names))
    document = raw_document(raw)
    if write.verb == "insert":
        return InsertOne(document)
    condition = {"_id": document["_id"]}
    if write.verb == "delete":
        return DeleteOne(condition)
    if not write.columns:
        return ReplaceOne(condition, document)
    return UpdateOne(condition, _change(write, document))


def _change(write: Write, document: RawBSONDocument) -> dict[str, Any]:
    """Set the columns to what the row has, take away what it has not."""
    setting, unsetting = {}, {}
    for column in write.columns:
        if column in document:
            setting[column] = document[column]
        elif "." in column or column in write.row.values:
            setting[column] = next(values_at(write.row.values, column), None)
        else:
            unsetting[column] = 1
    return {name: change for name, change in (("$set", setting), ("$unset", unsetting)) if change}


def _shown(key: bytes) -> str:
    return f"_id {plain(row_of(key).values.get('_id'))}"


def _text_like(seen: str) -> str:
    try:
        dashed = str(uuid.UUID(seen)) == seen.lower()
    except ValueError:
        return str(ObjectId())
    return str(uuid.uuid4()) if dashed else uuid.uuid4().hex


