"""A run: one thing holdfast did or tries to do, from the wish to its end. What journals keep and dashboards show."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class RunStatus(StrEnum):
    """``incomplete``: it ended, but something could not be read. ``interrupted``: its process went away."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)


class RunError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a run failed, as HoldfastError tells it; no secrets in it. ``retryable``: the same may succeed later."""

    code: str
    what: str
    where: str = ""
    why: str = ""
    hint: str = ""
    retryable: bool = False


class Phase(msgspec.Struct, kw_only=True):
    """A stretch of a run. ``amount`` of ``total`` (None: unknown) in ``unit`` "bytes" or "items" is done."""

    name: str
    source: str = ""
    started_at: str = ""
    seconds: float | None = None
    amount: int = 0
    total: int | None = None
    unit: str = "bytes"


class Run(msgspec.Struct, kw_only=True):
    """Times are ISO 8601 UTC. ``kind`` is the verb: "backup", "restore", "undo", "check", "prune", "forget", "ship" …

    ``key`` is what is done at most once at a time ("backup:shop"). ``schedule`` and ``due_at`` tell which appointment
    a run keeps. ``host``, ``pid`` and ``started`` are the process it runs in: when that is gone, it was interrupted.
    ``seen_at``: its last sign of life, for those who cannot see that process.
    ``attempt`` counts from 1; ``retry_of`` is the run this one tries again. ``seconds`` it ran, without waiting.
    """

    id: str
    kind: str
    status: RunStatus
    created_at: str
    sources: list[str] = []
    key: str = ""
    trigger: str = "manual"
    who: str = ""
    schedule: str = ""
    due_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None
    attempt: int = 1
    retry_of: str | None = None
    host: str = ""
    boot: str = ""
    pid: int = 0
    started: str = ""
    seen_at: str | None = None
    snapshots: list[str] = []
    rows: int | None = None
    items: int | None = None
    bytes_source: int | None = None
    bytes_read: int | None = None
    bytes_new: int | None = None
    bytes_stored: int | None = None
    phases: list[Phase] = []
    warnings: list[str] = []
    error: RunError | None = None
    more: dict[str, Any] = {}


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a run's log. ``number`` counts within the run from 1."""

    number: int
    at: str
    level: str
    text: str
