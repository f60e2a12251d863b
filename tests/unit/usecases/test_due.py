"""Whether a backup is due: by what the repository holds, and by what another tool noted (B9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.planning.standings import NOW, info

from holdfast.cli.due import instant_of
from holdfast.model.errors import UsageError
from holdfast.repository.repository import SnapshotEntry
from holdfast.usecases.due import dueness

DAY = timedelta(days=1)


def made(hours: float, **more: Any) -> SnapshotEntry:
    return SnapshotEntry(info=info(hours, **more), root=b"", session="", pinned=False, forgotten=False)


def due(*entries: SnapshotEntry, last: timedelta | None = None) -> bool:
    """Of "shop", once a day; ``last``: how long ago another tool did it."""
    (found,) = dueness(entries, {"shop": DAY}, NOW, None if last is None else NOW - last)
    return found.due


def test_the_first_run_is_always_due() -> None:
    """Also when all there is belongs to another source, is incomplete, or of chosen items only."""
    assert due()
    assert due(made(1, source="blog"), made(1, status="incomplete"), made(1, partial=True))


def test_a_good_snapshot_counts_by_the_time_of_its_data() -> None:
    """A day is a day; an import counts with the time it was made, not with that of the import."""
    assert not due(made(23.9))
    assert due(made(24))
    assert due(made(1, more={"import": {"created_at": (NOW - 2 * DAY).isoformat()}}))
    assert not due(made(30), made(1, more={"import": {"created_at": (NOW - DAY / 2).isoformat()}}))


def test_what_another_tool_did_last_counts_until_there_are_snapshots() -> None:
    """lastBackupDate of the old settings; the newer of both decides; a time to come proves nothing."""
    assert not due(last=DAY / 2)
    assert due(last=2 * DAY)
    assert not due(made(1), last=2 * DAY)
    assert due(last=-DAY)
    assert due(made(-5))


def test_times_are_read_as_the_old_settings_wrote_them() -> None:
    """With milliseconds and Z, with an offset, or without a zone: that is UTC."""
    assert instant_of("2026-11-20T04:20:00.000Z") == instant_of("2026-11-20T05:20:00+01:00")
    assert instant_of("2026-11-20 04:20") == instant_of("2026-11-20T04:20:00Z")
    with pytest.raises(UsageError, match="is not a time"):
        instant_of("yesterday")
