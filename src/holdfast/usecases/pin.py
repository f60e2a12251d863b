"""Pin snapshots so that nothing forgets them, and unpin them."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.usecases.forget import living


def pin(repository: Repository, wanted: Sequence[str]) -> list[SnapshotInfo]:
    """Protect the snapshots that names mean."""
    return _apply(repository, wanted, pinned=True)


def unpin(repository: Repository, wanted: Sequence[str]) -> list[SnapshotInfo]:
    """Take the protection away."""
    return _apply(repository, wanted, pinned=False)


def _apply(repository: Repository, wanted: Sequence[str], *, pinned: bool) -> list[SnapshotInfo]:
    found = living(repository, wanted)
    before = {entry.info.id for entry in repository.snapshots() if entry.pinned}
    change = [info.id for info in found if (info.id in before) != pinned]
    if change:
        (repository.pin if pinned else repository.unpin)(change)
    return found
