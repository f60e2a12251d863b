"""Lanes of a capture: each takes the next range of a collection and reads it in ``_id`` order, segment by segment."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from holdfast.model.snapshot import Notes, Segment
from holdfast.sources.base import Block, Cut, Piece, PieceResult
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.point import Point
from holdfast.sources.mongodb.ranges import Range
from holdfast.sources.mongodb.refusals import CURSOR_LOST, OUTLIVED, translating
from holdfast.sources.mongodb.values import RAW

SEGMENT = 32 << 20
_PATIENCE = 5  # cursors lost in a row, without a document between them
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
    """Reads ranges until none is left. ``before``: segments of the last snapshot by item, for deltas.

    ``repeating``: several documents may have one ``_id`` (on different shards), so that it tells no place.
    """

    point: Point
    place: Place
    work: Work
    before: dict[bytes, dict[str, Segment]]
    segment: int = SEGMENT
    repeating: bool = False

    def pieces(self) -> Iterator[Piece]:
        """See sources.base.Capture.lanes."""
        while (range_ := self.work.take()) is not None:
            yield from Stretches(self, range_).pieces()


class Stretches:
    """One cursor over one range, handed out as segments of ``Lane.segment`` bytes and more."""

    def __init__(self, lane: Lane, range_: Range) -> None:
        self._lane, self._range = lane, range_
        self._held: list[bytes] = []
        self._rows = self._lost = 0
        self._last, self._any = b"", False
        self._batches = self._begun()

    def _begun(self) -> Iterator[list[bytes]]:
        """A cursor over what is left of the range."""
        range_ = replace(self._range, lower=self._last) if self._last else self._range
        return self._lane.point.batches(command_of(range_), consistent=not self._range.collection.capped)

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
            while True:
                try:
                    return self._fetch_on()
                except PyMongoError as error:
                    if not self._goes_on_after(error):
                        raise
                    self._batches = self._begun()

    def _fetch_on(self) -> None:
        for found in self._batches:
            new = found[1:] if self._last and found and only(found[0], b"_id") == self._last else found
            if new:
                self._held, self._last, self._lost, self._any = new, self._key(new[-1]), 0, True
                return

    def _key(self, document: bytes) -> bytes:
        """Where to go on after it, b"" where there is no order to go on in."""
        return only(document, b"_id") if self._range.collection.by_id else b""

    def _goes_on_after(self, error: PyMongoError) -> bool:
        """Whether a new cursor gives the rest of the range: in ``_id`` order nothing is missed or read twice."""
        self._lost += 1
        in_order = self._range.collection.by_id and not self._lane.repeating
        if self._lost > _PATIENCE or (self._any and not in_order) or isinstance(error, ServerSelectionTimeoutError):
            return False
        if isinstance(error, OperationFailure) and error.code in OUTLIVED:
            return self._lane.point.outlived()
        lost = isinstance(error, AutoReconnect) or (isinstance(error, OperationFailure) and error.code in CURSOR_LOST)
        return lost and not self._lane.point.alone

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
