"""What is asked of one source: how fresh, how long kept, when backed up, what counts as unhealthy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.model.keeping import KeepRules
from holdfast.model.timetable import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRules:
    """Limits; None: not asked. Percentages against the source's own baseline."""

    max_age: timedelta | None = None
    min_count: int | None = None
    min_size: int | None = None
    min_rows: int | None = None
    max_row_drop: float | None = None
    max_size_change: float | None = None
    reach: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicy:
    """The configuration's word on one source, with tiers and defaults worked in.

    ``rpo`` how much may be lost, ``rto`` how long recovery may take. ``keep_triggers`` empty: every trigger counts.
    """

    source: str
    environment: str = "production"
    zone: str = "UTC"
    tier: str | None = None
    rpo: timedelta | None = None
    rto: timedelta | None = None
    keep: KeepRules = field(default_factory=KeepRules)
    keep_triggers: tuple[str, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    health: HealthRules = field(default_factory=HealthRules)
