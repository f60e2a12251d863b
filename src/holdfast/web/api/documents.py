"""What the API tells of snapshots and runs; fields as in the command line's --json and docs/journal.md."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict

from holdfast.model.run import Run
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import SnapshotEntry


class Document(BaseModel):
    """What is answered: every field is there, None where nothing is known."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Backup(Document):
    """One snapshot. Byte counts as in docs/cli.md; ``name`` its label, ``aliases`` ids of the system it came from."""

    id: str
    source: str
    kind: str
    created_at: str
    created_by: str
    trigger: str
    status: str
    name: str | None
    aliases: list[str]
    pinned: bool
    partial: bool
    forgotten: bool
    rows: int | None
    items: int
    bytes_source: int
    bytes_read: int
    bytes_new: int
    bytes_stored: int
    seconds: float
    run: str
    source_changed_at: str | None
    origin: str


class Table(Document):
    """A table, a collection, a file. ``bytes`` 0 for tables within the file of a database."""

    name: str
    kind: str
    rows: int | None
    bytes: int


class Backups(Document):
    """Newest first. ``total`` of those that the filters let through; ``next``: cursor of the page after."""

    backups: list[Backup]
    next: str | None
    total: int


class BackupDetails(Backup):
    """One snapshot with what it does not hold, and the rows of its tables (the first five hundred)."""

    not_protected: list[str]
    warnings: list[str]
    tables: list[Table]
    tables_more: bool


class Items(Document):
    """Items in the order of the manifest."""

    items: list[Table]
    next: str | None


class Phase(Document):
    """A stretch of a run; ``amount`` of ``total`` in ``unit`` is done."""

    name: str
    source: str
    started_at: str
    seconds: float | None
    amount: int
    total: int | None
    unit: str


class Failure(Document):
    """Why a run failed."""

    code: str
    what: str
    where: str = ""
    why: str = ""
    hint: str = ""


class RunDocument(Document):
    """One run. ``result``: what it told at its end, without row values; ``undo`` in it: a snapshot to go back to."""

    id: str
    kind: str
    status: str
    sources: list[str]
    trigger: str
    who: str
    schedule: str
    due_at: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    attempt: int
    retry_of: str | None
    snapshots: list[str]
    rows: int | None
    items: int | None
    bytes_source: int | None
    bytes_read: int | None
    bytes_new: int | None
    bytes_stored: int | None
    phases: list[Phase]
    warnings: list[str]
    error: Failure | None
    result: dict[str, Any] | None


class Runs(Document):
    """Newest first. ``next``: cursor of the page after."""

    runs: list[RunDocument]
    next: str | None


class Line(Document):
    """One line of a run's log."""

    number: int
    at: str
    level: str
    text: str


class Log(Document):
    """Lines in order. ``next``: the number to go on after, None at the end of what there is."""

    lines: list[Line]
    next: int | None


class Done(Document):
    """Something small was done."""

    success: bool = True
    message: str
    backups: list[str] = []
    warnings: list[str] = []


_RUN = tuple(name for name in RunDocument.model_fields if name != "result")


def run_fields(run: Run) -> dict[str, Any]:
    """A run as the API tells it, as JSON values."""
    known: dict[str, Any] = msgspec.to_builtins(run)
    return {**{name: known[name] for name in _RUN}, "result": run.more.get("result")}


def run_document(run: Run) -> RunDocument:
    """A run as the API tells it."""
    return RunDocument(**run_fields(run))


def backup_fields(entry: SnapshotEntry) -> dict[str, Any]:
    """A snapshot as the API tells it."""
    info: SnapshotInfo = entry.info
    names = [name for name in Backup.model_fields if name not in ("items", "aliases", "pinned", "forgotten")]
    return {
        **{name: getattr(info, name) for name in names}, "items": info.item_count, "pinned": entry.pinned,
        "forgotten": entry.forgotten, "aliases": [str(each) for each in (info.more or {}).get("aliases") or ()],
    }  # fmt: skip
