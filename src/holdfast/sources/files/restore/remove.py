"""Deleting what the snapshot does not have, one entry at a time, never through a symlink."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

from holdfast.sources.files.ladder import open_beneath, open_folder
from holdfast.sources.files.restore.outcome import Outcome
from holdfast.sources.files.restore.temporary import is_leftover

_FOLDER = 0o040000
_FULL = frozenset((errno.ENOTEMPTY, errno.EEXIST))
_ABSENT = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))


def remove(root_fd: int, names: tuple[bytes, ...], outcome: Outcome) -> None:
    """Delete in the given order; a folder in which something is left stays and is reported."""
    at, fd = b"", os.dup(root_fd)
    try:
        for name in names:
            above, _, base = name.rpartition(b"/")
            try:
                if above != at:
                    deeper = open_beneath(root_fd, above)
                    os.close(fd)
                    at, fd = above, deeper
                _remove_one(base, fd)
            except FileNotFoundError:
                continue
            except OSError as error:
                kept = error.errno in _FULL
                why = "kept: other things are in it" if kept else f"could not be deleted: {error.strerror}"
                outcome.say(name, "incomplete" if kept else "failed", why)
    finally:
        os.close(fd)


def present(root_fd: int, names: Iterable[bytes]) -> Iterator[bytes]:
    """Those of the names that stand in the tree, however deep; never through a symlink."""
    at, fd = b"", os.dup(root_fd)
    try:
        for name in names:
            above, _, base = name.rpartition(b"/")
            try:
                if above != at:
                    deeper = open_beneath(root_fd, above)
                    os.close(fd)
                    at, fd = above, deeper
                os.stat(base, dir_fd=fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _ABSENT:
                    yield name  # deleting it tells what is wrong
                continue
            yield name
    finally:
        os.close(fd)


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
