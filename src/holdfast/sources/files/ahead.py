"""Asking the disk for small files before their turn, so that reading them one by one does not wait for each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from holdfast.sources.files.read import AT_ONCE, open_file
from holdfast.sources.files.walk import IFMT, Visit

_REGULAR = 0o100000
_WINDOW = 32
_PROBES = 2
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)

Hidden = Callable[[bytes, os.stat_result], bool]
"""Whether a path is left out of the tree; such a file is not opened."""


class Ahead:
    """Told of each file that is about to be read, and of the names that come after it in its folder.

    Nothing is asked for while the next files are in memory already, or where the system cannot tell.
    """

    def __init__(self, hidden: Hidden) -> None:
        self._hidden = hidden
        self._folders: dict[int, tuple[list[bytes], int]] = {}
        self._byte = bytearray(1)

    def look(self, visit: Visit, coming: list[bytes]) -> None:
        """``coming``: names still to be visited in the folder, the next one last; it shrinks as they are."""
        if not _NOWAIT or not coming:
            return
        path, name, _, fd = visit
        listing, until = self._folders.get(fd, (None, 0))
        if listing is coming and len(coming) > until:
            return
        self._folders[fd] = coming, len(coming) - _WINDOW
        self._ask(path[: -len(name)], fd, coming[: -_WINDOW - 1 : -1])

    def _ask(self, prefix: bytes, folder: int, names: list[bytes]) -> None:
        probed = here = 0
        for name in names:
            with contextlib.suppress(OSError):  # whoever reads it will tell
                stat = os.stat(name, dir_fd=folder, follow_symlinks=False)
                small = stat.st_mode & IFMT == _REGULAR and 0 < stat.st_size < AT_ONCE
                if not small or self._hidden(prefix + name, stat):
                    continue
                fd = open_file(name, folder)
                try:
                    if probed < _PROBES:
                        probed += 1
                        if self._is_here(fd):
                            here += 1
                            if here == _PROBES:
                                return
                            continue
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
                finally:
                    os.close(fd)

    def _is_here(self, fd: int) -> bool:
        """Whether reading would not wait for the disk."""
        try:
            os.preadv(fd, [self._byte], 0, _NOWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
