"""Backups that an application kept in a table of its own database: a row each, in one of the old systems' shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.exchange.csv_text import CsvReader
from holdfast.exchange.json_stream import JsonStream
from holdfast.exchange.reading import JsonReader, instant, instant_of_id
from holdfast.exchange.records import BadFile, Origin, Reader, Record
from holdfast.model.errors import UsageError

CSV, ENTRIES = "csv_content", "featured_entries_json"
_IDS = ("id", "backup_id", "snapshot_id", "uid")
_TIMES = ("created_at", "createdat", "timestamp", "backup_date", "date")
_STATES = ("status", "state", "backup_status")
_NOT_DONE = ("failed", "failure", "fail", "error", "errored", "pending", "queued", "running", "started", "in_progress",
             "in progress", "cancelled", "canceled", "aborted", "incomplete", "partial", "timeout")
_LONG = 512
_PIECE = 1 << 20


def is_backup(row: Mapping[str, Any]) -> bool:
    """Whether a row looks like a backup in one of these shapes."""
    names = {name.casefold() for name in row}
    return CSV in names or any(_is_document(value) for value in row.values()) or "backup_data" in names


def _is_document(value: Any) -> bool:
    text = value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict) else ""
    return text.lstrip().startswith("{") and '"tables"' in text[:_PIECE] + text[-_PIECE:]


def passed_over(row: Mapping[str, Any]) -> str:
    """Why the row of a run holds no backup; "" when it may."""
    named = {name.casefold(): value for name, value in row.items()}
    for name in _STATES:
        if isinstance(state := named.get(name), str) and state.strip().casefold() in _NOT_DONE:
            return f"its {name} is {state.strip()}"
    if named.get("success") in (False, 0, "f", "false"):
        return "it did not succeed"
    if CSV in named and named[CSV] is None and not named.get(ENTRIES):
        return f"it has no {CSV}"
    return ""


def id_of(row: Mapping[str, Any]) -> str:
    """What the application calls the backup; "" when it has no name."""
    named = {name.casefold(): value for name, value in row.items()}
    return str(next((named[name] for name in _IDS if named.get(name) is not None), ""))


def reader_of(row: Mapping[str, Any], table: str) -> tuple[Reader, Origin] | None:
    """How to read the backup in one row; None when the row holds none (a failed run).

    UsageError when the table is not one of backups.
    """
    named = {name.casefold(): value for name, value in row.items()}
    origin = Origin(format="table", path=f"table {table}")
    origin.id = id_of(row)
    origin.is_named = bool(origin.id)
    stated = next((named[name] for name in _TIMES if named.get(name)), "")
    origin.created_at = instant(stated) or instant_of_id(origin.id)
    origin.facts = {
        name: value for name, value in row.items()
        if isinstance(value, str | int | float | bool) and len(str(value)) <= _LONG
    }  # fmt: skip
    place = f"table {table}, row {origin.id}"
    if CSV in named:
        return _FeaturedReader(named, place), origin
    for name, value in named.items():
        if _is_document(value):
            text = value if isinstance(value, str) else json.dumps(value)
            return _Within(JsonReader(_pieces(text), f"{place}, {name}"), origin), origin
    if any(value is None for value in named.values()):
        return None
    raise UsageError(
        f"table {table} holds no backups that are known",
        why=f"its columns: {', '.join(row)}",
        hint=f"a table with {CSV} and {ENTRIES}, or with a JSON column that has 'tables', can be read",
    )


class _Within:
    """A document in a row: what the row tells counts more than what the document tells."""

    def __init__(self, reader: Reader, outer: Origin) -> None:
        self._reader = reader
        self._id, self._created_at = outer.id, outer.created_at

    def place(self) -> str:
        return self._reader.place()

    def records(self, origin: Origin) -> Iterator[Record]:
        yield from self._reader.records(origin)
        if origin.id and origin.id != self._id and self._id:
            origin.facts["id"] = origin.id
        origin.id = self._id or origin.id
        origin.created_at = self._created_at or origin.created_at


class _FeaturedReader:
    """Event rows as CSV and the featured schedule as JSON, in one row."""

    def __init__(self, row: Mapping[str, Any], place: str) -> None:
        self._csv = row.get(CSV)
        self._entries = row.get(ENTRIES)
        self._place = place
        self._at: Reader | JsonStream | None = None

    def place(self) -> str:
        return self._at.place() if self._at else self._place

    def records(self, origin: Origin) -> Iterator[Record]:
        if not isinstance(self._csv, str):
            raise BadFile("the row has no CSV", where=self._place)
        if self._csv:
            reader = CsvReader(_pieces(self._csv), f"{self._place}, {CSV}", CSV)
            self._at = reader
            yield from reader.records(origin)
        entries = self._entries if isinstance(self._entries, str | None) else json.dumps(self._entries)
        origin.tables[ENTRIES] = ()
        if not entries:
            return
        stream = JsonStream(_pieces(entries), f"{self._place}, {ENTRIES}")
        self._at = stream
        for _ in stream.elements():
            entry = stream.value()
            if not isinstance(entry, dict):
                raise stream.bad("an entry of the featured schedule is no object")
            yield Record(ENTRIES, entry)
        stream.finish()


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
