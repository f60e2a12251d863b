"""Cutters turn blocks of any size into chunks. The cuts depend on the bytes alone, never on the block borders."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

from pyfastcdc import FastCDC

Buffer = bytes | bytearray | memoryview

ROWS_AVERAGE = 256 << 10
BYTES_AVERAGE = 1 << 20
PAGES_SIZE = 256 << 10
# How far behind a content-defined cut the end of the row is looked for; a longer row is cut inside.
ROW_REACH = 256 << 10
# Work is done in steps of this many bytes: fewer joins, and big enough to keep the cutter's loop in C.
_STEP = 2 << 20
_LENGTH = struct.Struct("<i")
_LEAST_DOCUMENT = 5


class Cutter(Protocol):
    """One stream of bytes at a time: any number of ``push``, then ``end``; after ``end`` it can be used again."""

    def push(self, block: Buffer) -> Iterator[bytes]:
        """Take a block; yield the chunks that are certain by now. The block may be reused afterwards."""
        ...

    def end(self) -> Iterator[bytes]:
        """Yield what is left."""
        ...


class FixedCutter:
    """Chunks of exactly ``size`` bytes from the start of the stream; the last may be shorter."""

    def __init__(self, size: int = PAGES_SIZE) -> None:
        self._size = size
        self._parts: list[bytes] = []
        self._held = 0

    def push(self, block: Buffer) -> Iterator[bytes]:
        """See Cutter."""
        self._parts.append(bytes(block))
        self._held += len(block)
        if self._held < self._size:
            return
        data = b"".join(self._parts)
        whole = len(data) - len(data) % self._size
        self._parts = [data[whole:]]
        self._held = len(data) - whole
        for start in range(0, whole, self._size):
            yield data[start : start + self._size]

    def end(self) -> Iterator[bytes]:
        """See Cutter."""
        rest = b"".join(self._parts)
        self._parts, self._held = [], 0
        if rest:
            yield rest


class ContentCutter:
    """Content-defined chunks around ``average`` bytes (a quarter to four times), keyed by ``seed``.

    ``rows``: each cut is moved to behind the next newline, unless the row goes on for more than ROW_REACH. Bytes are
    copied twice: into the one buffer, which is reused, and out of it as chunks.
    """

    def __init__(self, average: int, seed: int, *, rows: bool = False) -> None:
        self._cdc = FastCDC(avg_size=average, min_size=average // 4, max_size=average * 4, seed=seed)
        self._window = average * 4
        self._reach = ROW_REACH if rows else 0
        self._need = self._window + self._reach
        self._buffer = bytearray()
        self._begin = 0
        self._end = 0
        self._wanted = 0

    def push(self, block: Buffer) -> Iterator[bytes]:
        """See Cutter."""
        self._take(block)
        if self._end - self._begin >= max(self._need + _STEP, self._wanted):
            yield from self._cut(self._need)

    def end(self) -> Iterator[bytes]:
        """See Cutter."""
        if self._end > self._begin:
            yield from self._cut(1)
        self._begin = self._end = self._wanted = 0

    def _take(self, block: Buffer) -> None:
        size = len(block)
        if self._end + size > len(self._buffer):
            held = self._end - self._begin
            room = max(self._need + _STEP + (1 << 20), held + size)
            if room > len(self._buffer):
                fresh = bytearray(room)
                fresh[:held] = memoryview(self._buffer)[self._begin : self._end]
                self._buffer = fresh
            else:
                self._buffer[:held] = self._buffer[self._begin : self._end]
            self._begin, self._end = 0, held
        self._buffer[self._end : self._end + size] = block
        self._end += size

    def _cut(self, keep: int) -> Iterator[bytes]:
        """Cut while at least ``keep`` bytes are held: with less, a later byte could still move the cut."""
        view = memoryview(self._buffer)
        while self._end - self._begin >= keep:
            start = self._begin
            window = view[start : min(start + self._window, self._end)]
            stop = start + next(iter(self._cdc.cut_buf(window))).length
            if stop < self._end:
                stop = self._border(start, stop)
            if stop > self._end:
                if keep > 1:
                    self._wanted = stop - start
                    return
                stop = self._end
            self._begin, self._wanted = stop, 0
            yield bytes(view[start:stop])

    def _border(self, start: int, stop: int) -> int:  # noqa: ARG002 - documents are counted from the start
        """Where the cut may be made that content asks for at ``stop``; beyond the end: ask again with more bytes."""
        if not self._reach:
            return stop
        newline = self._buffer.find(b"\n", stop - 1, min(stop - 1 + self._reach, self._end))
        return newline + 1 if newline >= 0 else stop


class DocumentCutter(ContentCutter):
    """Content-defined chunks of whole BSON documents: each cut is moved to the end of the document it falls into.

    What is no document (a length below five bytes) is cut where the content says.
    """

    def __init__(self, average: int, seed: int) -> None:
        super().__init__(average, seed)
        self._need += _LENGTH.size

    def _border(self, start: int, stop: int) -> int:
        buffer, length_at = self._buffer, _LENGTH.unpack_from
        at = start
        while at < stop:
            if at + _LENGTH.size > self._end:
                return stop
            (length,) = length_at(buffer, at)
            if length < _LEAST_DOCUMENT:
                return stop
            at += length
        return at
