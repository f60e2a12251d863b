"""The bytes of a database as a snapshot holds them: any range of them, reading only the chunks that are touched."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterable

from holdfast.model.errors import Damaged
from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.base import Content
from holdfast.sources.sqlite.segments import segment_range

_HELD = 8 << 20
_KEPT = 64 << 20
_AHEAD = 8


class Pages:
    """``size`` bytes, cut into pieces (one slice of a chunk each). Safe from one thread at a time.

    ``fetched`` counts the plain bytes that were read out of the snapshot.
    """

    def __init__(self, item: Item, content: Content) -> None:
        self._content = content
        self._label = item.label
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._held_size = self._kept_size = 0
        self._kept: dict[int, bytes] = {}
        self._last = -2
        self.starts: list[int] = []
        self.slices: list[Slice] = []
        self.size = self.fetched = 0
        self._lay_out(item)

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer at the end. Damaged when a chunk cannot be had."""
        kept = self._kept.get(offset)
        if kept is not None and len(kept) == length:
            return kept
        parts = []
        while length > 0 and offset < self.size:
            number = bisect.bisect_right(self.starts, offset) - 1
            inside = offset - self.starts[number]
            part = self.piece(number)[inside : inside + length]
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def keep(self, offset: int, page: bytes) -> None:
        """Remember a page that is going to be asked for again; not more of them than fit."""
        if self._kept_size + len(page) <= _KEPT and offset not in self._kept and page:
            self._kept[offset] = page
            self._kept_size += len(page)

    def piece(self, number: int) -> bytes:
        """All bytes of one piece."""
        held = self._held.get(number)
        if held is not None:
            self._held.move_to_end(number)
            return held
        if number == self._last + 1:
            self.expect(range(number + 1, number + 1 + _AHEAD))
        self._last = number
        piece = self.slices[number]
        data = b"".join(self._content.blocks(Segment("", 0, piece.length, [piece])))
        if len(data) != piece.length:
            raise Damaged("a piece of the database has another length than the snapshot says", where=self._label)
        self.fetched += len(data)
        self._held[number] = data
        self._held_size += len(data)
        while self._held_size > _HELD and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self._held_size -= len(gone)
        return data

    def expect(self, numbers: Iterable[int]) -> None:
        """A hint that these pieces will be asked for next."""
        wanted = [self.slices[number] for number in numbers if number < len(self.slices) and number not in self._held]
        if wanted:
            self._content.prefetch([Segment("", 0, piece.length, [piece]) for piece in wanted])

    def _lay_out(self, item: Item) -> None:
        for segment in sorted(item.segments, key=lambda each: (segment_range(each.key)[0], each.part)):
            for piece in segment.slices:
                if piece.length:
                    self.starts.append(self.size)
                    self.slices.append(piece)
                    self.size += piece.length
        if self.size != item.size:
            raise Damaged("the segments of the database do not add up to its size", where=self._label)
