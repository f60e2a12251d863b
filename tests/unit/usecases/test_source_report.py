"""One source of the report tells what would be lost now, and never more than is true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.planning.standings import MIB, NOW, history, info, read, standing

from holdfast.model.report import Level, SourceReport
from holdfast.model.run import RunError
from holdfast.planning.standing import Failure
from holdfast.usecases.source_report import headline, source_report


def _report(snapshots: list[Any], **more: Any) -> SourceReport:
    return source_report(standing(snapshots, **more), [read()], None)


def test_age_and_reach_count_good_snapshots_only() -> None:
    """Incomplete and partial ones neither shorten the age nor lengthen the reach."""
    snapshots = [info(1, status="incomplete"), info(2, partial=True), info(4), info(10), info(11, status="incomplete")]
    found = _report(snapshots, pinned=1)
    assert (found.newest, found.age, found.reach) == (snapshots[2].id, 4 * 3600, 10 * 3600)
    assert (found.snapshots, found.pinned, found.failed_since) == (5, 1, 1)


def test_a_source_without_a_good_snapshot_is_not_protected_at_all() -> None:
    """Neither is one that was only ever half read."""
    for snapshots in ([], [info(3, status="incomplete")]):
        found = _report(snapshots)
        assert (found.newest, found.age, found.level) == (None, None, Level.UNPROTECTED)
        assert "everything" in found.not_protected[0] and "everything would be lost" in found.loss
        assert found.failed_since == len(snapshots)


def test_a_failure_counts_until_a_good_snapshot_follows_it() -> None:
    """From whatever client that came."""
    failure = Failure(at=NOW - timedelta(hours=3), error=RunError(code="source", what="x"))
    assert _report([info(4)], failure=failure).last_failure == failure.error
    assert _report([info(2), info(4)], failure=failure).last_failure is None


def test_the_sentence_says_how_much_would_be_lost() -> None:
    """And that it may be more, when the newest snapshot is doubtful, or is not known."""
    assert _report([info(0.5)]).loss == "shop: changes of the last 30 min would be lost"
    doubtful = _report([info(0.5, bytes_new=98 * MIB), *history()[1:]]).loss
    assert "perhaps more" in doubtful and "encrypted" in doubtful
    assert "not known" in _report([info(-3)]).loss


def test_the_headline_is_that_of_the_worst_and_never_says_more_than_is_proven() -> None:
    """No level rounds up."""
    assert "nothing is protected" in headline([])
    bad, good = _report([]), _report(history())
    told = headline([bad, good])
    assert told.startswith("shop: everything would be lost") and "1 of 2 sources need attention" in told
    assert "that a restore works is not proven" in headline([good])


def test_what_is_stored_has_a_price() -> None:
    """What living snapshots brought, by the byte and month."""
    found = source_report(standing(history(4)), [], 1e-9)
    assert found.bytes_stored == 4 * MIB // 2
    assert found.cost == pytest.approx(found.bytes_stored * 1e-9)
    assert [each.id for each in found.recent] == [each.id for each in history(4)]
