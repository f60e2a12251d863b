"""Schedules in words, and judged against what they are for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.model.health import Severity
from holdfast.model.policy import SourcePolicy
from holdfast.model.timetable import Schedule
from holdfast.planning.schedule_gaps import widest_gap
from holdfast.planning.schedule_judging import judge
from holdfast.planning.schedule_words import words_of

NOW = datetime(2026, 11, 21, 16, tzinfo=UTC)


def _cron(text: str, zone: str = "UTC", name: str = "backup", **more: object) -> Schedule:
    return Schedule(source="shop", name=name, cron=text, zone=zone, **more)


def _every(**span: float) -> Schedule:
    return Schedule(source="shop", name="often", every=timedelta(**span))


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("20 4 * * *", "daily at 04:20 (Europe/Vienna)"),
        ("0 14 * * *", "daily at 14:00 (Europe/Vienna)"),
        ("30 1,13 * * *", "daily at 01:30 and 13:30 (Europe/Vienna)"),
        ("0 * * * *", "every hour"),
        ("7 * * * *", "every hour at minute 7"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 */6 * * *", "every 6 hours (Europe/Vienna)"),
        ("0 2 * * 1", "Mondays at 02:00 (Europe/Vienna)"),
        ("0 2 * * MON,THU", "Mondays and Thursdays at 02:00 (Europe/Vienna)"),
        ("0 2 * * 1-5", "Mondays to Fridays at 02:00 (Europe/Vienna)"),
        ("@weekly", "Sundays at 00:00 (Europe/Vienna)"),
        ("0 0 1 * *", "on the 1st of every month at 00:00 (Europe/Vienna)"),
        ("0 4 2,22 1,7 *", "on the 2nd and 22nd of January and July at 04:00 (Europe/Vienna)"),
        ("15 3 L * *", "on the last day of every month at 03:15 (Europe/Vienna)"),
        ("0 9 * * 1#2", "at 09:00 on the second Monday of the month (Europe/Vienna)"),
    ],
)
def test_a_cron_expression_is_said_as_a_person_would(cron: str, words: str) -> None:
    """Nobody has to read five fields to know when the backup comes."""
    assert words_of(_cron(cron, "Europe/Vienna")) == words


def test_an_interval_and_a_jitter_are_said_too() -> None:
    """ "every hour", not "every 1:00:00"."""
    assert words_of(_every(hours=1)) == "every hour"
    assert words_of(_every(hours=26)) == "every 26 hours"
    assert words_of(_every(days=7)) == "every 7 days"
    assert words_of(_cron("0 4 * * *", jitter=timedelta(minutes=10))) == "daily at 04:00 (UTC), up to 10 minutes later"


def _policy(*schedules: Schedule, hours: float | None) -> SourcePolicy:
    rpo = None if hours is None else timedelta(hours=hours)
    return SourcePolicy(source="shop", tier="important", rpo=rpo, schedules=schedules)


def test_a_schedule_that_cannot_hold_its_rpo_is_found() -> None:
    """Daily backups cannot hold four hours, weekly ones cannot hold a day."""
    (daily,) = judge(_policy(_cron("0 2 * * *"), hours=4), NOW)
    assert (daily.code, daily.severity) == ("schedule-rpo", Severity.WARNING)
    assert "RPO of 4 hours: 24 hours lie between two backups" in daily.what
    (weekly,) = judge(_policy(_cron("0 2 * * 0"), hours=24), NOW)
    assert "7 days" in weekly.what
    assert judge(_policy(_every(hours=4), hours=4), NOW) == []


def test_schedules_are_judged_together() -> None:
    """Hourly on working days leaves the weekend; a second schedule for it mends that."""
    week = _cron("0 * * * 1-5", name="week")
    assert widest_gap((week,), NOW) == timedelta(hours=49)
    assert judge(_policy(week, hours=1), NOW)[0].code == "schedule-rpo"
    assert judge(_policy(week, _cron("0 * * * 0,6", name="weekend"), hours=1), NOW) == []


def test_a_schedule_of_some_items_holds_nothing() -> None:
    """An hourly backup of one table does not hold the RPO of the whole source."""
    (found,) = judge(_policy(_cron("0 * * * *", only=("orders",)), hours=4), NOW)
    assert found.code == "schedule-none"


def test_the_night_when_clocks_go_back_is_worth_knowing_no_more() -> None:
    """A daily schedule leaves 25 hours once a year."""
    (found,) = judge(_policy(_cron("0 4 * * *", "Europe/Vienna"), hours=24), NOW)
    assert found.severity is Severity.INFO
    assert "25 hours" in found.what


def test_a_name_that_says_another_rhythm_is_found() -> None:
    """The "weekly" backup that came every day, for years."""
    (found,) = judge(_policy(_cron("0 14 * * *", name="weekly"), hours=None), NOW)
    assert found.what == "the schedule 'weekly' of shop is not weekly: it comes daily at 14:00 (UTC)"
    for cron, name in (("@weekly", "weekly"), ("0 2 * * 1-5", "daily"), ("0 3 1 * *", "monthly")):
        good = _cron(cron, name=name)
        assert judge(_policy(good, hours=None), NOW) == []
