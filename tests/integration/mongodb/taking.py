"""A snapshot held in memory: what flow and repository are to a source, small enough to read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.chunking.cutters import DocumentCutter
from holdfast.model.plans import ItemResult, RestorePlan
from holdfast.model.snapshot import Item, Notes, Segment, Slice
from holdfast.sources.base import CaptureNotes, CaptureRequest, Piece, RestoreRequest, Source
from holdfast.sources.mongodb.documents import split

_numbers = iter(range(1, 1 << 60))


@dataclass
class Taken:
    """One snapshot: Previous, Manifest and Content in one. ``asked``: chunks that were read."""

    learned: CaptureNotes = field(default_factory=CaptureNotes)
    found: dict[bytes, Item] = field(default_factory=dict)
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    bases: dict[tuple[bytes, str], Segment | None] = field(default_factory=dict)
    asked: int = 0
    orders: dict[bytes, list[tuple[int, Segment]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def notes(self) -> Notes:
        return self.learned.notes

    def items(self) -> Iterator[Item]:
        return iter(sorted(self.found.values(), key=lambda item: item.name))

    def item(self, name: bytes) -> Item | None:
        return self.found.get(name)

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        for piece in segment.slices:
            self.asked += 1
            yield self.chunks[piece.chunk][piece.offset : piece.offset + piece.length]

    read = blocks

    def prefetch(self, segments: Sequence[Segment]) -> None:
        pass

    def documents(self, name: str) -> list[bytes]:
        """All documents of a collection, in order."""
        return [each for segment in self.found[name.encode()].segments for each in split(self.bytes_of(segment))]

    def bytes_of(self, segment: Segment) -> bytes:
        return b"".join(self.blocks(segment))

    def take(self, piece: Piece, average: int) -> None:
        """Drain one piece as flow does."""
        cutter = DocumentCutter(average, 7)
        chunks: list[bytes] = []
        for block in piece.blocks or ():
            chunks += cutter.push(block)
        chunks += cutter.end()
        result = piece.result() if piece.result else None
        with self.lock:
            item = self.found.setdefault(piece.item, Item(piece.item, piece.kind, 0, 0, [], None))
            item.notes = piece.item_notes or item.notes
            if piece.blocks is None:
                return
            slices = []
            for chunk in chunks:
                number = next(_numbers).to_bytes(32, "big")
                self.chunks[number] = chunk
                slices.append(Slice(number, 0, len(chunk)))
            segment = Segment(
                piece.key, result.rows if result else 0, sum(map(len, chunks)), slices,
                notes=result.segment_notes if result else None,
            )  # fmt: skip
            self.bases[piece.item, piece.key] = piece.base
            self.orders.setdefault(piece.item, []).append((piece.order, segment))

    def settle(self) -> None:
        for name, pairs in self.orders.items():
            item = self.found[name]
            item.segments = [segment for _, segment in sorted(pairs, key=lambda pair: pair[0])]
            item.rows = sum(each.rows for each in item.segments)
            item.size = sum(each.size for each in item.segments)


def take(
    source: Source, previous: Taken | None = None, *, between: Any = None, average: int = 4096, **more: Any
) -> Taken:
    """Take one snapshot; ``between`` is called once the image is held, before anything is read."""
    taken = Taken()
    with source.capture(CaptureRequest(source="app", previous=previous, **more)) as image:
        if between:
            between()
        failures: list[BaseException] = []

        def drain(lane: Iterator[Piece]) -> None:
            try:
                for piece in lane:
                    taken.take(piece, average)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=drain, args=(lane,)) for lane in image.lanes()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        taken.settle()
        taken.learned = image.finish()
    return taken


@dataclass
class Outcome:
    """What a restore said and did."""

    plan: RestorePlan
    results: list[ItemResult] = field(default_factory=list)
    verified: list[ItemResult] = field(default_factory=list)
    undo: Taken | None = None

    @property
    def bad(self) -> list[ItemResult]:
        return [each for each in [*self.results, *self.verified] if each.status not in ("ok", "skipped")]

    def of(self, name: str) -> ItemResult:
        return next(each for each in self.results if each.name == name)


def restore(source: Source, taken: Taken, **more: Any) -> Outcome:
    """Plan, hold, save what is touched, apply, verify, as the use case does; stops at refusals."""
    request = RestoreRequest(**{"label": "20261121_0420", "verify": "content", **more})
    target = source.target(request)
    plan = target.preview(taken, taken) if hasattr(target, "preview") else target.plan(taken)
    outcome = Outcome(plan)
    if not plan.refusals:
        with target.hold(plan):
            touched = target.touched_source(plan) if plan.in_place else None
            if touched is not None:
                outcome.undo = take(touched[0], only=touched[1])
            outcome.results = target.apply(plan, taken, taken)
        outcome.verified = target.verify(plan, taken, taken)
    return outcome
