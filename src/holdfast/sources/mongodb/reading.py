"""Lanes of a capture: each takes the next range of a collection and reads it in ``_id`` order, segment by segment."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from bson.raw_bson import RawBSONDocument

from holdfast.model.snapshot import Notes, Segment
from holdfast.sources.base import Block, Cut, Piece, PieceResult
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.point import Point
from holdfast.sources.mongodb.ranges import Range
from holdfast.sources.mongodb.refusals import translating
from holdfast.sources.mongodb.values import RAW

SEGMENT = 32 << 20
_STRETCHES = 1 << 20  # room in Piece.order for the segments of one range


@dataclass(slots=True)
class Work:
    """Ranges that nobody has taken yet. Safe from any thread."""

    ranges: list[Range]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: int = 0

    def take(self) -> Range | None:
        """The next one."""
        with self._lock:
            if self._next == len(self.ranges):
                return None
            self._next += 1
            return self.ranges[self._next - 1]


@dataclass(slots=True, kw_only=True)
class Lane:
    """Reads ranges until none is left. ``before``: segments of the last snapshot by item, for deltas."""

    point: Point
    place: Place
    work: Work
    before: dict[bytes, dict[str, Segment]]
    segment: int = SEGMENT

    def pieces(self) -> Iterator[Piece]:
        """See sources.base.Capture.lanes."""
        while (range_ := self.work.take()) is not None:
            yield from Stretches(self, range_).pieces()


class Stretches:
    """One cursor over one range, handed out as segments of ``Lane.segment`` bytes and more."""

    def __init__(self, lane: Lane, range_: Range) -> None:
        self._lane, self._range = lane, range_
        self._batches = lane.point.batches(command_of(range_), consistent=not range_.collection.capped)
        self._held: list[bytes] = []
        self._rows = 0

    def pieces(self) -> Iterator[Piece]:
        """At least one piece; the first carries the item's notes."""
        number = 0
        lower = self._range.lower
        while number == 0 or self._more():
            if number:
                lower = only(self._held[0], b"_id") if self._range.collection.by_id else b""
            yield self._piece(number, lower)
            number += 1

    def _more(self) -> bool:
        """Whether there are documents beyond what was handed out."""
        if not self._held:
            self._fetch()
        return bool(self._held)

    def _fetch(self) -> None:
        doing = f"{self._range.collection.name} could not be read"
        with translating(self._lane.place, doing=doing):
            for found in self._batches:
                if found:
                    self._held = found
                    return

    def _piece(self, number: int, lower: bytes) -> Piece:
        collection = self._range.collection
        key = key_of(lower) if lower else str(number or "")
        return Piece(
            item=collection.item,
            kind=collection.kind,
            order=self._range.place * _STRETCHES + number,
            key=key,
            blocks=self._blocks(),
            cut=Cut.DOCUMENTS,
            base=self._lane.before.get(collection.item, {}).get(key),
            result=lambda: PieceResult(rows=self._rows, segment_notes={"from": lower}),
            item_notes=notes_of(collection),
        )

    def _blocks(self) -> Iterator[Block]:
        self._rows = size = 0
        while size < self._lane.segment and self._more():
            taken = self._taken(self._lane.segment - size)
            block = b"".join(taken)
            self._rows += len(taken)
            size += len(block)
            yield block

    def _taken(self, room: int) -> list[bytes]:
        """Of the documents held those that fit, and one more; small remainders stay with them."""
        held = self._held
        if sum(map(len, held)) <= 2 * room:
            self._held = []
            return held
        count = bisect_left(list(accumulate(map(len, held))), room) + 1
        self._held = held[count:]
        return held[:count]


def command_of(range_: Range) -> dict[str, Any]:
    """The find that gives a range; index bounds, because comparisons in a filter stop at the border of a type."""
    collection = range_.collection
    if not collection.by_id:
        return {"find": collection.name, **({"hint": {"$natural": 1}} if collection.capped else {})}
    # the sort costs nothing on this index; without it a sharded cluster gives documents as its shards answer
    command: dict[str, Any] = {"find": collection.name, "hint": {"_id": 1}, "sort": {"_id": 1}}
    if range_.lower:
        command["min"] = RawBSONDocument(range_.lower, RAW)
    if range_.upper:
        command["max"] = RawBSONDocument(range_.upper, RAW)
    return command


def notes_of(collection: Collection) -> Notes:
    """The notes of its item."""
    return {
        "uuid": collection.uuid,
        "order": "id" if collection.by_id else "natural",
        "capped": collection.capped,
        "collated": collection.collated,
    }


def key_of(lower: bytes) -> str:
    """A name for the segment that begins at this bound."""
    return lower[4:].hex()[:96]
