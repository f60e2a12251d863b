"""What retention decides, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.model.keeping import Candidate, Decision, KeepRules, KeepTerms
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning.keeping import decide

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def snapshot(name: str, at: datetime, **facts: Any) -> Candidate:
    """A whole, complete snapshot of "shop" unless told otherwise; ``name`` is its id."""
    pinned, needed_by = facts.pop("pinned", False), facts.pop("needed_by", "")
    given = {
        "id": name, "run": "", "source": "shop", "kind": "postgresql", "trigger": "schedule", "status": "complete",
        "created_at": at.isoformat(), "rows": None, "item_count": 1, "bytes_source": 0, "bytes_read": 0,
        "bytes_new": 0, "bytes_stored": 0, "seconds": 0.0, "not_protected": [], "warnings": [], **facts,
    }  # fmt: skip
    return Candidate(info=SnapshotInfo(**given), pinned=pinned, needed_by=needed_by)


def kept(decisions: list[Decision]) -> list[str]:
    """Ids of what stays."""
    return [each.info.id for each in decisions if each.keep]


def every(step: timedelta, count: int) -> list[Candidate]:
    """``count`` snapshots, the last one at NOW, named by how many steps ago they were made."""
    return [snapshot(f"{back}", NOW - step * back) for back in reversed(range(count))]


def test_the_newest_so_many_are_kept() -> None:
    """And a reason says which of how many each one is."""
    decisions = decide(every(timedelta(hours=1), 40), KeepTerms(source="shop", rules=KeepRules(last=30)), NOW)
    assert kept(decisions) == [str(back) for back in reversed(range(30))]
    assert decisions[-1].reasons[0] == "last 1 of 30"
    assert decisions[0].words == "dropped: older than the last 30"
