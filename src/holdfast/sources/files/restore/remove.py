"""Deleting what the snapshot does not have, one entry at a time, never through a symlink."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import closing

from holdfast.sources.files.ladder import open_beneath, open_folder
from holdfast.sources.files.restore.outcome import Outcome
from holdfast.sources.files.restore.temporary import is_leftover

_FOLDER = 0o040000
_FULL = frozenset((errno.ENOTEMPTY, errno.EEXIST))
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))


def remove(root_fd: int, names: tuple[bytes, ...], outcome: Outcome) -> None:
    """Delete in the given order; a folder in which something is left stays and is reported."""
    with closing(_Above(root_fd)) as above:
        for name in names:
            try:
                _remove_one(*above.reach(name))
            except FileNotFoundError:
                continue
            except OSError as error:
                kept = error.errno in _FULL
                why = "kept: other things are in it" if kept else f"could not be deleted: {error.strerror}"
                outcome.say(name, "incomplete" if kept else "failed", why)


def present(root_fd: int, names: Iterable[bytes]) -> Iterator[bytes]:
    """Those of the names that stand in the tree, however deep; never through a symlink."""
    with closing(_Above(root_fd)) as above:
        for name in names:
            try:
                base, fd = above.reach(name)
                os.stat(base, dir_fd=fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _ABSENT:
                    yield name  # deleting it tells what is wrong
                continue
            yield name


class _Above:
    """The folder of the name reached last, kept open: names come folder by folder."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._at, self._fd = b"", os.dup(root_fd)

    def reach(self, name: bytes) -> tuple[bytes, int]:
        """The last part of ``name`` and the open folder it stands in; never through a symlink. OSError."""
        above, _, base = name.rpartition(b"/")
        if above != self._at:
            deeper = open_beneath(self._root_fd, above)
            os.close(self._fd)
            self._at, self._fd = above, deeper
        return base, self._fd

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


def _remove_one(name: bytes, dir_fd: int) -> None:
    stat = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    if stat.st_mode & 0o170000 == _FOLDER:
        try:
            os.rmdir(name, dir_fd=dir_fd)
        except OSError as error:
            if error.errno not in _FULL or not _sweep(name, dir_fd):
                raise
            os.rmdir(name, dir_fd=dir_fd)
    else:
        os.unlink(name, dir_fd=dir_fd)


def _sweep(name: bytes, dir_fd: int) -> bool:
    """Take away what killed restores left in a folder; whether there was any."""
    found = False
    fd = open_folder(name, dir_fd)
    try:
        for inside in map(os.fsencode, os.listdir(fd)):
            if is_leftover(inside) and os.stat(inside, dir_fd=fd, follow_symlinks=False).st_mode & 0o170000 != _FOLDER:
                os.unlink(inside, dir_fd=fd)
                found = True
    finally:
        os.close(fd)
    return found
