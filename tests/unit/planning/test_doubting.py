"""When the clock is not believed: told by the store, and by a gap in what was stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.planning.doubting import why_doubted

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def series(*steps: timedelta, records: int = 4) -> list[tuple[datetime, int]]:
    """Marks with these gaps between them, the last one at NOW."""
    moments = [NOW]
    for step in reversed(steps):
        moments.insert(0, moments[0] - step)
    return [(moment, number * records) for number, moment in enumerate(moments)]


def doubt(marks: list[tuple[datetime, int]], later: timedelta = HOUR) -> str:
    return why_doubted(marks, (NOW + later, marks[-1][1] + 2))


def test_a_steady_rhythm_is_believed() -> None:
    """Hourly, daily, weekly, monthly; also with a night or a weekend left out; also the very first snapshot."""
    for step in (HOUR, DAY, 7 * DAY, 30 * DAY):
        assert doubt(series(*[step] * 20)) == ""
    assert doubt(series(*[HOUR] * 20, 40 * HOUR, HOUR)) == ""
    assert doubt(series(*[DAY] * 20, 2.9 * DAY)) == ""
    assert doubt(series()) == ""
    assert why_doubted([], (NOW, 1)) == ""


def test_a_leap_is_doubted_until_things_were_stored_for_a_while() -> None:
    """For as long as it lasted, or a week; the words tell both times."""
    leap = series(*[DAY] * 10, 60 * DAY)
    assert doubt(leap) == (
        "nothing was stored for 60 d before 2026-11-21 04:00 UTC: a long pause, or a clock that jumped ahead"
    )
    assert doubt(series(*[DAY] * 10, 60 * DAY, *[DAY] * 6))
    assert doubt(series(*[DAY] * 10, 60 * DAY, *[DAY] * 7)) == ""
    assert doubt(series(*[HOUR] * 10, 2 * DAY, *[HOUR] * 40))
    assert doubt(series(*[HOUR] * 10, 2 * DAY, *[HOUR] * 48)) == ""


def test_a_leap_is_doubted_before_anything_was_stored_after_it() -> None:
    """As a prune does that comes first."""
    assert doubt(series(*[DAY] * 10), 61 * DAY)
    assert doubt(series(*[DAY] * 10), 2 * DAY) == ""


def test_where_others_stood_between_two_that_are_left_nothing_leaped() -> None:
    """Snapshots thinned out by retention: the numbers of their records tell."""
    assert doubt(series(30 * DAY, 7 * DAY, DAY, records=50)) == ""
    assert doubt(series(DAY, DAY, 30 * DAY, DAY))


def test_what_was_dated_into_the_future_tells_nothing() -> None:
    """After a jump and back the clock that is right now is believed."""
    marks = [*series(*[DAY] * 5), (NOW + 90 * DAY, 30)]
    assert why_doubted(marks, (NOW + HOUR, 32)) == ""


@pytest.mark.parametrize("off", [-timedelta(days=1200), timedelta(hours=2)])
def test_the_store_s_clock_is_a_second_opinion(off: timedelta) -> None:
    """More than an hour apart, either way."""
    told = why_doubted(series(DAY, DAY), (NOW + HOUR, 20), NOW + HOUR + off)
    assert told.startswith("the clock here says 2026-11-21 05:00 UTC, that of the store 20")
    assert why_doubted(series(DAY, DAY), (NOW + HOUR, 20), NOW + HOUR + timedelta(minutes=50)) == ""
