"""Making what was restored survive power loss before it is called restored."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)


def sync_tree(fd: int) -> None:
    """Write everything pending on the file system of ``fd`` to disk; OSError when some of it could not be."""
    syncfs = getattr(_LIBC, "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
