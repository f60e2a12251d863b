"""One process at a time: a lock that the system takes back when its holder is gone, in another container too."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class Sole:
    """Tries once for the lock at ``path``; ``held`` until ``close`` or the end of the process. The file stays.

    Where there are no such locks nobody holds one.
    """

    def __init__(self, path: Path) -> None:
        self._fd: int | None = None
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(fd)
                raise
            self._fd = fd

    @property
    def held(self) -> bool:
        """Whether no other process holds it."""
        return self._fd is not None

    def close(self) -> None:
        """Let go of it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
