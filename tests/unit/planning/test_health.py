"""Each rule finds what it is for, tells the number it judged by, and is silent otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.planning.standings import MIB, NOW, history, info, standing

from holdfast.model.health import Finding, Severity
from holdfast.model.keeping import KeepRules
from holdfast.model.policy import HealthRules
from holdfast.model.run import RunError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.model.timetable import Schedule
from holdfast.planning.health import findings_of
from holdfast.planning.standing import Failure, Rhythm


def _found(snapshots: Sequence[SnapshotInfo], **more: Any) -> dict[str, Finding]:
    return {each.code: each for each in findings_of(standing(snapshots, **more))}


def test_a_healthy_source_has_no_finding() -> None:
    """Neither with a history nor with its first snapshot only."""
    assert not _found(history())
    assert not _found([info(1, bytes_new=100 * MIB, bytes_stored=90 * MIB)])


def test_none_at_all_is_critical_and_names_the_command() -> None:
    """Incomplete and partial ones are none."""
    found = _found([info(1, status="incomplete"), info(2, partial=True)])
    assert found["none"].severity is Severity.CRITICAL
    assert "holdfast backup shop" in found["none"].hint


@pytest.mark.parametrize(
    ("facts", "limit"),
    [
        ({"health": HealthRules(max_age=timedelta(hours=2))}, "2 h"),
        ({"policy": {"rpo": timedelta(hours=2), "tier": "critical"}}, "RPO of tier critical"),
        ({"rhythm": Rhythm(widest=timedelta(hours=2))}, "widest gap"),
        ({}, "26 h"),
    ],
)
def test_age_is_judged_by_the_nearest_word_on_it(facts: dict[str, Any], limit: str) -> None:
    """max_age, else the RPO, else the schedules, else 26 hours; twice as old is critical."""
    hours = 27 if not facts else 3
    assert _found([info(hours)], **facts)["age"].severity is Severity.WARNING
    assert limit in _found([info(hours)], **facts)["age"].why
    assert _found([info(3 * hours)], **facts)["age"].severity is Severity.CRITICAL
    assert "age" not in _found([info(1.9)], **facts)


def test_a_failed_last_run_is_told_until_a_good_one_follows() -> None:
    """With its error and what mends it."""
    failure = Failure(at=NOW - timedelta(hours=1), error=RunError(code="source", what="no route", hint="ping it"))
    found = _found([info(2)], failure=failure)["failed"]
    assert ("no route" in found.what, found.hint) == (True, "ping it")
    assert "failed" not in _found([info(0.5)], failure=failure)


def test_newer_incomplete_snapshots_are_told() -> None:
    """Those before the newest good one are not."""
    found = _found([info(0.5, status="incomplete", warnings=["t: no right"]), *history()[1:]])
    assert "t: no right" in found["incomplete"].why
    assert "incomplete" not in _found([info(0.5), info(1.5, status="incomplete")])


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"min_count": 11}, "count"),
        ({"min_size": 101 * MIB}, "small"),
        ({"min_rows": 1001}, "few-rows"),
    ],
)
def test_floors(rules: dict[str, int], code: str) -> None:
    """Below is a warning with both numbers, at the floor is none."""
    found = _found(history(10), health=HealthRules(**rules))[code]
    assert found.severity is Severity.WARNING and found.why
    least = {name: value - (MIB if "size" in name else 1) for name, value in rules.items()}
    assert code not in _found(history(10), health=HealthRules(**least))


def test_an_empty_dump_is_critical() -> None:
    """No item, no byte, or no row where there were some."""
    assert _found([info(0.5, item_count=0, bytes_source=0)])["empty"].severity is Severity.CRITICAL
    for none in (0, None):
        assert _found([info(0.5, rows=none), *history()[1:]])["empty"].severity is Severity.CRITICAL
    assert "empty" not in _found([info(0.5, rows=0), info(1.5, rows=0)])


def test_rows_that_fell_are_told_against_what_is_usual() -> None:
    """By the percentage asked for; with none, when it is far from the source's own baseline."""
    fell = [info(0.5, rows=850), *history()[1:]]
    assert "15 %" in _found(fell, health=HealthRules(max_row_drop=10))["rows-fell"].what
    assert "rows-fell" not in _found(fell, health=HealthRules(max_row_drop=20))
    assert "rows-fell" not in _found(fell)
    assert "rows-fell" in _found([info(0.5, rows=400), *history()[1:]])
    assert "rows-fell" not in _found([info(0.5, rows=400), *history(4)[1:]]), "too short a past"


def test_a_fall_stays_told_after_the_next_snapshot_until_it_is_accepted() -> None:
    """One more like it does not make it usual."""
    low = [info(0.5, rows=400), info(1.5, rows=400), *history()[2:]]
    assert "rows-fell" in _found(low)
    assert "rows-fell" not in _found(low, accepted=frozenset({low[0].id}))
    assert "rows-fell" not in _found(low, accepted=frozenset({low[1].id}))


def test_a_noisy_past_allows_more() -> None:
    """What swings by itself raises no alarm when it swings."""
    noisy = [info(n + 0.5, rows=[300, 1000, 2000, 600, 1700][n % 5]) for n in range(15)]
    assert "rows-fell" not in _found(noisy)


def test_size_far_from_its_own_baseline_is_told_both_ways() -> None:
    """Grown and shrunk."""
    assert "grew" in _found([info(0.5, bytes_source=300 * MIB), *history()[1:]])["size-changed"].what
    assert "shrank" in _found([info(0.5, bytes_source=10 * MIB), *history()[1:]])["size-changed"].what
    asked = HealthRules(max_size_change=10)
    assert "size-changed" in _found([info(0.5, bytes_source=115 * MIB), *history()[1:]], health=asked)
    assert "size-changed" not in _found([info(0.5, bytes_source=105 * MIB), *history()[1:]], health=asked)


def test_what_was_never_held_is_known_and_what_appeared_is_a_warning() -> None:
    """A new table that nobody chose is in no snapshot."""
    old, new = "rows of public.log (left out by choice)", "rows of public.orders (left out by choice)"
    before = [info(n + 1.5, not_protected=[old]) for n in range(3)]
    assert _found(before)["left-out"].severity is Severity.INFO
    found = _found([info(0.5, not_protected=[old, new]), *before])
    assert found["unprotected"].severity is Severity.WARNING
    assert ("orders" in found["unprotected"].what, "log" in found["unprotected"].what) == (True, False)


def test_databases_beside_it_that_nobody_backs_up_are_known() -> None:
    """Those that some source names are not told."""
    named = frozenset({"shop", "wiki"})
    found = _found([info(1, more={"neighbours": ["billing", "wiki"]})], beside=named)["neighbours"]
    assert (found.severity, "billing" in found.what, "wiki" in found.what) == (Severity.INFO, True, False)
    assert not _found([info(1, more={"neighbours": ["wiki"]})], beside=frozenset({"shop", "wiki"}))


def test_what_nothing_backs_up_by_itself_is_told() -> None:
    """A warning where an RPO is asked for; what cron or a program made of late shows that something does."""
    by_hand = history(trigger="manual")
    assert _found(by_hand)["unscheduled"].severity is Severity.INFO
    asked = {"rpo": timedelta(hours=24)}
    assert _found(by_hand, policy=asked)["unscheduled"].severity is Severity.WARNING
    assert "unscheduled" not in _found([info(0.2, trigger="cron"), *by_hand], policy=asked)
    planned = {**asked, "schedules": (Schedule(source="shop", name="", every=timedelta(hours=1)),)}
    assert "unscheduled" not in _found(by_hand, policy=planned)


def test_a_schedule_that_cannot_keep_the_rpo_is_told_with_both_numbers() -> None:
    """The time a run takes counts."""
    asked: dict[str, Any] = {"policy": {"rpo": timedelta(hours=4), "tier": "important"}}
    found = _found(history(), rhythm=Rhythm(widest=timedelta(days=1)), **asked)["schedule-rpo"]
    assert "24 h" in found.why and "RPO 4 h" in found.why
    assert found.severity is Severity.WARNING
    hardly = _found(history(), rhythm=Rhythm(widest=timedelta(hours=5), usual=timedelta(hours=4)), **asked)
    assert hardly["schedule-rpo"].severity is Severity.INFO, "by the night when clocks go back, and a few seconds"
    assert "schedule-rpo" not in _found(history(), rhythm=Rhythm(widest=timedelta(hours=3)), **asked)


def test_how_far_back_retention_reaches_is_judged() -> None:
    """Where rules drop snapshots it is a warning, else it only has to grow."""
    asked = HealthRules(reach=timedelta(days=30))
    assert _found(history(), health=asked)["reach"].severity is Severity.INFO
    keeping = {"keep": KeepRules(last=10)}
    assert _found(history(), health=asked, policy=keeping)["reach"].severity is Severity.WARNING
    assert "reach" not in _found([*history(), info(31 * 24)], health=asked)


def test_every_finding_says_what_mends_it() -> None:
    """And what it was judged by."""
    found = _found(
        [info(30, rows=1, bytes_source=MIB, not_protected=["rows of a.b (x)"])], health=HealthRules(
            min_count=5, min_size=2 * MIB, min_rows=2, max_age=timedelta(hours=1), reach=timedelta(days=30)
        ),
    )  # fmt: skip
    assert {"age", "count", "small", "few-rows", "reach", "left-out"} <= found.keys()
    for each in found.values():
        assert each.why, each
        assert "holdfast" in each.hint or each.code == "reach", each
