"""The longest time without an appointment of some schedules, over a year and a little, however often they come."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from holdfast.model.timetable import Schedule
from holdfast.planning.timetable import ALIASES, appointments, next_appointment, previous_due

_NONE, _DAY = timedelta(0), timedelta(days=1)
AHEAD = timedelta(days=400)
_WEEK = timedelta(days=9)
"""In it lie every weekday, and every night between two of them."""
_FEW = 60
"""So many appointments within it: then all of the year are gone through, else only the gaps are looked for."""
_FINE, _COARSE = timedelta(minutes=15), timedelta(hours=6)
"""Shorter gaps are not looked for in the week, nor later on, where they are those of the week."""


def widest_gap(schedules: tuple[Schedule, ...], now: datetime) -> timedelta | None:
    """The longest one between two appointments from today on; None without schedules. Jitter is not counted."""
    times = tuple(replace(each, source="", name="", only=(), jitter=_NONE) for each in schedules)
    return _widest(times, now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


def usual_gap(schedules: tuple[Schedule, ...], now: datetime) -> timedelta | None:
    """The same, but for the one night of the year in which clocks go back."""
    return widest_gap(tuple(replace(each, zone="UTC") for each in schedules), now)


@functools.lru_cache(maxsize=4096)
def _widest(schedules: tuple[Schedule, ...], begin: datetime) -> timedelta | None:
    """By their times alone: many sources with one timetable are worked out once."""
    if not schedules:
        return None
    if all(each.every is not None for each in schedules):
        return min(each.every for each in schedules if each.every is not None)
    week = list(islice(takewhile(lambda due: due < begin + _WEEK, _dues(schedules, begin)), _FEW + 1))
    if len(week) <= _FEW:
        year = list(takewhile(lambda due: due < begin + AHEAD, _dues(schedules, begin)))
        last = year[-1] if year else begin
        return max(later - earlier for earlier, later in pairwise([*year, last, _next(schedules, last)]))
    found = _scanned(schedules, begin, begin + _WEEK, max(_FINE, _seed(schedules, begin)))
    for night in _changes(schedules, begin):
        found = _scanned(schedules, night - _WEEK, night + 2 * _DAY, found)
    if found == _FINE:
        found = _seed(schedules, begin)
    if all(_weekly(each) for each in schedules):
        return found
    coarse = max(found, _COARSE)
    later = _scanned(schedules, begin + _WEEK, begin + AHEAD, coarse)
    return later if later > coarse else found


def _weekly(schedule: Schedule) -> bool:
    """Whether it comes the same every week, but for the clocks."""
    if schedule.cron is None:
        return False
    _, _, day, month, weekday = ALIASES.get(schedule.cron.strip().lower(), schedule.cron).split()
    return (day, month) == ("*", "*") and not {"#", "L"} & set(weekday.upper())


def _changes(schedules: tuple[Schedule, ...], begin: datetime) -> Iterator[datetime]:
    """The days on which the clocks of some schedule change."""
    for zone in {each.zone for each in schedules if each.cron is not None} - {"UTC"}:
        of = ZoneInfo(zone)
        for number in range(AHEAD.days):
            day = begin + number * _DAY
            if day.astimezone(of).utcoffset() != (day + _DAY).astimezone(of).utcoffset():
                yield day


def _dues(schedules: tuple[Schedule, ...], begin: datetime) -> Iterator[datetime]:
    return heapq.merge(*((each.due for each in appointments(schedule, begin)) for schedule in schedules))


def _seed(schedules: tuple[Schedule, ...], begin: datetime) -> timedelta:
    """The widest gap at some hours of nine days: most often it is the one, and spares steps."""
    hours = range(0, int(_WEEK.total_seconds()) // 3600, 7)
    return max(_around(schedules, begin + timedelta(hours=hour)) for hour in hours)


def _around(schedules: tuple[Schedule, ...], moment: datetime) -> timedelta:
    return _next(schedules, moment) - _previous(schedules, moment)


def _scanned(schedules: tuple[Schedule, ...], begin: datetime, end: datetime, widest: timedelta) -> timedelta:
    """The widest gap that begins between two instants, where it is wider than ``widest``.

    From one appointment to the last one within ``widest``: between those no gap is wider.
    """
    at = _next(schedules, begin)
    while at < end:
        reached = _previous(schedules, at + widest)
        if reached <= at:
            reached = _next(schedules, at)
            widest = max(widest, reached - at)
        at = reached
    return widest


def _next(schedules: tuple[Schedule, ...], after: datetime) -> datetime:
    return min(next_appointment(each, after).due for each in schedules)


def _previous(schedules: tuple[Schedule, ...], until: datetime) -> datetime:
    return max(previous_due(each, until) for each in schedules)
