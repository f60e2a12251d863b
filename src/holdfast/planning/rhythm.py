"""What the schedules of a source come to together: how long the longest wait is, what is next."""

from __future__ import annotations

from datetime import datetime, timedelta

from holdfast.model.timetable import Schedule
from holdfast.planning.schedule_gaps import usual_gap, widest_gap
from holdfast.planning.standing import Rhythm
from holdfast.planning.timetable import next_appointment


def rhythm_of(schedules: tuple[Schedule, ...], now: datetime, words: tuple[str, ...] = ()) -> Rhythm:
    """Of the schedules that take everything; those with ``only`` make no snapshot that counts."""
    whole = tuple(each for each in schedules if not each.only)
    if not whole:
        return Rhythm(words=words)
    late = max(each.jitter for each in whole)
    return Rhythm(
        widest=(widest_gap(whole, now) or timedelta(0)) + late, usual=usual_gap(whole, now),
        next=min(next_appointment(each, now).begin for each in whole), words=words,
    )  # fmt: skip
