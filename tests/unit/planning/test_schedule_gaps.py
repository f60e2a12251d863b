"""The widest gap of schedules, compared with going through every appointment of the year."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.model.timetable import Schedule
from holdfast.planning import schedule_gaps
from holdfast.planning.rhythm import rhythm_of
from holdfast.planning.schedule_gaps import AHEAD, usual_gap, widest_gap
from holdfast.planning.timetable import appointments

NOW = datetime(2026, 11, 21, tzinfo=UTC)
H, M = timedelta(hours=1), timedelta(minutes=1)


def crons(*texts: str, zone: str = "Europe/Vienna") -> tuple[Schedule, ...]:
    return tuple(Schedule(source="shop", name=text, cron=text, zone=zone) for text in texts)


@pytest.mark.parametrize(
    ("schedules", "gap"),
    [
        (crons("*/2 8-18 * * 1-5"), 62 * H + 2 * M),
        (crons("* * * * 1-5"), 49 * H + M),
        (crons("*/5 6-23 * * *"), 7 * H + 5 * M),
        (crons("*/5 * * * *"), 5 * M),
        (crons("0,50 * * * *"), 50 * M),
        (crons("*/30 * 1-7 * *"), 24 * 24 * H + H + 30 * M),
        (crons("*/30 8-18 * * 5#1,0"), 6 * 24 * H + 14 * H + 30 * M),
        (crons("0 4 1 * *"), 31 * 24 * H + H),
        (crons("*/10 8-18 * * 1-5", "0 12 * * 0,6"), 25 * H),
    ],
)
def test_gaps_are_found_however_often_appointments_come(schedules: tuple[Schedule, ...], gap: timedelta) -> None:
    """Weekends, nights, the night when clocks go back, months of 31 days."""
    assert widest_gap(schedules, NOW) == gap
    assert rhythm_of(schedules, NOW).widest == gap


@pytest.mark.parametrize(
    "texts",
    [("0 */6 * * *",), ("30 2 * * *", "0 14 * * 1"), ("15 */2 * * *", "0 4 1 * *"), ("0 3 L * *",)],
)
def test_it_is_the_one_that_going_through_them_all_finds(texts: tuple[str, ...]) -> None:
    """Appointment by appointment, four hundred days of them."""
    series = [
        itertools.takewhile(lambda each: each.due < NOW + AHEAD, appointments(each, NOW)) for each in crons(*texts)
    ]
    dues = list(heapq.merge(*([each.due for each in one] for one in series)))
    assert widest_gap(crons(*texts), NOW) == max(later - earlier for earlier, later in itertools.pairwise(dues))


def test_the_usual_gap_leaves_out_the_night_when_clocks_go_back() -> None:
    """Six hours, and seven on that night; jitter is late at most once."""
    schedules = crons("0 */6 * * *")
    assert (usual_gap(schedules, NOW), widest_gap(schedules, NOW)) == (6 * H, 7 * H)
    late = (Schedule(source="shop", name="a", every=H, jitter=10 * M),)
    assert (rhythm_of(late, NOW).usual, rhythm_of(late, NOW).widest) == (H, 70 * M)
    assert widest_gap((), NOW) is None


def test_sources_with_one_timetable_are_worked_out_once() -> None:
    """Hundreds of sources that are backed up every hour cost a look at a page no more than one of them."""
    one = (Schedule(source="shop", name="hourly", cron="7 * * * *", zone="Europe/Vienna"),)
    widest_gap(one, NOW)
    before = schedule_gaps._widest.cache_info().misses
    many = [tuple(replace(each, source=f"shop{n}", name=str(n)) for each in one) for n in range(600)]
    assert {widest_gap(each, NOW) for each in many} == {widest_gap(one, NOW)}
    assert schedule_gaps._widest.cache_info().misses == before
