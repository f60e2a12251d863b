"""Snapshots in memory, cut into chunks as flow cuts them, with what was read counted."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from tests.integration.postgres.capture.draining import Saved, capture

from holdfast.chunking.cutters import ContentCutter
from holdfast.model.snapshot import Item, Notes, Segment, Slice
from holdfast.sources.base import Source
from holdfast.sources.records import SnapshotView

_NUMBERS = itertools.count()


class Snapshot:
    """Manifest and Content over one Saved; chunks are named by their content, so that equal ones cancel."""

    def __init__(self, saved: Saved, *, average: int = 4 << 10) -> None:
        self._notes = saved.learned.notes
        self._chunks: dict[bytes, bytes] = {}
        self._items = {}
        self.read_bytes = 0
        for name in sorted(saved.stored):
            item = saved.stored[name]
            segments = [self._cut(saved.read_segment(one), one, average) for one in item.segments]
            self._items[name] = Item(name, item.kind, item.rows, item.size, segments, item.notes)

    def _cut(self, data: bytes, segment: Segment, average: int) -> Segment:
        cutter = ContentCutter(average, 7, rows=True)
        slices = []
        for chunk in [*cutter.push(data), *cutter.end()]:
            name = hashlib.blake2b(chunk, digest_size=32).digest()
            self._chunks[name] = chunk
            slices.append(Slice(name, 0, len(chunk)))
        return Segment(segment.key, segment.rows, segment.size, slices, segment.stamp, segment.notes)

    @property
    def notes(self) -> Notes:
        return self._notes

    def items(self) -> Iterator[Item]:
        return iter(self._items.values())

    def item(self, name: bytes) -> Item | None:
        return self._items.get(name)

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        for piece in segment.slices:
            self.read_bytes += piece.length
            yield self._chunks[piece.chunk][piece.offset : piece.offset + piece.length]

    def prefetch(self, segments: Sequence[Segment]) -> None:
        pass


class DictShelf(dict[str, bytes]):
    """A Shelf that forgets nothing."""

    def put(self, name: str, data: bytes) -> None:
        self[name] = data


def view(source: Source, shelf: DictShelf | None = None, previous: Saved | None = None, **more: Any) -> SnapshotView:
    """A snapshot of the source as it is now."""
    snapshot = Snapshot(capture(source, previous), **more)
    name = f"snapshot {next(_NUMBERS)}"
    return SnapshotView(id=name, manifest=snapshot, content=snapshot, shelf=DictShelf() if shelf is None else shelf)
