"""The stored bytes of a table in units: runs of chunks that begin and end with a row, each readable alone."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.base import Content
from holdfast.sources.postgres.load_sliced import is_sliced

# A row is cut inside only where it goes on for longer than this (sources.base.Cut.ROWS); what is cut elsewhere is
# read as one.
ROW_REACH = 256 << 10
SMALL = 1 << 20
_WORTH_THREADS = 512 << 10
_AHEAD = 6
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Unit:
    """Consecutive slices of one segment that hold whole rows. ``sliced``: rows in pieces, see items.py."""

    slices: tuple[Slice, ...]
    sliced: bool = False
    hexadecimal: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum([piece.length for piece in self.slices])

    @property
    def id(self) -> bytes:
        """16 bytes that name this content."""
        return identity(self.slices)


def identity(slices: Sequence[Slice]) -> bytes:
    """16 bytes that name what these slices hold."""
    parts = [one.chunk + one.offset.to_bytes(4, "big") + one.length.to_bytes(4, "big") for one in slices]
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


def alone(slices: Sequence[Slice]) -> Segment:
    """A segment of just these slices."""
    return Segment("", 0, sum([piece.length for piece in slices]), list(slices))


def whole(segment: Segment) -> Unit:
    """A segment as one unit."""
    notes = segment.notes or {}
    return Unit(tuple(segment.slices), is_sliced(segment), tuple(map(str, notes.get("hex") or ())))


def read(content: Content, unit: Unit) -> bytes:
    """All bytes of a unit."""
    blocks = list(content.blocks(alone(unit.slices)))
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def readings(content: Content, units: Sequence[Unit]) -> Iterator[tuple[Unit, bytes]]:
    """Units with their bytes, in order, read a little ahead by threads: memory stays flat."""
    return zip(units, read_ahead([(content, unit) for unit in units]), strict=True)


def read_ahead(wanted: Sequence[tuple[Content, Unit]]) -> Iterator[bytes]:
    """The bytes of units, in order, read by threads a little before they are asked for."""
    if len(wanted) < _THREADS or sum([unit.size for _, unit in wanted[:_AHEAD]]) < _WORTH_THREADS:
        for content, unit in wanted:
            yield read(content, unit)
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="records") as pool:
        waiting: deque[Future[bytes]] = deque()
        try:
            for content, unit in wanted:
                waiting.append(pool.submit(read, content, unit))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def stretches(content: Content, item: Item) -> Iterator[tuple[Unit, bytes]]:
    """All units of an item with their bytes. Rows in pieces come as a unit without bytes: they may be huge."""
    for segment in item.segments:
        if is_sliced(segment):
            yield whole(segment), b""
        elif segment.size <= SMALL:
            unit = whole(segment)
            yield unit, read(content, unit)
        else:
            yield from in_rows(readings(content, [Unit((piece,)) for piece in segment.slices]))


def in_rows(pieces: Iterator[tuple[Unit, bytes]]) -> Iterator[tuple[Unit, bytes]]:
    """Consecutive pieces joined until they end with a row."""
    slices: list[Slice] = []
    parts: list[bytes] = []
    for unit, data in pieces:
        slices += unit.slices
        parts.append(data)
        if data.endswith(b"\n"):
            yield Unit(tuple(slices)), parts[0] if len(parts) == 1 else b"".join(parts)
            slices, parts = [], []
    if any(parts):
        yield Unit(tuple(slices)), b"".join(parts)
