"""The chain of open folders from the root of a tree down to where the work stands.

Every step goes through a descriptor of the folder above and never follows a symlink, so nobody can lead the work
out of the tree by exchanging a folder; and the depth of a tree is limited neither by the length of a path nor by
the number of descriptors: folders far above are closed and found again through ``..``.
"""

from __future__ import annotations

import contextlib
import errno
import os

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

REACH = 48


class Rung:
    """One open folder. ``path`` is its name in the tree, ``b""`` for the root; ``fd`` is -1 while it rests."""

    __slots__ = ("dev", "fd", "ino", "path")

    def __init__(self, fd: int, path: bytes) -> None:
        stat = os.fstat(fd)
        self.fd = fd
        self.path = path
        self.dev = stat.st_dev
        self.ino = stat.st_ino

    def close(self) -> None:
        """Give the descriptor back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def rest(self) -> None:
        """Called when the work went far below: the descriptor is not needed until it comes back."""
        self.close()


def open_folder(name: bytes, parent_fd: int) -> int:
    """A descriptor of a real folder (no symlink) in ``parent_fd``."""
    return os.open(name, FOLDER_FLAGS, dir_fd=parent_fd)


def open_beneath(root_fd: int, path: bytes) -> int:
    """A descriptor of the folder ``path`` of the tree, every step checked; ``b""`` gives the root."""
    fd = os.dup(root_fd)
    for name in path.split(b"/") if path else ():
        try:
            deeper = open_folder(name, fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


class Ladder:
    """Open folders, the root first. ``top`` is where the work stands."""

    def __init__(self, root: Rung) -> None:
        self._ground = os.dup(root.fd)
        self._rungs = [root]
        self.top = root

    def __len__(self) -> int:
        return len(self._rungs)

    def down(self, rung: Rung) -> None:
        """Stand on a folder that was opened from ``top``."""
        self._rungs.append(rung)
        self.top = rung
        if len(self._rungs) > REACH:
            self._rungs[-REACH].rest()

    def up(self) -> Rung:
        """Go back to the folder above; the one left is returned open, for the caller to close.

        OSError when the folder above cannot be found again (it was moved); the one left is closed then, and the
        ladder stands on a closed rung.
        """
        left = self._rungs.pop()
        self.top = self._rungs[-1]
        if self.top.fd < 0:
            try:
                self.top.fd = self._find_again(self.top, left.fd)
            except OSError:
                left.rest()
                raise
        return left

    def close(self) -> None:
        """Close everything."""
        for rung in self._rungs:
            with contextlib.suppress(OSError):
                rung.close()
        if self._ground >= 0:
            os.close(self._ground)
            self._ground = -1

    def _find_again(self, rung: Rung, child_fd: int) -> int:
        with contextlib.suppress(OSError):
            return self._same(os.open(b"..", FOLDER_FLAGS, dir_fd=child_fd), rung)
        return self._same(open_beneath(self._ground, rung.path), rung)

    @staticmethod
    def _same(fd: int, rung: Rung) -> int:
        stat = os.fstat(fd)
        if (stat.st_dev, stat.st_ino) != (rung.dev, rung.ino):
            os.close(fd)
            raise OSError(errno.ESTALE, "the folder was moved while it was being worked on")
        return fd
