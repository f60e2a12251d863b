"""What is kept of the document that a backup was imported from, so that an export can write that document again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.exchange.records import Origin
from holdfast.model.records import Row, Table
from holdfast.model.snapshot import Notes, SnapshotInfo
from holdfast.sources.records import Book
from holdfast.usecases.entity_finding import key_texts

_SHORT = 200
_MOST_NAMES = 4000


def facts(origin: Origin, called: Mapping[str, str], apart: tuple[Book, Table, Row] | None) -> Notes:
    """For a snapshot's ``more``: every reader of the log carries these, so only what is short.

    ``called``: tables under the names the file has for them. ``apart``: the row that the document is about.
    """
    metadata = origin.facts.get("metadata")
    told: Notes = {name: each for name, each in origin.facts.items() if name != "metadata" and _is_short(each)}
    if isinstance(metadata, dict):
        told["metadata"] = {name: each for name, each in metadata.items() if _is_short(each)}
    found: Notes = {
        "format": origin.format, "from": origin.path, "created_at": origin.created_at,
        "facts": {name: each for name, each in told.items() if _is_short(each) or name == "metadata"},
    }  # fmt: skip
    if origin.shape:
        found["shape"] = origin.shape
        if called and sum(map(len, (*called, *called.values()))) <= _MOST_NAMES:
            found["called"] = dict(called)
    if apart is not None and apart[1].key:
        book, table, row = apart
        found["entity"] = {"root": table.name, "key": key_texts(book, table, row)}
    return {"aliases": [origin.id] if origin.id else [], "import": found}


def of(info: SnapshotInfo) -> Notes:
    """What was kept; empty for a snapshot that was not imported."""
    told = (info.more or {}).get("import")
    return told if isinstance(told, dict) else {}


def shape(info: SnapshotInfo) -> str:
    """"tables" or "collections", as the document had it; "" where there was none."""
    return str(of(info).get("shape") or "")


def called(info: SnapshotInfo) -> dict[str, str]:
    """Our tables -> what the document called them."""
    told = of(info).get("called")
    return dict(told) if isinstance(told, dict) else {}


def entity(info: SnapshotInfo) -> Notes:
    """``root`` and ``key`` of the row that the document was about; may be empty."""
    told = of(info).get("entity")
    return dict(told) if isinstance(told, dict) else {}


def head(info: SnapshotInfo, *, whole: bool) -> dict[str, Any]:
    """The facts of its ``metadata``, or else those beside ``tables``, in their own words; counts only of ``whole``."""
    told = of(info).get("facts")
    told = told if isinstance(told, dict) else {}
    metadata = told.get("metadata")
    if shape(info) == "collections":
        found = dict(metadata) if isinstance(metadata, dict) else {}
        return {name: each for name, each in found.items() if whole or name != "statistics"}
    return {name: each for name, each in told.items() if name not in ("metadata", "statistics")}


def _is_short(value: Any) -> bool:
    return value is not None and len(str(value)) <= _SHORT
