"""Reading the bytes of one file, and noticing when it was not the same file all the time."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.sources.files.inode import Xattrs, xattrs_of_fd

SMALL = 512 << 10
"""Below this, files share chunks."""

AT_ONCE = 4 << 20
"""Below this, a file is read into memory before any of it is handed on, so that it can be read again."""

BLOCK = 2 << 20

MOST_EXTENTS = 4096

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_QUIET = _FLAGS | getattr(os, "O_NOATIME", 0)


@dataclass(slots=True, kw_only=True)
class Reading:
    """A file read at once. ``steady`` False: it changed under the reader. ``extents`` as in inode notes."""

    data: bytes
    after: os.stat_result
    xattrs: Xattrs
    extents: list[int] | None
    steady: bool


def open_file(name: bytes, dir_fd: int) -> int:
    """A descriptor for reading that follows no symlink, waits for no fifo and leaves the access time alone."""
    try:
        return os.open(name, _QUIET, dir_fd=dir_fd)
    except PermissionError:  # only an owner may ask for no access time
        return os.open(name, _FLAGS, dir_fd=dir_fd)


def same(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether nothing was written in between, as far as the inode tells."""
    return (
        before.st_ino == after.st_ino
        and before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
        and before.st_dev == after.st_dev
    )


def is_sparse(stat: os.stat_result) -> bool:
    """Whether fewer blocks are allocated than the size needs."""
    return stat.st_blocks * 512 < stat.st_size


def read_at_once(name: bytes, dir_fd: int, stat: os.stat_result) -> Reading:
    """A whole file in memory. OSError when it cannot be read."""
    fd = open_file(name, dir_fd)
    try:
        extents = data_extents(fd, stat.st_size) if is_sparse(stat) else None
        if extents is None:
            data, expected = _up_to(fd, stat.st_size + 1), stat.st_size
        else:
            data, expected = b"".join(bytes(b) for b in spans(fd, extents, bytearray(BLOCK))), sum(extents[1::2])
        xattrs = xattrs_of_fd(fd)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    steady = len(data) == expected and same(stat, after)
    return Reading(data=data, after=after, xattrs=xattrs, extents=extents, steady=steady)


def _up_to(fd: int, most: int) -> bytes:
    data = os.read(fd, most)
    if len(data) >= most - 1 or not data:
        return data
    parts = [data]
    got = len(data)
    while got < most and (more := os.read(fd, most - got)):
        parts.append(more)
        got += len(more)
    return b"".join(parts)


def spans(fd: int, extents: list[int], buffer: bytearray) -> Iterator[memoryview]:
    """The bytes of the extents, in blocks that are valid until the next one is asked for; stops where the file ends."""
    view = memoryview(buffer)
    for at in range(0, len(extents), 2):
        offset, left = extents[at], extents[at + 1]
        while left:
            got = os.preadv(fd, [view[: min(left, len(view))]], offset)
            if not got:
                return
            yield view[:got]
            offset += got
            left -= got


def data_extents(fd: int, size: int) -> list[int] | None:
    """Where a sparse file holds data: offset, length, offset, length …; None when it has no holes after all."""
    found: list[int] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                break
            if error.errno in (errno.EINVAL, errno.ENOTSUP):
                os.lseek(fd, 0, os.SEEK_SET)
                return None
            raise
        if start >= size:
            break
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        found += (start, end - start)
    os.lseek(fd, 0, os.SEEK_SET)
    return None if found == [0, size] else _bridge(found)


def _bridge(extents: list[int]) -> list[int]:
    """Read across the smallest holes where there are too many to write down."""
    gap = 4096
    while len(extents) > 2 * MOST_EXTENTS:
        joined = extents[:2]
        for at in range(2, len(extents), 2):
            start, length = extents[at], extents[at + 1]
            if start - (joined[-2] + joined[-1]) <= gap:
                joined[-1] = start + length - joined[-2]
            else:
                joined += (start, length)
        extents, gap = joined, gap * 4
    return extents
