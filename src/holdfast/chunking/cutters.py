"""Cutters turn blocks of any size into chunks. The cuts depend on the bytes alone, never on the block borders."""

from __future__ import annotations

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

    ``rows``: each cut is moved to behind the next newline, unless the row goes on for more than ROW_REACH.
    """

    def __init__(self, average: int, seed: int, *, rows: bool = False) -> None:
        self._cdc = FastCDC(avg_size=average, min_size=average // 4, max_size=average * 4, seed=seed)
        self._window = average * 4
        self._reach = ROW_REACH if rows else 0
        self._parts: list[bytes] = []
        self._held = 0

    def push(self, block: Buffer) -> Iterator[bytes]:
        """See Cutter."""
        self._parts.append(bytes(block))
        self._held += len(block)
        if self._held >= self._window + self._reach + _STEP:
            yield from self._cut(self._window + self._reach)

    def end(self) -> Iterator[bytes]:
        """See Cutter."""
        if self._held:
            yield from self._cut(1)

    def _cut(self, keep: int) -> Iterator[bytes]:
        """Cut while at least ``keep`` bytes are held: with less, a later byte could still move the cut."""
        data = b"".join(self._parts)
        view = memoryview(data)
        position = 0
        while len(data) - position >= keep:
            stop = position + next(iter(self._cdc.cut_buf(view[position : position + self._window]))).length
            if self._reach and stop < len(data):
                newline = data.find(b"\n", stop - 1, stop - 1 + self._reach)
                stop = newline + 1 if newline >= 0 else stop
            yield data[position:stop]
            position = stop
        self._parts = [data[position:]] if position < len(data) else []
        self._held = len(data) - position
