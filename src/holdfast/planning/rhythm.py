"""What the schedules of a source come to together: how long the longest wait is, what is next."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from holdfast.model.timetable import Schedule
from holdfast.planning.standing import Rhythm
from holdfast.planning.timetable import appointments, next_appointment

_LOOKED_AT = timedelta(days=400)
_AT_MOST = 600
_FROM = datetime(2026, 1, 1, tzinfo=UTC)


def rhythm_of(schedules: tuple[Schedule, ...], now: datetime, words: tuple[str, ...] = ()) -> Rhythm:
    """Of the schedules that take everything; those with ``only`` make no snapshot that counts."""
    whole = tuple(each for each in schedules if not each.only)
    if not whole:
        return Rhythm(words=words)
    return Rhythm(widest=_widest(whole), next=min(next_appointment(each, now).begin for each in whole), words=words)


@functools.lru_cache(maxsize=512)
def _widest(schedules: tuple[Schedule, ...]) -> timedelta:
    """The longest time between two of their next appointments, jitter included."""
    jitter = max(each.jitter for each in schedules)
    if all(each.every is not None for each in schedules):
        return min(each.every for each in schedules if each.every is not None) + jitter
    found: list[datetime] = []
    horizon = _FROM + _LOOKED_AT
    for schedule in schedules:
        some = list(islice(appointments(schedule, _FROM), _AT_MOST))
        found += [each.due for each in some]
        if len(some) == _AT_MOST:
            horizon = min(horizon, some[-1].due)  # beyond, gaps would be those of the others alone
    gaps = [later - earlier for earlier, later in pairwise(sorted(due for due in found if due <= horizon))]
    return max(gaps, default=_LOOKED_AT) + jitter
