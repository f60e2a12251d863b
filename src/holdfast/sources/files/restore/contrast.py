"""Whether a file on disk holds exactly the bytes the snapshot has for it, holes included."""

from __future__ import annotations

import os
from collections.abc import Iterable

from holdfast.model.snapshot import Item
from holdfast.sources.files import inode

_BLOCK = 1 << 20


def first_difference(fd: int, item: Item, blocks: Iterable[bytes]) -> int | None:
    """The offset of the first byte that differs, or where the shorter one ends; None when all are equal."""
    facts = (item.notes or {})[inode.FACTS]
    extents = (item.notes or {}).get(inode.EXTENTS)
    if extents is None:
        extents = [0, sum(segment.size for segment in item.segments)]
    else:
        extents = [*extents, facts[inode.SIZE], 0]
    end = 0
    pending = _Cursor(blocks)
    for at in range(0, len(extents), 2):
        offset, length = extents[at], extents[at + 1]
        if (wrong := _not_empty(fd, end, offset)) is not None:
            return wrong
        if (wrong := pending.differs(fd, offset, length)) is not None:
            return wrong
        end = offset + length
    size = os.fstat(fd).st_size
    return None if size == end else min(size, end)


class _Cursor:
    """Compares consecutive expected bytes with stretches of a file."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def differs(self, fd: int, offset: int, length: int) -> int | None:
        while length:
            if not self._rest.nbytes:
                block = next(self._blocks, None)
                if block is None:
                    return offset
                self._rest = memoryview(block)
            wanted = self._rest[: min(length, _BLOCK)]
            found = os.pread(fd, len(wanted), offset)
            if found != wanted:
                same = next((n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), len(found))
                return offset + same
            self._rest = self._rest[len(wanted) :]
            offset += len(wanted)
            length -= len(wanted)
        return None


def _not_empty(fd: int, start: int, end: int) -> int | None:
    """The first byte between two offsets that is not zero, looking only where the file has data."""
    while start < end:
        try:
            start = os.lseek(fd, start, os.SEEK_DATA)
        except OSError:  # a hole up to the end
            return None
        block = os.pread(fd, max(0, min(_BLOCK, end - start)), start)
        if not block:
            return None
        if block.strip(b"\0"):
            return start + len(block) - len(block.lstrip(b"\0"))
        start += len(block)
    return None
