"""What stands in the target and is not in the snapshot: deleted by --exact, unless something protects it.

Protected are entries that a backup would not have seen either (excluded, holdfast's own, caches, other file
systems, folders the snapshot could not read), and with them every folder above that would have to go first.
"""

from __future__ import annotations

from holdfast.model.plans import Action, RestoreStep
from holdfast.sources.files import inode
from holdfast.sources.files.admission import Admission, is_cache_folder
from holdfast.sources.files.exclude import Exclusion
from holdfast.sources.files.names import ROOT, below, parent
from holdfast.sources.files.only import Only
from holdfast.sources.files.walk import IFMT, Visit

_FOLDER = 0o040000


class Extras:
    """Told of entries in manifest order; ``steps`` are the deletions."""

    def __init__(self, *, exact: bool, only: Only, admission: Admission, then: Exclusion, caches: bool) -> None:
        self.steps: list[RestoreStep] = []
        self._exact = exact
        self._only = only
        self._now = admission
        self._then = then
        self._caches = caches
        self._cache_of: tuple[bytes, bool] = (b"", False)
        self._untouchable = b""
        self._open: list[tuple[Visit, bool]] = []

    def inside(self, visit: Visit, *, whole: bool) -> None:
        """A folder that is in the snapshot; not ``whole``: what it held then is not known, so nothing in it goes."""
        if not whole:
            self._untouchable = visit[0]

    def consider(self, visit: Visit) -> bool:
        """Look at an entry that is not in the snapshot as it stands; returns whether to look into it as well."""
        if not self._exact:
            return False
        path, _, stat, _ = visit
        if path == ROOT:
            return True
        self._close_until(path)
        folder = stat.st_mode & IFMT == _FOLDER
        if not self._only.covers(path):
            return folder and self._only.on_the_way(path)
        if self._protected(visit, folder=folder):
            self._open = [(above, False) for above, _ in self._open]
            return False
        if folder:
            self._open.append((visit, True))
            return True
        self._delete(visit)
        return False

    def finish(self) -> None:
        """No more entries."""
        self._close_until(b"")

    def _close_until(self, path: bytes) -> None:
        while self._open and not below(path, self._open[-1][0][0]):
            visit, goes = self._open.pop()
            if goes:
                self._delete(visit)

    def _delete(self, visit: Visit) -> None:
        path, _, stat, _ = visit
        kind = inode.kind_of(stat.st_mode)
        size = stat.st_size if kind == inode.FILE else 0
        self.steps.append(RestoreStep(
            item=path, kind=kind, action=Action.DELETE, size=size, detail="not in the snapshot"
        ))

    def _protected(self, visit: Visit, *, folder: bool) -> bool:
        path, _, stat, dir_fd = visit
        if self._untouchable and below(path, self._untouchable):
            return True
        if stat.st_dev != self._now.device or self._now.own(stat):
            return True
        if self._now.exclusion.leaves_out(path, folder=folder) or self._then.leaves_out(path, folder=folder):
            return True
        return self._caches and self._in_cache(path, dir_fd)

    def _in_cache(self, path: bytes, dir_fd: int) -> bool:
        above = parent(path)
        if self._cache_of[0] != above:
            self._cache_of = above, is_cache_folder(dir_fd)
        return self._cache_of[1]
