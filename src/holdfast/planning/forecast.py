"""When the store is full, if it grows on as it did of late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

LOOKED_BACK = timedelta(days=30)
LEAST_SPAN = timedelta(days=2)
_DAY = 86400.0
_FAR = timedelta(days=3650)
_POINTS = 60

Point = tuple[datetime, int]
"""So many bytes at that instant."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``growth`` in bytes a day, None when too little is known; ``full_at`` None when it is not in sight."""

    growth: float | None
    full_at: datetime | None


def forecast(points: Iterable[Point], free: int | None, now: datetime) -> Forecast:
    """From what was counted in the last thirty days: the median slope: one big day or prune misleads little.

    ``free`` bytes; None: the store does not tell, and is never full.
    """
    recent = sorted(point for point in points if now - LOOKED_BACK <= point[0] <= now)
    if len(recent) < 2 or recent[-1][0] - recent[0][0] < LEAST_SPAN:
        return Forecast(None, None)
    growth = _slope(recent[:: max(1, len(recent) // _POINTS)])
    if free is None or growth <= 0:
        return Forecast(growth, None)
    left = timedelta(days=min(free / growth, _FAR.days + 1))
    return Forecast(growth, now + left if left <= _FAR else None)


def brought(stored: Iterable[Point]) -> list[Point]:
    """What snapshots of the given sizes came to, one after the other: for a store that was never counted."""
    total, found = 0, []
    for at, size in sorted(stored):
        total += size
        found.append((at, total))
    return found


def _slope(points: Sequence[Point]) -> float:
    """Theil and Sen: the median of the slopes between any two, in bytes a day."""
    slopes = [
        (size - before) / seconds * _DAY
        for number, (at, size) in enumerate(points)
        for then, before in points[:number]
        if (seconds := (at - then).total_seconds()) > 0
    ]
    return median(slopes) if slopes else 0.0
