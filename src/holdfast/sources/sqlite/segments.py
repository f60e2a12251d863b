"""How an image is cut into segments, and the digest by which a segment is known again."""

from __future__ import annotations

import hashlib

from holdfast.sources.base import Block
from holdfast.sources.sqlite.header import steady
from holdfast.sources.sqlite.settings import SEGMENT


def segment_ranges(size: int) -> list[tuple[int, int]]:
    """(offset, end) of each segment of an image of ``size`` bytes."""
    return [(offset, min(offset + SEGMENT, size)) for offset in range(0, size, SEGMENT)]


def segment_key(offset: int, end: int) -> str:
    """How a segment is called within its item."""
    return f"{offset}-{end}"


def segment_range(key: str) -> tuple[int, int]:
    """The range a segment's key names."""
    offset, _, end = key.partition("-")
    return int(offset), int(end)


class Digest:
    """SHA-256 of a segment's bytes, blind to the header fields that equal databases may differ in."""

    def __init__(self, offset: int) -> None:
        self._hash = hashlib.sha256()
        self._at_header = offset == 0

    def add(self, block: Block) -> None:
        """The next bytes; the first block of a database holds its whole header."""
        if self._at_header:
            self._at_header = False
            view = memoryview(block)
            self._hash.update(steady(bytes(view[:100])))
            block = view[100:]
        self._hash.update(block)

    def value(self) -> bytes:
        """The digest of everything added."""
        return self._hash.digest()
