"""List snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """``sources`` empty: all. ``limit`` None: no limit. ``forgotten``: those that can be brought back instead."""

    sources: tuple[str, ...] = ()
    limit: int | None = None
    forgotten: bool = False


def list_snapshots(repository: Repository, request: ListRequest) -> list[SnapshotEntry]:
    """Snapshots, newest first."""
    entries = repository.snapshots(forgotten=request.forgotten)
    by_id = {entry.info.id: entry for entry in entries if entry.forgotten == request.forgotten}
    ordered = [by_id[info.id] for info in names.newest_first(entry.info for entry in by_id.values())]
    wanted = [entry for entry in ordered if not request.sources or entry.info.source in request.sources]
    return wanted[: request.limit]


def infos(repository: Repository) -> list[SnapshotInfo]:
    """The living snapshots, oldest first, for resolving names."""
    return [entry.info for entry in repository.snapshots()]
