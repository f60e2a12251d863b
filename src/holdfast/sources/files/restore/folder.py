"""A folder being filled: its own metadata comes last, once everything that is written into it is there."""

from __future__ import annotations

import os

from holdfast.model.snapshot import Item
from holdfast.sources.files.ladder import Rung


class Folder(Rung):
    """An open folder of the target. ``item`` set: it gets that item's metadata when it is complete.

    ``pending`` files are still being written; ``left``: the work has gone on elsewhere. Both are guarded by the
    lock of the Builder.
    """

    __slots__ = ("fresh", "item", "left", "pending")

    def __init__(self, fd: int, path: bytes, item: Item | None = None, *, fresh: bool = False) -> None:
        super().__init__(fd, path)
        self.item = item
        self.fresh = fresh
        self.pending = 0
        self.left = False

    def rest(self) -> None:
        """Far below, the descriptor is given back, unless files are still being written into the folder."""
        if not self.pending:
            self.close()


def clean_start(fd: int) -> None:
    """A new root inherits nothing from the folder it was made in: no group, no default ACL, no setgid."""
    if os.geteuid() == 0:
        os.fchown(fd, os.geteuid(), os.getegid())
    for name in (b"system.posix_acl_default", b"system.posix_acl_access"):
        try:
            os.removexattr(fd, name)
        except (OSError, AttributeError):  # there is none, or the system has no such thing
            continue
    os.fchmod(fd, 0o700)
