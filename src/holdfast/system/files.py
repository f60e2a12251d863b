"""Files that survive a crash: written whole, flushed, and published in one step.

Functions here raise plain OSError; whoever owns the path turns it into words for a person.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

_NOT_OFFERED = frozenset((errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EMLINK))
_DIRECT = getattr(os, "O_DIRECT", 0)
_ALIGNED = 4096
_LARGE = 1 << 20
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100

LOCK = "lock"
"""The file beside temporary files that publish_under_lock locks; it must stay."""

Publish = Callable[[str, str], None]
"""Gives the file at the first path the second as its name, or raises FileExistsError and changes nothing."""


class NotOfferedError(OSError):
    """This file system lacks the call; another way may work."""


def write_all(fd: int, data: memoryview) -> None:
    """Write every byte of ``data``."""
    while data.nbytes:
        data = data[os.write(fd, data) :]


def write_past_cache(fd: int, data: memoryview) -> None:
    """Write every byte of ``data`` as ``write_all`` does, spared the copy into the file system's cache where that is
    possible: for large data in pages of its own, which nobody will read soon.
    """
    whole = data.nbytes - data.nbytes % _ALIGNED
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    written = 0
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | _DIRECT)
        while written < whole:
            written += os.write(fd, data[written:whole])
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    finally:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    write_all(fd, data[written:])


def read_range(fd: int, offset: int, length: int) -> bytes:
    """``length`` bytes from ``offset``, fewer at the end of the file; does not move the file position."""
    first = os.pread(fd, length, offset)
    if len(first) == length or not first:
        return first
    parts, got = [first], len(first)
    while got < length and (more := os.pread(fd, length - got, offset + got)):
        parts.append(more)
        got += len(more)
    return b"".join(parts)


def fsync_directory(path: str | os.PathLike[str]) -> None:
    """Make the directory's entries survive power loss, where the file system knows how to."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:  # a network file system that refuses this flushes by itself
            raise
    finally:
        os.close(fd)


def make_directories(path: str | os.PathLike[str], mode: int = 0o700) -> None:
    """Create ``path`` and what is missing above it; what was created survives power loss."""
    path = os.path.abspath(path)
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, mode)
        fsync_directory(os.path.dirname(each))


def create_filled(path: str, data: memoryview, mode: int) -> None:
    """Create ``path`` with exactly ``data``, on disk when this returns. FileExistsError when it is there.

    A file that could not be completed is removed again.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            if data.nbytes >= _LARGE:
                write_past_cache(fd, data)
            else:
                write_all(fd, data)
            if (size := os.fstat(fd).st_size) != data.nbytes:
                raise OSError(errno.EIO, f"{size} bytes arrived of {data.nbytes}", path)
            with contextlib.suppress(PermissionError):  # file systems without modes
                os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise


def write_atomic(
    path: str | os.PathLike[str], data: bytes | bytearray | memoryview, mode: int = 0o600
) -> None:
    """Replace ``path`` by ``data``: after a crash it holds all of the old or all of the new bytes."""
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    temporary = os.path.join(folder, f".{secrets.token_hex(8)}.tmp")
    create_filled(temporary, memoryview(data).cast("B"), mode)
    try:
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    fsync_directory(folder)


def publish_by_link(temporary: str, path: str) -> None:
    """By a hard link; the temporary name stays."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # NFS repeats a request whose answer was lost: the link is there because we made it.
        if os.stat(temporary).st_nlink != 2:
            raise
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            raise NotOfferedError(error.errno, error.strerror, path) from error
        raise


def publish_by_rename(temporary: str, path: str) -> None:
    """By a rename that never replaces (Linux)."""
    import ctypes

    renameat2 = _load_renameat2()
    if renameat2 is None:
        raise NotOfferedError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
    if renameat2(_AT_FDCWD, os.fsencode(temporary), _AT_FDCWD, os.fsencode(path), _RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        kind = NotOfferedError if number in _NOT_OFFERED else OSError
        raise kind(number, os.strerror(number), path)


def publish_under_lock(temporary: str, path: str) -> None:
    """By look and rename under an advisory lock beside the temporary file.

    The last resort: the kernel drops the lock of a dead process, and readers never see half an object, but
    writers on other machines are kept apart only where the file system shares locks.
    """
    lock = os.path.join(os.path.dirname(temporary), LOCK)
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        os.rename(temporary, path)
    finally:
        os.close(fd)


WAYS: tuple[Publish, ...] = (publish_by_link, publish_by_rename, publish_under_lock)
"""Best first."""


def publish_new(temporary: str, path: str, ways: Sequence[Publish] = WAYS) -> None:
    """Publish by the first way that this file system offers."""
    for way in ways[:-1]:
        try:
            return way(temporary, path)
        except NotOfferedError:
            continue
    return ways[-1](temporary, path)


@cache
def _load_renameat2() -> Any:
    """The C library's function, where it has one; loaded only where hard links are not offered."""
    import ctypes

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return call
