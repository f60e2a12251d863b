"""What is asked of one source: how fresh, how long kept, when backed up, what counts as unhealthy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.model.keeping import ENTITIES, FOR_EVER, PARTIALS, KeepRules, KeepTerms
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
    reread: timedelta | None = None


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
    keep_labels: tuple[str, ...] = FOR_EVER
    keep_entities: timedelta = ENTITIES
    keep_partials: timedelta = PARTIALS
    schedules: tuple[Schedule, ...] = ()
    health: HealthRules = field(default_factory=HealthRules)

    @property
    def keep_terms(self) -> KeepTerms:
        """What retention goes by."""
        return KeepTerms(
            source=self.source,
            environment=self.environment,
            zone=self.zone,
            rules=self.keep,
            triggers=self.keep_triggers,
            labels=self.keep_labels,
            entities=self.keep_entities,
            partials=self.keep_partials,
        )
