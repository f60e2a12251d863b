"""List snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.errors import UsageError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """``sources`` empty: all. ``limit`` None: no limit. ``forgotten``: those that can be brought back instead.

    ``configured``: names that are known although there is no snapshot of them.
    """

    sources: tuple[str, ...] = ()
    limit: int | None = None
    forgotten: bool = False
    configured: tuple[str, ...] = ()


def list_snapshots(repository: Repository, request: ListRequest) -> list[SnapshotEntry]:
    """Snapshots, newest first. UsageError for a source that neither the repository nor ``configured`` knows."""
    entries = repository.snapshots(forgotten=request.forgotten)
    known = {*request.configured, *(entry.info.source for entry in entries)}
    if request.forgotten:
        known |= {entry.info.source for entry in repository.snapshots()}
    for name in request.sources:
        if name not in known:
            raise UsageError(
                f"there is no source {name!r}, neither configured nor in the repository",
                why=f"known: {', '.join(sorted(known)) or 'none'}",
            )
    by_id = {entry.info.id: entry for entry in entries if entry.forgotten == request.forgotten}
    ordered = [by_id[info.id] for info in names.newest_first(entry.info for entry in by_id.values())]
    wanted = [entry for entry in ordered if not request.sources or entry.info.source in request.sources]
    return wanted[: request.limit]


def infos(repository: Repository) -> list[SnapshotInfo]:
    """The living snapshots, oldest first, for resolving names."""
    return [entry.info for entry in repository.snapshots()]
