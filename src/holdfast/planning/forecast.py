"""When the store is full, if it grows on as it did of late."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

LOOKED_BACK = timedelta(days=30)
LEAST_SPAN = timedelta(days=2)
_DAY = 86400.0
_FAR = timedelta(days=3650)
_POINTS = 60
_LATELY, _NEAR = timedelta(days=4), timedelta(days=14)
_LEAST_POINTS = 4

Point = tuple[datetime, int]
"""So many bytes at that instant."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``growth`` in bytes a day, None when too little is known; ``full_at`` None when it is not in sight.

    ``lately``: it is the pace of the last few days, not of the last thirty.
    """

    growth: float | None
    full_at: datetime | None
    lately: bool = False


def forecast(points: Iterable[Point], free: int | None, now: datetime) -> Forecast:
    """From what was counted in the last thirty days: the median slope: one big day or prune misleads little.

    Where it is full within two weeks at the pace of the last four days, that is told: what begins to fill fast would
    be seen too late. ``free`` bytes; None: the store does not tell, and is never full.
    """
    recent = sorted(point for point in points if now - LOOKED_BACK <= point[0] <= now)
    few = [point for point in recent if now - _LATELY <= point[0]]
    long = _of(_slope(_some(recent)) if _enough(recent, 2) else None, free, now)
    short = _of(min(_slope(_some(few)), _steady(few)) if _enough(few, _LEAST_POINTS) else None, free, now)
    if short.full_at is None or short.full_at - now > _NEAR or (long.full_at and long.full_at <= short.full_at):
        return long
    return Forecast(short.growth, short.full_at, lately=True)


def _enough(points: Sequence[Point], least: int) -> bool:
    return len(points) >= least and points[-1][0] - points[0][0] >= LEAST_SPAN


def _some(points: Sequence[Point]) -> Sequence[Point]:
    return points[:: max(1, len(points) // _POINTS)]


def _of(growth: float | None, free: int | None, now: datetime) -> Forecast:
    if growth is None or growth <= 0 or free is None:
        return Forecast(growth, None)
    left = timedelta(days=min(free / growth, _FAR.days + 1))
    return Forecast(growth, now + left if left <= _FAR else None)


def _steady(points: Sequence[Point]) -> float:
    """The median from one day to the next: one big day is no pace."""
    days = list({at.date(): (at, size) for at, size in points}.values())
    return median(_slope(pair) for pair in pairwise(days)) if len(days) > 1 else 0.0


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
