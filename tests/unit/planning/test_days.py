"""The strip of thirty days shows what never happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.planning.standings import NOW, info, standing

from holdfast.model.policy import HealthRules
from holdfast.model.timetable import Schedule
from holdfast.planning.days import days_of
from holdfast.planning.rhythm import rhythm_of

DAILY = HealthRules(max_age=timedelta(hours=26))


def _states(snapshots: list[Any], **more: Any) -> list[str]:
    return [day.state for day in days_of(standing(snapshots, health=DAILY, **more))]


def test_each_day_has_its_word() -> None:
    """Before the first, good, incomplete, failed, missed, and covered when a snapshot was young enough."""
    snapshots = [info(13), info(24 * 2 + 13, status="incomplete"), info(24 * 5 + 13), info(24 * 6 + 13)]
    states = _states(snapshots, failed_at=[NOW - timedelta(days=2)])
    assert states[-8:] == ["good", "good", "covered", "missed", "incomplete", "failed", "good", "covered"]
    assert states[0] == "before" and len(states) == 30


def test_a_day_that_goes_on_is_running() -> None:
    """Also when nothing good came of it yet."""
    assert _states([info(30)], running_since=NOW)[-1] == "running"


def test_days_are_those_of_the_source() -> None:
    """A snapshot at 23:30 UTC is of the next day in Vienna."""
    late = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    snapshots = [info((NOW - late).total_seconds() / 3600)]
    utc = {day.date: day.snapshots for day in days_of(standing(snapshots))}
    vienna = {day.date: day.snapshots for day in days_of(standing(snapshots, policy={"zone": "Europe/Vienna"}))}
    assert (utc["2026-11-18"], vienna["2026-11-18"], vienna["2026-11-19"]) == (1, 0, 1)


def test_numbers_of_a_day_are_added_up() -> None:
    """Snapshots, failures, new bytes."""
    today = days_of(standing([info(1, bytes_new=5), info(2, bytes_new=7)], failed_at=[NOW - timedelta(hours=3)]))[-1]
    assert (today.snapshots, today.failures, today.bytes_new, today.state) == (2, 1, 12, "good")


def _schedule(**more: Any) -> Schedule:
    return Schedule(**{"source": "shop", "name": "backup", **more})


def test_the_rhythm_is_the_widest_gap_of_all_schedules_together() -> None:
    """Workdays at four leave a weekend; an hourly one beside them does not; jitter widens."""
    workdays = _schedule(cron="0 4 * * 1-5")
    assert rhythm_of((workdays,), NOW).widest == timedelta(days=3)
    hourly = _schedule(name="often", every=timedelta(hours=1), jitter=timedelta(minutes=5))
    assert rhythm_of((workdays, hourly), NOW).widest == timedelta(hours=1, minutes=5)
    assert rhythm_of((hourly,), NOW).widest == timedelta(hours=1, minutes=5)


def test_the_next_one_is_the_first_of_any() -> None:
    """And a schedule of some tables only is none of the whole."""
    found = rhythm_of((_schedule(cron="0 4 * * *"), _schedule(name="noon", cron="30 12 * * *")), NOW)
    assert found.next == datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    assert rhythm_of((_schedule(cron="0 4 * * *", only=("public.a",)),), NOW).widest is None
