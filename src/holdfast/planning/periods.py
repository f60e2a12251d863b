"""Hours, days, weeks, months and years of a time zone: which one a moment lies in, and what it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta


def hour(moment: datetime) -> str:
    """Each hour that passes is one of its own: the night that has 2 o'clock twice has two of them."""
    return moment.strftime("%Y-%m-%d %H:00 UTC%z")


def day(moment: datetime) -> str:
    """The calendar day, whether it has 23, 24 or 25 hours."""
    return moment.date().isoformat()


def week(moment: datetime) -> str:
    """From Monday to Sunday, across the turn of a year too."""
    return "the week of Monday " + (moment.date() - timedelta(days=moment.weekday())).isoformat()


def month(moment: datetime) -> str:
    """The calendar month."""
    return moment.date().isoformat()[:7]


def year(moment: datetime) -> str:
    """The calendar year, not that of the weeks."""
    return moment.date().isoformat()[:4]


def spoken(span: timedelta) -> str:
    """ "30 days", "36 hours", "90 s"."""
    seconds = int(span.total_seconds())
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {name}" + ("" if seconds == size else "s")
    return f"{seconds} s"


PERIODS: Mapping[str, Callable[[datetime], str]] = {
    "hourly": hour,
    "daily": day,
    "weekly": week,
    "monthly": month,
    "yearly": year,
}
