"""The whole: a silent scheduler, a store that fills up, a public one, a clock that is wrong, checks that are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.planning.standings import MIB, NOW, read

from holdfast.model.health import Finding, Severity
from holdfast.planning.forecast import Forecast, brought, forecast
from holdfast.planning.system_health import SecretAge, Whole, system_findings

GIB = 1 << 30


def _found(**facts: Any) -> dict[str, Finding]:
    given: dict[str, Any] = {"now": NOW, "readings": [read()], **facts}
    return {each.code: each for each in system_findings(Whole(**given))}


def test_all_well_is_silent() -> None:
    """A scheduler that is awake, room, a check of yesterday."""
    awake = NOW - timedelta(seconds=40)
    assert not _found(scheduled=["shop"], scheduler_at=awake, free=100 * GIB, written_at=NOW)


@pytest.mark.parametrize(
    ("at", "severity"),
    [(None, Severity.WARNING), (timedelta(minutes=6), Severity.CRITICAL), (-timedelta(hours=1), Severity.WARNING)],
)
def test_a_silent_scheduler_is_told_where_something_is_scheduled(at: timedelta | None, severity: Severity) -> None:
    """Never seen, gone, or stamped by a clock that was wrong."""
    scheduler_at = NOW - at if at is not None else None
    found = _found(scheduled=["shop"], scheduler_at=scheduler_at)["scheduler-silent"]
    assert found.severity is severity and found.hint
    assert "scheduler-silent" not in _found(scheduler_at=scheduler_at)


def test_room_is_judged_now_and_ahead() -> None:
    """Below a GiB at once; else by the day on which it will be full."""
    assert _found(free=GIB // 2)["space"].severity is Severity.WARNING
    assert _found(free=10 * MIB)["space"].severity is Severity.CRITICAL
    soon = Forecast(growth=1e9, full_at=NOW + timedelta(days=20))
    assert "20 d" in _found(free=20 * GIB, growth=soon)["space"].what
    sooner = Forecast(growth=1e9, full_at=NOW + timedelta(days=3))
    assert _found(free=3 * GIB, growth=sooner)["space"].severity is Severity.CRITICAL
    assert not _found(free=99 * GIB, growth=Forecast(growth=1e9, full_at=NOW + timedelta(days=99)))


def test_a_store_that_cannot_be_read_or_that_anybody_can_is_critical() -> None:
    """Both at once if need be."""
    found = _found(unreadable="no route", public="read without a key")
    assert {each.severity for each in found.values()} == {Severity.CRITICAL}
    assert {"store-unreadable", "public"} == found.keys()


def test_a_clock_behind_the_store_is_told() -> None:
    """Every age would be told too small."""
    assert "2 h" in _found(written_at=NOW + timedelta(hours=2))["clock"].what
    assert not _found(written_at=NOW + timedelta(minutes=1))


def test_checks_that_are_due_or_found_something() -> None:
    """Never: worth knowing. Long ago: a warning. Problems: critical until everything was read and found well."""
    assert _found(readings=[])["check-due"].severity is Severity.INFO
    assert _found(readings=[read(40)])["check-due"].severity is Severity.WARNING
    assert _found(readings=[read(3), read(1, share=0.1, problems=2)])["check-problems"].severity is Severity.CRITICAL
    assert "check-problems" in _found(readings=[read(3, problems=2), read(-900)]), "whatever a clock ahead claims"
    assert not _found(readings=[read(3, problems=2), read(1)])


def test_a_repository_beside_its_source_is_told_of_that_source() -> None:
    """So that its owner hears of it."""
    found = _found(beside={"shop": "the same server as shop (db:5432)"})["apart"]
    assert (found.source, "db:5432" in found.what, found.severity) == ("shop", True, Severity.WARNING)


def test_old_secrets_are_a_reminder() -> None:
    """Nobody is woken; the oldest is named, with the command that makes a new one."""
    old = [SecretAge(name=f"key {n}", made_at=NOW - timedelta(days=100 + n), mend=f"rotate {n}") for n in range(2)]
    young = SecretAge(name="young", made_at=NOW - timedelta(days=3), mend="")
    found = _found(secrets=[*old, young])["secret-old"]
    assert (found.severity, found.hint, "1 more" in found.what) == (Severity.INFO, "rotate 1", True)
    assert not _found(secrets=[young])


def _days(sizes: list[int]) -> list[tuple[datetime, int]]:
    return [(NOW - timedelta(days=len(sizes) - 1 - n), size) for n, size in enumerate(sizes)]


def test_the_forecast_is_a_straight_line_over_recent_growth() -> None:
    """Ten a day with a hundred left is ten days; one odd day changes little."""
    told = forecast(_days([100 + 10 * n for n in range(20)]), 100, NOW)
    assert told.growth == pytest.approx(10)
    assert told.full_at == NOW + timedelta(days=10)
    odd = [100 + 10 * n for n in range(20)]
    odd[12] += 5000
    assert forecast(_days(odd), 100, NOW).growth == pytest.approx(10, rel=0.1)


def test_what_begins_to_fill_fast_is_told_within_days() -> None:
    """Sixty quiet days hide nothing; one big day is no pace."""
    quiet = [GIB // 10 * n for n in range(60)]
    fast = [quiet[-1] + 10 * GIB * (n + 1) for n in range(4)]
    told = forecast(_days([*quiet, *fast]), 40 * GIB, NOW)
    assert told.lately and told.full_at is not None and told.full_at - NOW < timedelta(days=5)
    one = [quiet[-1] + 10 * GIB + GIB // 10 * n for n in range(3)]
    assert not forecast(_days([*quiet, *one]), 40 * GIB, NOW).lately
    (found,) = _found(free=40 * GIB, growth=told).values()
    assert (found.severity, "in the last days" in found.why) == (Severity.CRITICAL, True)


def test_room_for_no_more_than_another_backup_is_told() -> None:
    """However much it is in bytes."""
    assert _found(free=150 * GIB, largest=100 * GIB)["space"].severity is Severity.WARNING
    assert _found(free=90 * GIB, largest=100 * GIB)["space"].severity is Severity.CRITICAL
    assert not _found(free=250 * GIB, largest=100 * GIB)


def test_no_forecast_is_made_of_too_little() -> None:
    """One day, no growth, a store that does not tell, a century ahead."""
    assert forecast(_days([5]), 10, NOW).growth is None
    assert forecast([(NOW - timedelta(hours=5), 1), (NOW, 9)], 10, NOW).growth is None
    assert forecast(_days([50, 40, 30]), 10, NOW).full_at is None
    assert forecast(_days([10, 20, 30]), None, NOW).full_at is None
    assert forecast(_days([10, 11, 12]), 10**9, NOW).full_at is None


def test_what_is_old_does_not_count_for_the_forecast() -> None:
    """Growth of a year ago says nothing of today."""
    old = [(datetime(2025, 1, day, tzinfo=UTC), day * 10**9) for day in range(1, 20)]
    assert forecast([*old, *_days([100, 110, 120, 130])], 1000, NOW).growth == pytest.approx(10)


def test_a_store_that_was_never_counted_grows_by_what_snapshots_brought() -> None:
    """Added up in order of time."""
    assert [size for _, size in brought([(NOW, 5), (NOW - timedelta(days=1), 7)])] == [7, 12]
