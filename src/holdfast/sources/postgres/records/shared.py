"""Which slices two stored states of a table have in common, each paired with one of the other side.

Rows longer than a cut can reach go over several slices. So that a row is never shared on one side only, neighbours
whose partners are no neighbours are let go of where a row goes over the seam.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.base import Content
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.units import Unit, read

Stored = tuple[Content, Item]
_Spot = tuple[int, int]
"""Segment and slice, both counted from 0."""


class Shared:
    """Pairs of equal slices; as many pairs as the side that has fewer of them."""

    def __init__(self, sides: tuple[Stored, Stored]) -> None:
        self._sides = sides
        self._mates: tuple[dict[_Spot, _Spot], dict[_Spot, _Spot]] = ({}, {})
        self._pair()
        for side in (0, 1):
            for one, following in list(self._seams(side)):
                self._let_go(side, one, following)

    def left(self, side: int) -> Iterator[tuple[Segment, list[int]]]:
        """Segments of a side with the places of their slices that have no partner."""
        mates = self._mates[side]
        for number, segment in enumerate(self._sides[side][1].segments):
            places = [place for place in range(len(segment.slices)) if (number, place) not in mates]
            if places:
                yield segment, places

    def _pair(self) -> None:
        """Partners that follow one another where there are such."""
        waiting: dict[tuple[bool, Slice], list[_Spot]] = defaultdict(list)
        for spot, piece, sliced in reversed(list(_spots(self._sides[1][1]))):
            waiting[sliced, piece].append(spot)
        last: _Spot | None = None
        for spot, piece, sliced in _spots(self._sides[0][1]):
            offered = waiting.get((sliced, piece))
            if not offered:
                last = None
                continue
            following = (last[0], last[1] + 1) if last is not None else None
            last = following if following in offered else offered[-1]
            offered.remove(last)
            self._mates[0][spot], self._mates[1][last] = last, spot

    def _seams(self, side: int) -> Iterator[tuple[_Spot, _Spot]]:
        mates = self._mates[side]
        for number, segment in enumerate(self._sides[side][1].segments):
            for one, following in pairwise((number, place) for place in range(len(segment.slices))):
                here, there = mates.get(one), mates.get(following)
                if here is not None and there is not None and there != (here[0], here[1] + 1):
                    yield one, following

    def _let_go(self, side: int, one: _Spot, following: _Spot) -> None:
        """Unless a row ends at the seam."""
        content, item = self._sides[side]
        if read(content, Unit((item.segments[one[0]].slices[one[1]],))).endswith(b"\n"):
            return
        for spot in (one, following):
            mate = self._mates[side].pop(spot, None)
            if mate is not None:
                del self._mates[1 - side][mate]


def _spots(item: Item) -> Iterator[tuple[_Spot, Slice, bool]]:
    """Every slice; those of rows in pieces are no partners of others."""
    for number, segment in enumerate(item.segments):
        sliced = is_sliced(segment)
        for place, piece in enumerate(segment.slices):
            yield (number, place), piece, sliced
