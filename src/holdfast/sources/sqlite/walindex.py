"""Where the pages of one committed state are while a write-ahead log is in use.

A page's newest committed content is its last frame in the ``-wal`` file up to the reader's end mark, or else it is
in the database file. The ``-shm`` file (https://www.sqlite.org/walformat.html) tells that end mark. As long as a
read transaction is open, frames up to its mark are neither overwritten nor dropped, and a checkpoint writes only
pages into the database file that the reader takes from the log.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

WAL_HEADER = 32
_FRAME_HEADER = 24
_INDEX_COPY = 48
_VERSION = 3007000
_BACKFILL_AT = 96
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Mark:
    """One committed state of the log: ``frames`` valid frames, ``identity`` of their whole content."""

    raw: bytes
    page_size: int
    frames: int
    salts: bytes

    @property
    def identity(self) -> bytes:
        """Frame count, running checksum over all frames, salts: equal only for the same log content."""
        return self.raw[16:20] + self.raw[24:40]


def read_mark(shm: int) -> Mark | None:
    """The newest committed state, or None while it is being written or when the layout is not the known one."""
    raw = os.pread(shm, 2 * _INDEX_COPY, 0)
    first = raw[:_INDEX_COPY]
    if len(raw) < 2 * _INDEX_COPY or first != raw[_INDEX_COPY:]:
        return None
    words = struct.unpack("=12I", first)
    if words[0] != _VERSION or raw[12] != 1 or _checksum(words[:10]) != words[10:]:
        return None
    size: int = struct.unpack_from("=H", raw, 14)[0]
    page_size = (size & 0xFE00) + ((size & 1) << 16)
    return Mark(first, page_size, words[4], raw[32:40])


def read_backfill(shm: int) -> int:
    """How many frames have been copied into the database file already."""
    raw = os.pread(shm, 4, _BACKFILL_AT)
    return int.from_bytes(raw, sys.byteorder) if len(raw) == 4 else -1


class Overlay:
    """The pages that must be taken from the log, and where they are in it."""

    def __init__(self, wal: int, mark: Mark, page_count: int) -> None:
        self.wal = wal
        self.page_size = mark.page_size
        self._header = os.pread(wal, WAL_HEADER, 0)
        if self._header[16:24] != mark.salts:
            raise ForeignLogError("the log's header does not belong to its index")
        newest = array("Q", bytes(8 * (page_count + 1)))
        for page, at in _frames(wal, mark):
            if page <= page_count:
                newest[page] = at
        self._pages = array("I", (page for page, at in enumerate(newest) if at))
        self._at = array("Q", (at for at in newest if at))

    def pieces(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(page's offset in the database, its content's offset in the log) within a page-aligned range."""
        first = offset // self.page_size + 1
        last = (offset + length - 1) // self.page_size + 1
        at = bisect_left(self._pages, first)
        while at < len(self._pages) and self._pages[at] <= last:
            yield (self._pages[at] - 1) * self.page_size, self._at[at]
            at += 1

    def still_valid(self) -> bool:
        """Whether the log was not started over: True as long as the read transaction really held it."""
        return os.pread(self.wal, WAL_HEADER, 0) == self._header


class ForeignLogError(Exception):
    """The log does not fit its index: it must not be read directly."""


def _frames(wal: int, mark: Mark) -> Iterator[tuple[int, int]]:
    step = _FRAME_HEADER + mark.page_size
    for frame in range(mark.frames):
        at = WAL_HEADER + frame * step
        raw = os.pread(wal, _FRAME_HEADER, at)
        if len(raw) < _FRAME_HEADER or raw[8:16] != mark.salts:
            raise ForeignLogError(f"frame {frame + 1} does not belong to the log")
        yield int.from_bytes(raw[:4], "big"), at + _FRAME_HEADER


def _checksum(words: tuple[int, ...]) -> tuple[int, int]:
    one = two = 0
    for at in range(0, len(words), 2):
        one = (one + words[at] + two) & _MASK
        two = (two + words[at + 1] + one) & _MASK
    return one, two
