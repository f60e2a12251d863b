"""The report: how things stand, from evidence and the clock at reading time. What status, API and dashboard show."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from holdfast.model.health import Finding
from holdfast.model.run import RunError


class Level(IntEnum):
    """How ready a source is for its worst day; each level needs evidence for those below (DESIGN §8)."""

    UNPROTECTED = 0
    FRESH = 1
    INTACT = 2
    RESTORABLE = 3
    CORRECT = 4
    SURVIVABLE = 5


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a level is reached or not: ``proven`` or not, and what was looked at, in words."""

    level: Level
    proven: bool
    what: str


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day of a source. ``state``: "good", "incomplete", "failed", "missed", "running", "before" (not yet there).

    "covered": no snapshot was made, and the newest before was young enough.
    """

    date: str
    state: str
    snapshots: int = 0
    failures: int = 0
    bytes_new: int = 0


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """One of the last snapshots of a source, for tables. ``good``: complete, and of everything."""

    id: str
    created_at: str
    good: bool
    rows: int | None
    bytes_source: int
    bytes_stored: int


class SourceReport(msgspec.Struct, kw_only=True):
    """One source. Ages and spans in seconds; ``loss`` is the sentence a person wants first.

    ``reach``: how far back the oldest good snapshot lies. ``rpo`` and ``rto`` None: nobody said. ``limit``: the age
    the newest good snapshot may have, and ``limit_from`` who says so. ``bytes_stored``: what its living snapshots
    brought. ``recent``: the last seven, newest first. ``proven_at``: the youngest proof that still holds.
    """

    source: str
    kind: str
    configured: bool
    environment: str
    tier: str | None
    level: Level
    evidence: list[Evidence]
    loss: str
    age: float | None
    rpo: float | None
    rto: float | None
    reach: float | None
    newest: str | None
    newest_at: str | None
    rows: int | None
    bytes_source: int | None
    bytes_stored: int
    snapshots: int
    pinned: int
    failed_since: int
    last_failure: RunError | None
    last_failure_at: str | None
    next_due_at: str | None
    schedules: list[str]
    not_protected: list[str]
    days: list[Day]
    findings: list[Finding]
    limit: float | None = None
    limit_from: str = ""
    proven_at: str | None = None
    recent: list[Recent] = []
    cost: float | None = None


class RepositoryReport(msgspec.Struct, kw_only=True):
    """The store. ``full_at``: when it is full if it grows on as it did; ``cost`` a month in ``currency``.

    ``measured_at``: when ``bytes_stored`` was counted in the store; None: never, it is what the snapshots brought.
    ``growth`` in bytes a day. ``checked_at``: when all its bytes were last re-read without a problem.
    """

    url: str
    id: str
    bytes_stored: int
    bytes_free: int | None
    full_at: str | None
    cost: float | None
    currency: str
    checked_at: str | None
    measured_at: str | None = None
    growth: float | None = None


class SystemReport(msgspec.Struct, kw_only=True):
    """Everything; ``sources`` worst first. ``level`` is that of the worst source of the configuration.

    ``scheduler_at``: last sign of the scheduler, None never. ``headline``: one honest sentence.
    """

    as_of: str
    headline: str
    level: Level
    sources: list[SourceReport]
    repository: RepositoryReport
    findings: list[Finding]
    scheduler_at: str | None
    warnings: list[str]

    def __getitem__(self, source: str) -> SourceReport:
        """One source by its name; KeyError for a name that nobody knows."""
        for each in self.sources:
            if each.source == source:
                return each
        raise KeyError(source)
