"""A schedule in words, as a person would say it: "daily at 04:20 (UTC)", "Mondays at 02:00 (Europe/Vienna)"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from holdfast.model.timetable import Schedule
from holdfast.planning.timetable import ALIASES

_DAYS = ("Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_SHORT = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_STEP = re.compile(r"\*/(\d+)\Z")
_ANY = datetime(2026, 1, 1, tzinfo=UTC)
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_IN_HOURS = 2 * 86_400
"""Seconds below which nobody counts in days."""


def words_of(schedule: Schedule) -> str:
    """When it comes, in one phrase."""
    if schedule.every is not None:
        told = f"every {span(schedule.every, one=False)}"
    else:
        text = (schedule.cron or "").strip()
        told = _cron(ALIASES.get(text.lower(), text).upper().split(), schedule.zone)
    late = f", up to {span(schedule.jitter)} later" if schedule.jitter else ""
    return told + late


def span(length: timedelta, *, one: bool = True) -> str:
    """ "26 hours", "3 days 6 hours"; without ``one`` a single unit is "hour"."""
    left, parts = round(length.total_seconds()), []
    for unit, size in _UNITS[left < _IN_HOURS :]:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    told = " ".join(parts[:2]) or "0 seconds"
    return told if one or not re.fullmatch(r"1 [a-z]+", told) else told.removeprefix("1 ")


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _cron(fields: Sequence[str], zone: str) -> str:
    minute, hour, day, month, weekday = fields
    if (rhythm := _rhythm(minute, hour)) and (day, month, weekday) == ("*", "*", "*"):
        return rhythm if minute.startswith("*") or hour == "*" else f"{rhythm} ({zone})"
    times, days = _times(minute, hour), _days(day, month, weekday)
    if times is None or days is None:
        explained = CronSim(" ".join(fields), _ANY).explain()
        return f"{explained[0].lower()}{explained[1:]} ({zone})"
    return f"{days} at {listed(times)} ({zone})"


def _rhythm(minute: str, hour: str) -> str | None:
    """Those that come many times a day."""
    step = _STEP.match(minute)
    if hour == "*":
        if minute == "*" or (step and step[1] == "1"):
            return "every minute"
        if step and 60 % int(step[1]) == 0:
            return f"every {step[1]} minutes"
        if minute.isdigit():
            return "every hour" if int(minute) == 0 else f"every hour at minute {int(minute)}"
    by_hours = _STEP.match(hour)
    if by_hours and minute.isdigit() and 24 % int(by_hours[1]) == 0 and int(by_hours[1]) > 1:
        since = f", from 00:{int(minute):02d}" if int(minute) else ""
        return f"every {by_hours[1]} hours{since}"
    return None


def _times(minute: str, hour: str) -> list[str] | None:
    minutes, hours = _numbers(minute), _numbers(hour)
    if minutes is None or hours is None or len(minutes) * len(hours) > 6:
        return None
    return [f"{each:02d}:{number:02d}" for each in hours for number in minutes]


def _days(day: str, month: str, weekday: str) -> str | None:
    if weekday != "*":
        return _weekdays(weekday) if (day, month) == ("*", "*") else None
    if day == "*":
        return "daily" if month == "*" else None
    days = _numbers(day)
    if days is None and day != "L":
        return None
    which = "the last day" if days is None else f"the {listed([_ordinal(each) for each in days])}"
    if month == "*":
        return f"on {which} of every month"
    months = _numbers(month)
    return None if months is None else f"on {which} of {listed([_MONTHS[each - 1] for each in months])}"


def _weekdays(text: str) -> str | None:
    for number, name in enumerate(_SHORT):
        text = text.replace(name, str(number))
    if between := re.fullmatch(r"([0-7])-([0-7])", text):
        first, last = int(between[1]), int(between[2])
        return "daily" if last - first >= 6 else f"{_DAYS[first]} to {_DAYS[last]}"
    numbers = _numbers(text)
    return None if numbers is None else listed([_DAYS[each] for each in numbers])


def _numbers(text: str) -> list[int] | None:
    parts = text.split(",")
    return sorted({int(part) for part in parts}) if all(part.isdigit() for part in parts) else None


def _ordinal(number: int) -> str:
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
