"""A private folder for one temporary copy of a database, gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from holdfast.model.errors import SourceError

_PREFIX = "holdfast-sqlite-"
_LOCK = "in-use"
_SPARE = 16 << 20


def has_room(folder: Path, size: int) -> bool:
    """Whether a copy of ``size`` bytes fits into ``folder`` with something left for others."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize > size + size // 20 + _SPARE


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder below ``parent``, readable by us alone, removed at the end.

    What a killed process left behind is removed first: its lock file is no longer locked.
    """
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def no_room(folder: Path, size: int, what: str) -> SourceError:
    """The error for a copy that must be made and does not fit."""
    return SourceError(
        what + ", and there is no room for the copy",
        where=str(folder),
        why=f"{size / (1 << 20):.0f} MiB are needed",
        hint="Free space there, or set another folder for temporary files",
    )
