"""Files of other systems that hold whole tables: JSON documents, JSON lines, and BSON as mongodump writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from holdfast.exchange.json_stream import JsonStream
from holdfast.exchange.records import BadFile, Form, Origin, Record

ROOT = "eventDocument"
LARGEST_DOCUMENT = 48 << 20
_FEW = 64 << 10
_TIMES = ("backupDate", "timestamp", "createdAt", "created_at")
_STAMPED = re.compile(r"backup[-_](?P<ms>\d{12,14})\Z|backup_(?P<day>\d{8}_\d{6})\Z|_backup_(?P<end>\d{12,14})\Z")


class JsonReader:
    """The document with ``tables``, the one with ``collections``, or an array of rows (exchange.records.Reader).

    ``table``: what the rows of a mere array belong to.
    """

    def __init__(self, chunks: Iterator[str], name: str, table: str = "") -> None:
        self._stream = JsonStream(chunks, name)
        self._table = table

    def place(self) -> str:
        """See Reader."""
        return self._stream.place()

    def records(self, origin: Origin) -> Iterator[Record]:
        """See Reader."""
        stream = self._stream
        if stream.peek() == "[":
            origin.tables[self._table] = ()
            yield from self._rows(self._table)
        else:
            yield from self._document(origin)
        stream.finish()

    def _document(self, origin: Origin) -> Iterator[Record]:
        stream, found = self._stream, False
        statistics: Any = None
        for name in stream.members():
            if name in ("tables", "collections"):
                found, origin.shape = True, origin.shape or name
                for table in stream.members():
                    origin.tables[table] = ()
                    yield from self._rows(table)
            elif name == ROOT:
                found, origin.shape = True, "collections"
                if isinstance(document := stream.value(), dict):
                    table = _root_of(origin)
                    origin.tables.setdefault(table, ())
                    yield Record(table, document, apart=True)
            elif name == "statistics":
                statistics = stream.value()
            else:
                origin.facts[name] = _small(stream.value())
        if not found:
            raise stream.bad(
                "this document has neither 'tables' nor 'collections'",
                "an array of rows, or such a document, can be imported; other JSON not",
            )
        _told_by(origin, statistics)

    def _rows(self, table: str) -> Iterator[Record]:
        stream = self._stream
        if stream.peek() == "n" and stream.value() is None:
            return
        for _ in stream.elements():
            row = stream.value()
            if not isinstance(row, dict):
                raise stream.bad(f"a row of {table!r} is no object")
            yield Record(table, row)


def _root_of(origin: Origin) -> str:
    """The table of the one document that stands apart, where the file tells it before."""
    metadata = origin.facts.get("metadata")
    root = metadata.get("root") if isinstance(metadata, dict) else None
    return root if isinstance(root, str) and root else ROOT


def _small(value: Any) -> Any:
    """Facts worth keeping with a snapshot: not those that are long."""
    plain = _without_decimals(value)
    return plain if len(msgspec.json.encode(plain)) <= _FEW else None


def _without_decimals(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _without_decimals(each) for name, each in value.items()}
    return [_without_decimals(each) for each in value] if isinstance(value, list) else value


def _told_by(origin: Origin, statistics: Any) -> None:
    """What the document says of itself: id, time, and how many rows there should be."""
    facts: Mapping[str, Any] = origin.facts
    if isinstance(metadata := facts.get("metadata"), dict):
        facts = {**facts, **metadata}
    stated_id = next((facts[name] for name in ("backupId", "id", "_id") if isinstance(facts.get(name), str)), "")
    origin.id, origin.is_named = (stated_id, True) if stated_id else (origin.id, origin.is_named)
    stated = next((facts[name] for name in _TIMES if facts.get(name)), "")
    origin.created_at = instant(stated) or instant_of_id(origin.id) or origin.created_at
    if not isinstance(statistics, dict) and isinstance(metadata, dict):
        statistics = metadata.get("statistics")
    if isinstance(statistics, dict):
        origin.facts["statistics"] = _small(statistics)
        for table in origin.tables:
            count = _count(statistics.get(table))
            if count is not None:
                origin.counts[table] = count


def _count(stated: Any) -> int | None:
    if isinstance(stated, dict):
        stated = next((stated[name] for name in ("count", "rows", "total") if name in stated), None)
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else None


def instant(stated: Any) -> str:
    """A time as ISO 8601 in UTC; "" when it is none."""
    if isinstance(stated, dict) and len(stated) == 1:
        stated = stated.get("$date", "")
        stated = stated.get("$numberLong", "") if isinstance(stated, dict) else stated
    if isinstance(stated, int) or (isinstance(stated, str) and stated.isdecimal() and len(stated) in (12, 13, 14)):
        return _of_seconds(int(stated) / 1000)
    try:
        found = datetime.fromisoformat(str(stated))
    except ValueError:
        return ""
    return _written(found if found.tzinfo else found.replace(tzinfo=UTC))


def instant_of_id(name: str) -> str:
    """The time in ``backup-1700000000000``, ``backup_20261120_042000`` or ``event_7_backup_1700000000000``."""
    found = _STAMPED.search(name)
    if found is None:
        return ""
    if found["day"]:
        try:
            return _written(datetime.strptime(found["day"], "%Y%m%d_%H%M%S").replace(tzinfo=UTC))
        except ValueError:
            return ""
    return _of_seconds(int(found["ms"] or found["end"]) / 1000)


def _of_seconds(seconds: float) -> str:
    try:
        return _written(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return ""


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLinesReader:
    """One object a line, all of one table (exchange.records.Reader)."""

    def __init__(self, chunks: Iterator[str], name: str, table: str) -> None:
        self._stream = JsonStream(chunks, name)
        self._table = table

    def place(self) -> str:
        """See Reader."""
        return self._stream.place()

    def records(self, origin: Origin) -> Iterator[Record]:
        """See Reader."""
        origin.tables[self._table] = ()
        while self._stream.peek():
            row = self._stream.value()
            if not isinstance(row, dict):
                raise self._stream.bad("a line is no JSON object")
            yield Record(self._table, row)


class BsonReader:
    """Documents one after the other, as mongodump writes a collection (exchange.records.Reader)."""

    def __init__(self, blocks: Iterator[bytes], name: str, table: str) -> None:
        self._blocks = blocks
        self._name = name
        self._table = table
        self._number = self._at = 0

    def place(self) -> str:
        """See Reader."""
        return f"{self._name}, document {self._number:,}, byte {self._at:,}"

    def records(self, origin: Origin) -> Iterator[Record]:
        """See Reader."""
        origin.tables[self._table] = ()
        data, at = b"", 0
        for block in self._blocks:
            data, at = data[at:] + block, 0
            while len(data) - at >= 4:
                length = int.from_bytes(data[at : at + 4], "little")
                self._refuse_length(length)
                if len(data) - at < length:
                    break
                self._number += 1
                if data[at + length - 1]:
                    raise BadFile("this is no BSON", where=self.place(), why="a document does not end in a zero byte")
                yield Record(self._table, form=Form.RAW, raw=data[at : at + length])
                at += length
                self._at += length
        if at < len(data):
            self._number += 1
            raise BadFile(
                "the file ends inside a document", where=self.place(),
                hint="it was written half; copy it again from where it came from",
            )  # fmt: skip

    def _refuse_length(self, length: int) -> None:
        if not 5 <= length <= LARGEST_DOCUMENT:
            self._number += 1
            raise BadFile("this is no BSON", where=self.place(), why=f"a document of {length:,} bytes is told")
