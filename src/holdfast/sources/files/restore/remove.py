"""Deleting what the snapshot does not have, one entry at a time, never through a symlink."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

from holdfast.sources.files.ladder import open_beneath
from holdfast.sources.files.restore.outcome import Outcome

_FOLDER = 0o040000
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
                kept = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
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
        os.rmdir(name, dir_fd=dir_fd)
    else:
        os.unlink(name, dir_fd=dir_fd)
