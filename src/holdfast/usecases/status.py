"""Status: per source, what would be lost if it died now. Computed from snapshots and the clock at reading time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.repository.repository import SnapshotEntry
from holdfast.usecases.last_failure import LastFailure

_NO_FAILURES: Mapping[str, LastFailure] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """``newest`` None: nothing of this source could be restored. ``age`` and ``reach`` in seconds before ``now``.

    ``reach``: how far back the oldest good snapshot lies. ``failed_since``: incomplete snapshots after the newest
    good one. ``configured`` False: snapshots exist, but the configuration does not name the source any more.
    ``last_failure``: why this client's last run made no snapshot.
    """

    source: str
    configured: bool
    newest: SnapshotInfo | None
    age: float | None
    reach: float | None
    snapshots: int
    pinned: int
    failed_since: int
    last_failure: LastFailure | None = None

    @property
    def not_protected(self) -> Sequence[str]:
        """What the newest good snapshot says it does not hold."""
        return self.newest.not_protected if self.newest else ["everything: there is no complete snapshot"]


def status_of(
    entries: Sequence[SnapshotEntry],
    configured: Sequence[str],
    now: datetime,
    failures: Mapping[str, LastFailure] = _NO_FAILURES,
) -> list[SourceStatus]:
    """One line for each source of the configuration, then for those that only the repository knows.

    A failure that a good snapshot followed, from whatever client, counts no more.
    """
    grouped: dict[str, list[SnapshotEntry]] = {name: [] for name in configured}
    for entry in entries:
        grouped.setdefault(entry.info.source, []).append(entry)
    known = [*configured, *sorted(grouped.keys() - set(configured))]
    found = [_of_source(name, grouped[name], name in configured, now) for name in dict.fromkeys(known)]
    return [replace(each, last_failure=_standing(failures.get(each.source), each.newest)) for each in found]


def _standing(failure: LastFailure | None, newest: SnapshotInfo | None) -> LastFailure | None:
    if failure is None or newest is None:
        return failure
    later = datetime.fromisoformat(newest.created_at) > datetime.fromisoformat(failure.at)
    return None if later else failure


def _of_source(source: str, mine: Sequence[SnapshotEntry], configured: bool, now: datetime) -> SourceStatus:
    ordered = names.newest_first(entry.info for entry in mine)
    good = [info for info in ordered if names.is_good(info)]
    newest = good[0] if good else None
    since = ordered[: ordered.index(newest)] if newest else ordered
    return SourceStatus(
        source=source,
        configured=configured,
        newest=newest,
        age=_seconds(newest, now),
        reach=_seconds(good[-1], now) if good else None,
        snapshots=len(mine),
        pinned=sum(entry.pinned for entry in mine),
        failed_since=sum(info.status != "complete" for info in since),
    )


def _seconds(info: SnapshotInfo | None, now: datetime) -> float | None:
    return None if info is None else (now - datetime.fromisoformat(info.created_at)).total_seconds()
