"""Looks for keys that ascend with the place of their rows, reading a chunk here and there; a miss proves nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from holdfast.model.snapshot import Item, Slice
from holdfast.sources.base import Content
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.selecting import Selector
from holdfast.sources.postgres.records.units import Unit, read

Order = tuple[tuple[int, int, bytes], ...]


class Ascending:
    """Binary search over the chunks of one item. ``found`` gives lines of whole rows, whose key is certain."""

    def __init__(self, content: Content, item: Item, selector: Selector) -> None:
        self._content = content
        self._selector = selector
        self._slices: list[Slice] = [
            piece for segment in item.segments if not is_sliced(segment) for piece in segment.slices
        ]
        self._starts: dict[int, Order | None] = {}

    def found(self, sought: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """(key, line) of those found."""
        for key in sought if self._slices else ():
            place = self._place(_order(key))
            if place is None:
                return
            data = self._from(place)
            for line in self._selector.lines(data, frozenset((key,))):
                yield key, line

    def _place(self, wanted: Order) -> int | None:
        """The last chunk whose first whole row is not above ``wanted``; None when chunks do not tell."""
        low, high = 0, len(self._slices) - 1
        while low < high:
            middle = (low + high + 1) // 2
            start = self._start(middle)
            if start is None:
                return None
            if start <= wanted:
                low = middle
            else:
                high = middle - 1
        return low

    def _start(self, place: int) -> Order | None:
        """The key of the first row that certainly begins in a chunk: the one behind the first newline."""
        if place not in self._starts:
            data = read(self._content, Unit((self._slices[place],)))
            begin = data.find(b"\n") + 1
            end = data.find(b"\n", begin)
            self._starts[place] = _order(self._selector.key(data[begin:end])) if begin and end > 0 else None
        return self._starts[place]

    def _from(self, place: int) -> bytes:
        """Whole rows of a chunk, with the row that the next one begins with."""
        parts = [read(self._content, Unit((self._slices[place],)))]
        begin = parts[0].find(b"\n") + 1 if place else 0
        if place + 1 < len(self._slices):
            parts.append(read(self._content, Unit((self._slices[place + 1],))))
        data = b"".join(parts)
        return data[begin : data.rfind(b"\n") + 1]


def _order(key: bytes) -> Order:
    """Numbers by value, everything else by its letters."""
    return tuple(_part(part) for part in key.split(b"\t"))


def _part(part: bytes) -> tuple[int, int, bytes]:
    try:
        return (0, int(part), b"")
    except ValueError:
        return (1, 0, part)
