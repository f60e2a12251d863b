"""Status tells what would be lost now, and never more than is true."""

from __future__ import annotations

from datetime import UTC, datetime

from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import SnapshotEntry
from holdfast.usecases.last_failure import LastFailure
from holdfast.usecases.status import status_of

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _entry(hour: int, source: str = "shop", *, pinned: bool = False, **more: object) -> SnapshotEntry:
    facts: dict[str, object] = {
        "id": f"{hour:032x}", "run": "r" * 32, "source": source, "kind": "files", "trigger": "manual",
        "status": "complete", "created_at": f"2026-11-20T{hour:02}:00:00.000Z", "rows": 5, "item_count": 1,
        "bytes_source": 10, "bytes_read": 0, "bytes_new": 0, "bytes_stored": 0, "seconds": 0.0, "not_protected": [],
        "warnings": [], **more,
    }  # fmt: skip
    info = SnapshotInfo(**facts)  # type: ignore[arg-type]
    return SnapshotEntry(info=info, root=b"", session="", pinned=pinned, forgotten=False)


def test_age_and_reach_count_good_snapshots_only() -> None:
    """Incomplete and partial ones neither shorten the age nor lengthen the reach."""
    entries = [
        _entry(1, status="incomplete"),
        _entry(2, pinned=True),
        _entry(8),
        _entry(10, partial=True),
        _entry(11, status="incomplete"),
    ]
    (found,) = status_of(entries, ["shop"], NOW)
    assert found.newest is not None
    assert found.newest.id == entries[2].info.id
    assert (found.age, found.reach) == (4 * 3600, 10 * 3600)
    assert (found.snapshots, found.pinned, found.failed_since) == (5, 1, 1)


def test_a_source_without_a_good_snapshot_is_not_protected_at_all() -> None:
    """Neither is one that was only ever half read."""
    found = status_of([_entry(3, status="incomplete")], ["shop", "media"], NOW)
    assert [each.newest for each in found] == [None, None]
    assert all("everything" in each.not_protected[0] for each in found)
    assert [each.failed_since for each in found] == [1, 0]


def test_sources_that_left_the_configuration_are_still_told() -> None:
    """Their snapshots exist."""
    found = status_of([_entry(3, "old")], ["shop"], NOW)
    assert [(each.source, each.configured) for each in found] == [("shop", True), ("old", False)]


def test_a_failure_counts_until_a_good_snapshot_follows_it() -> None:
    """From whatever client that came."""
    failure = {"shop": LastFailure(at="2026-11-20T09:00:00.000Z", code="source", what="x")}
    (found,) = status_of([_entry(8)], ["shop"], NOW, failure)
    assert found.last_failure == failure["shop"]
    (found,) = status_of([_entry(8), _entry(10)], ["shop"], NOW, failure)
    assert found.last_failure is None
