"""Retention: which snapshots of a source are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRules:
    """A snapshot is kept when any of the rules wants it; without a single rule everything is kept.

    ``last`` the newest so many; ``within`` everything younger; the others the newest of so many hours, days, weeks
    (from Monday), months, years that have one, in the source's time zone.
    """

    last: int | None = None
    within: timedelta | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None

    def __bool__(self) -> bool:
        return self != KeepRules()
