"""Appointments: in the schedule's own zone, once in the nights when clocks change, caught up once."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.timetable import Schedule
from holdfast.planning import timetable
from holdfast.planning.timetable import appointments, check_cron, delay, due_now, last_appointment, next_begin

VIENNA = "Europe/Vienna"


def _schedule(cron: str | None = None, every: timedelta | None = None, **more: object) -> Schedule:
    return Schedule(source="shop", name="backup", cron=cron, every=every, **more)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _dues(schedule: Schedule, after: str, count: int) -> list[str]:
    some = itertools.islice(appointments(schedule, _at(after)), count)
    return [f"{each.due:%m-%d %H:%M}" for each in some]


def test_a_time_of_day_is_one_in_the_zone_of_the_schedule() -> None:
    """04:20 in Vienna is 02:20 UTC in summer, 03:20 in winter."""
    assert _dues(_schedule("20 4 * * *", zone=VIENNA), "2026-07-01T00:00", 1) == ["07-01 02:20"]
    assert _dues(_schedule("20 4 * * *", zone=VIENNA), "2026-12-01T00:00", 1) == ["12-01 03:20"]


def test_a_time_that_comes_twice_in_autumn_is_kept_once() -> None:
    """02:30 comes at 00:30 and at 01:30 UTC; the first counts, also for who looks between the two."""
    schedule = _schedule("30 2 * * *", zone=VIENNA)
    assert _dues(schedule, "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    between = _at("2026-10-25T01:15")
    assert last_appointment(schedule, between).due == _at("2026-10-25T00:30")
    assert timetable.next_appointment(schedule, between).due == _at("2026-10-26T01:30")
    assert due_now(schedule, _at("2026-10-25T00:30"), _at("2026-10-25T01:40")) is None


def test_a_time_that_the_clocks_skip_in_spring_is_kept_as_soon_as_they_have() -> None:
    """There is no 02:30 on that night: 03:00 in summer time is 01:00 UTC."""
    assert _dues(_schedule("30 2 * * *", zone=VIENNA), "2026-03-28T12:00", 2) == ["03-29 01:00", "03-30 00:30"]


def test_an_hourly_schedule_comes_every_hour_whatever_the_clocks_do() -> None:
    """Neither a gap nor a doubling in either night."""
    schedule = _schedule("5 * * * *", zone=VIENNA)
    for night in ("2026-10-24T20:00", "2026-03-28T20:00"):
        dues = [each.due for each in itertools.islice(appointments(schedule, _at(night)), 12)]
        assert {later - earlier for earlier, later in itertools.pairwise(dues)} == {timedelta(hours=1)}


def test_an_interval_has_the_same_appointments_on_every_machine() -> None:
    """They count from 1970, not from when a daemon was started."""
    assert _dues(_schedule(every=timedelta(hours=6)), "2026-11-21T16:05", 2) == ["11-21 18:00", "11-22 00:00"]


def test_what_was_missed_is_done_once() -> None:
    """A laptop that slept for three days makes one backup, and tells how many were missed."""
    found = due_now(_schedule("20 4 * * *"), _at("2026-11-17T04:20"), _at("2026-11-21T09:00"))
    assert (found.appointment.due, found.missed) == (_at("2026-11-21T04:20"), 3)
    assert due_now(_schedule("20 4 * * *"), _at("2026-11-21T04:20"), _at("2026-11-21T09:00")) is None


def test_a_schedule_that_was_never_kept_is_due_at_once() -> None:
    """The first run does not wait for tomorrow night."""
    assert due_now(_schedule("20 4 * * *"), None, _at("2026-11-21T09:00")) is not None


def test_an_appointment_kept_in_the_future_is_not_believed() -> None:
    """A clock that stood at 2030 for a minute does not stop backups until 2030; one that is a bit ahead is no harm."""
    schedule, now = _schedule("0 * * * *"), _at("2026-11-21T09:10")
    assert due_now(schedule, _at("2030-01-01T00:00"), now) is not None
    weekly = _schedule("0 4 * * 0")
    assert due_now(weekly, _at("2026-11-22T04:00"), now) is not None, "it has not come yet"
    assert due_now(schedule, _at("2026-11-21T10:00"), _at("2026-11-21T09:55")) is None


def test_jitter_delays_each_appointment_by_its_own_amount_always_the_same() -> None:
    """Two daemons agree, many schedules spread."""
    schedule = _schedule("0 4 * * *", jitter=timedelta(minutes=30))
    delays = [delay(schedule, _at(f"2026-11-{day:02d}T04:00")) for day in range(1, 31)]
    assert delays == [delay(schedule, _at(f"2026-11-{day:02d}T04:00")) for day in range(1, 31)]
    assert len(set(delays)) > 25
    assert timedelta(0) <= min(delays) < timedelta(minutes=6)
    assert timedelta(minutes=24) < max(delays) <= timedelta(minutes=30)


def test_nothing_is_due_before_its_jitter_is_over() -> None:
    """The appointment of 04:00 begins later, and until then the one before is the last."""
    schedule = _schedule("0 4 * * *", jitter=timedelta(minutes=30))
    due = _at("2026-11-21T04:00")
    begin = due + delay(schedule, due)
    yesterday = _at("2026-11-20T04:00")
    assert due_now(schedule, yesterday, begin - timedelta(seconds=1)) is None
    assert next_begin(schedule, yesterday, begin - timedelta(seconds=1)) == begin
    assert due_now(schedule, yesterday, begin).appointment.due == due


@pytest.mark.parametrize("alias", list(timetable.ALIASES))
def test_the_usual_aliases_are_known(alias: str) -> None:
    """@daily and its like."""
    check_cron(alias)
    assert last_appointment(_schedule(alias), _at("2026-11-21T09:00")) is not None


_CRONS = [
    "20 4 * * *", "30 2 * * *", "*/15 * * * *", "0 */6 * * *", "30 1 * * 0", "0 3 1 * *", "15 0,12 * * 1-5",
    "0 0 29 2 *",
]  # fmt: skip
_ZONES = ["UTC", VIENNA, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(_CRONS), st.sampled_from(_ZONES), st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    st.integers(0, 14),
)  # fmt: skip
def test_what_is_done_when_due_is_never_due_again(cron: str, zone: str, moment: datetime, jitter: int) -> None:
    """Whenever one looks: what is due now is due no more once it is kept, and the next begins later."""
    schedule = _schedule(cron, zone=zone, jitter=timedelta(minutes=jitter))
    now = moment.replace(tzinfo=UTC)
    found = due_now(schedule, None, now)
    assert found.appointment.begin <= now
    assert due_now(schedule, found.appointment.due, now) is None
    later = next_begin(schedule, found.appointment.due, now)
    assert later > now
    assert due_now(schedule, found.appointment.due, later).appointment.due > found.appointment.due
