"""Readiness cannot lie: each way a light stayed green elsewhere turns it off here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.planning.standings import MIB, NOW, history, info, read, standing

from holdfast.model.policy import HealthRules
from holdfast.model.report import Level
from holdfast.planning.health import findings_of
from holdfast.planning.readiness import Readiness, readiness_of
from holdfast.planning.standing import Reading, Standing


def _ready(stand: Standing, *readings: Reading) -> Readiness:
    return readiness_of(stand, findings_of(stand), readings or [read()])


def test_fresh_and_read_again_is_intact_and_no_more() -> None:
    """L2 is what evidence can show without a drill; L3 to L5 are never given for nothing."""
    ready = _ready(standing(history()))
    assert ready.level is Level.INTACT
    assert [each.proven for each in ready.evidence] == [True, True, False, False, False]
    assert ready.proven_at == NOW - timedelta(days=1)


def test_nothing_was_read_again() -> None:
    """Fresh only."""
    assert readiness_of(standing(history()), [], []).level is Level.FRESH


def _stored(reading: Reading, days: float) -> Reading:
    """Written so many days before NOW, by the clock of the store."""
    return replace(reading, stored=NOW - timedelta(days=days))


LIES: dict[str, tuple[Any, dict[str, Any], list[Reading], Level]] = {
    "the scheduler stopped and the last run was fine": ([info(80), info(81)], {}, [read()], Level.UNPROTECTED),
    "the wrong database is backed up": (
        [info(0.5, more={"identity": "B"}), info(1.5, more={"identity": "A"})], {}, [read()], Level.UNPROTECTED,
    ),
    "an empty dump": ([info(0.5, bytes_source=0, item_count=0), *history()[1:]], {}, [read()], Level.UNPROTECTED),
    "no rows any more": ([info(0.5, rows=0), *history()[1:]], {}, [read()], Level.UNPROTECTED),
    "a dump below its floor": (history(), {"health": HealthRules(min_size=101 * MIB)}, [read()], Level.UNPROTECTED),
    "encrypted data": ([info(0.5, bytes_new=98 * MIB), *history()[1:]], {}, [read()], Level.UNPROTECTED),
    "only incomplete ones": (history(3, status="incomplete"), {}, [read()], Level.UNPROTECTED),
    "only chosen tables": (history(3, partial=True), {}, [read()], Level.UNPROTECTED),
    "a new table that nobody backs up": (
        [info(0.5, not_protected=["rows of public.new (left out by choice)"]), *history()[1:]], {}, [read()],
        Level.UNPROTECTED,
    ),
    "the clock went back": ([info(-5), *history()], {}, [read()], Level.UNPROTECTED),
    "a snapshot from the future": ([info(-24 * 365)], {}, [read()], Level.UNPROTECTED),
    "the last good one was pruned": ([], {}, [read()], Level.UNPROTECTED),
    "a check that was skipped": (history(), {}, [], Level.FRESH),
    "a check of a twentieth": (history(), {}, [read(share=0.05)], Level.FRESH),
    "a proof that expired": (history(), {}, [read(31)], Level.FRESH),
    "a proof from the future": (history(), {}, [read(-2)], Level.FRESH),
    "a corrupt pack": (history(), {}, [read(1, problems=1)], Level.FRESH),
    "a corrupt pack, found by a later look at a part": (
        history(), {}, [read(5, committed=95), read(1, share=0.05, problems=1)], Level.FRESH,
    ),
    "a look at a part after a corrupt pack": (
        history(), {}, [read(5, problems=2, committed=95), read(1, share=0.05)], Level.FRESH,
    ),
    "a corrupt pack, and a good reading from the future": (
        history(), {}, [read(-900), read(1, problems=1)], Level.FRESH,
    ),
    "a corrupt pack, told by a machine whose clock is late": (
        history(), {}, [_stored(read(1), 1), _stored(read(1.1, problems=1), 0.9)], Level.FRESH,
    ),
    "parts of which the first was read too long ago": (
        history(), {}, [replace(read(1, share=0.1), since=NOW - timedelta(days=31))], Level.FRESH,
    ),
    "a proof older than every snapshot": (history(3), {}, [read(committed=50)], Level.FRESH),
    "paused: nothing is due, so nothing is late": ([info(30)], {}, [read()], Level.UNPROTECTED),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_the_light_goes_off(lie: str) -> None:
    """Each of these has looked like a good backup somewhere."""
    snapshots, facts, readings, level = LIES[lie]
    stand = standing(snapshots, **facts)
    ready = readiness_of(stand, findings_of(stand), readings)
    assert ready.level is level
    reason = next(each for each in ready.evidence if not each.proven)
    assert reason.what


def test_a_later_whole_reading_without_a_problem_is_believed_again() -> None:
    """What was mended is mended."""
    assert _ready(standing(history()), read(5, problems=3, committed=95), read(1)).level is Level.INTACT


def test_parts_that_add_up_are_as_good_as_the_whole_and_as_old_as_the_first_of_them() -> None:
    """L2, proven when the first part was read."""
    ready = _ready(standing(history()), replace(read(1, share=0.1), since=NOW - timedelta(days=9)))
    assert (ready.level, ready.proven_at) == (Level.INTACT, NOW - timedelta(days=9))
    assert "in parts, the first of them 9 d ago" in ready.evidence[1].what


def test_how_long_a_reading_counts_may_be_said() -> None:
    """``reread`` of the health rules."""
    asked = HealthRules(reread=timedelta(days=90))
    assert _ready(standing(history(), health=asked), read(31)).level is Level.INTACT


def test_readiness_falls_by_waiting_alone() -> None:
    """Nothing is remembered: the same facts, later."""
    stand = standing(history())
    later = standing(history(), now=NOW + timedelta(hours=26))
    assert (_ready(stand).level, _ready(later).level) == (Level.INTACT, Level.UNPROTECTED)


def test_a_newest_snapshot_from_the_future_is_no_fresh_one_whatever_else_is_found() -> None:
    """Its age is not known; no finding has to say so first."""
    ready = readiness_of(standing([info(-5), *history()]), [], [read()])
    assert (ready.level, "in the future" in ready.evidence[0].what) == (Level.UNPROTECTED, True)
