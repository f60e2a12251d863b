"""Forget snapshots, and bring forgotten ones back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.model.errors import StorageFull, UsageError
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.repository.repository import Repository
from holdfast.usecases.listing import infos


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPlan:
    """``drop`` goes; ``last_good`` are those among them after which their source has no good snapshot left."""

    drop: tuple[SnapshotInfo, ...]
    last_good: tuple[SnapshotInfo, ...]


def plan_forget(repository: Repository, wanted: Sequence[str]) -> ForgetPlan:
    """What forgetting these names drops; nothing is changed. UsageError for pinned ones and unknown names."""
    entries = repository.snapshots()
    drop = names.every(wanted, [entry.info for entry in entries])
    chosen = {info.id for info in drop}
    pinned = [entry.info for entry in entries if entry.pinned and entry.info.id in chosen]
    if pinned:
        listed = [short(info.id) for info in pinned]
        raise UsageError(
            f"pinned snapshots are not forgotten: {', '.join(listed)}", hint=f"holdfast unpin {' '.join(listed)}"
        )
    remaining = [entry.info for entry in entries if entry.info.id not in chosen]
    last = tuple(info for info in drop if names.is_good(info) and names.newest_good(remaining, info.source) is None)
    return ForgetPlan(drop=tuple(drop), last_good=last)


def forget(repository: Repository, plan: ForgetPlan) -> list[str]:
    """Carry the plan out; returns the ids."""
    return drop(repository, plan.drop)


def drop(repository: Repository, infos: Sequence[SnapshotInfo], alive: Sequence[str] = ()) -> list[str]:
    """Forget these, all or none; returns the ids. RepositoryBusy when one of ``alive`` is gone meanwhile."""
    identifiers = [info.id for info in infos]
    try:
        repository.forget(identifiers, alive)
    except StorageFull as error:  # advice to prune would lead in a circle: prune frees what was forgotten
        error.hint = "forgetting makes one small note: free some space there by other means, forget again, then prune"
        raise
    return identifiers


def unforget(repository: Repository, wanted: Sequence[str]) -> list[SnapshotInfo]:
    """Bring forgotten snapshots back; refused once their space was freed."""
    gone = [entry.info for entry in repository.snapshots(forgotten=True) if entry.forgotten]
    if not gone:
        raise UsageError("no forgotten snapshot can be brought back", hint="holdfast list shows the living ones")
    back = names.every(wanted, gone)
    repository.unforget([info.id for info in back])
    return back


def living(repository: Repository, wanted: Sequence[str]) -> list[SnapshotInfo]:
    """The living snapshots that names mean."""
    return names.every(wanted, infos(repository))
