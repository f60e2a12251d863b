"""Put items together from segments that finish in any order, and hand them to the manifest in order.

Ordered captures (files) are written as they come, so memory does not grow with the tree. Others (tables) are held
until the end, and sorted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from holdfast.flow.storing import Pending
from holdfast.model.snapshot import Item, Notes, Segment
from holdfast.repository.manifest import ManifestWriter, order
from holdfast.sources.base import Piece

# So many finished items may wait behind one unfinished chunk of small files before that chunk is closed.
_WAITING = 4096


@dataclass(slots=True)
class Totals:
    """Counts over all items of a snapshot."""

    items: int = 0
    rows: int = 0
    counted: bool = False
    size: int = 0

    def add(self, item: Item) -> None:
        """Count one item."""
        self.items += 1
        self.size += item.size
        if item.rows:
            self.rows += item.rows
            self.counted = True

    def add_all(self, items: list[Item]) -> None:
        """Count many items without rows."""
        self.items += len(items)
        self.size += sum([item.size for item in items])


class Assembly(Protocol):
    """Takes pieces from the lanes' threads."""

    totals: Totals

    def kept(self, piece: Piece) -> None:
        """A piece that is referenced again, or has no content."""
        ...

    def stored(self, pending: Pending) -> None:
        """A piece whose chunks are under way."""
        ...

    def pages(self) -> list[bytes]:
        """META chunks of everything finished so far: what an interrupted backup can go on from."""
        ...

    def finish(self) -> None:
        """Wait for everything and write all items."""
        ...


@dataclass(slots=True)
class OrderedAssembly:
    """One piece an item, in manifest order. ``close_chunk`` closes the lane's shared chunk."""

    manifest: ManifestWriter
    close_chunk: Callable[[], None]
    totals: Totals = field(default_factory=Totals)
    _waiting: deque[Item | list[Item] | Pending] = field(default_factory=deque)

    def kept(self, piece: Piece) -> None:
        """See Assembly."""
        if piece.same is not None:
            self._same(piece.same)
            return
        segments = piece.kept or []
        rows, size = 0, 0
        for segment in segments:
            rows += segment.rows
            size += segment.size
        item = Item(piece.item, piece.kind, rows, size, segments, piece.item_notes)
        if not self._waiting:
            self._write(item)
            return
        self._waiting.append(item)
        self._drain()

    def stored(self, pending: Pending) -> None:
        """See Assembly."""
        self._waiting.append(pending)
        self._drain()

    def pages(self) -> list[bytes]:
        """See Assembly."""
        return self.manifest.written()

    def finish(self) -> None:
        """See Assembly."""
        self.close_chunk()
        while self._waiting:
            self._write_first()

    def _same(self, items: list[Item]) -> None:
        if self._waiting:
            self._waiting.append(items)
            self._drain()
            return
        self._write_all(items)

    def _write_all(self, items: list[Item]) -> None:
        self.totals.add_all(items)
        self.manifest.extend(items)

    def _drain(self) -> None:
        if len(self._waiting) > _WAITING:
            self.close_chunk()
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Pending) and not first.done():
                return
            self._write_first()

    def _write_first(self) -> None:
        first = self._waiting.popleft()
        if isinstance(first, list):
            self._write_all(first)
        else:
            self._write(_whole_item(first) if isinstance(first, Pending) else first)

    def _write(self, item: Item) -> None:
        self.totals.add(item)
        self.manifest.add(item)


@dataclass(slots=True)
class _Parts:
    kind: str
    notes: Notes | None = None
    kept: list[tuple[int, Segment]] = field(default_factory=list)
    pending: list[tuple[int, Pending]] = field(default_factory=list)


@dataclass(slots=True)
class UnorderedAssembly:
    """Items from several lanes, segment by segment; sorted at the end. ``put_meta`` stores a META chunk."""

    manifest: ManifestWriter
    put_meta: Callable[[bytes], bytes]
    totals: Totals = field(default_factory=Totals)
    _items: dict[bytes, _Parts] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _fresh: list[Pending] = field(default_factory=list)
    _pages: list[bytes] = field(default_factory=list)

    def kept(self, piece: Piece) -> None:
        """See Assembly."""
        with self._lock:
            parts = self._parts(piece)
            parts.kept.extend((piece.order, segment) for segment in piece.kept or ())

    def stored(self, pending: Pending) -> None:
        """See Assembly."""
        with self._lock:
            parts = self._parts(pending.piece)
            parts.pending.append((pending.piece.order, pending))
            if pending.result.notes is not None:
                parts.notes = pending.result.notes
            self._fresh.append(pending)

    def pages(self) -> list[bytes]:
        """See Assembly."""
        with self._lock:
            done = [pending for pending in self._fresh if pending.done()]
            self._fresh = [pending for pending in self._fresh if not pending.done()]
        if done:
            items = [_whole_item(pending) for pending in done]
            self._pages.append(self.put_meta(msgspec.msgpack.encode(items)))
        return list(self._pages)

    def finish(self) -> None:
        """See Assembly."""
        for name in sorted(self._items, key=order):
            parts = self._items.pop(name)
            merged = parts.kept + [(at, pending.segment()) for at, pending in parts.pending]
            segments = [segment for _, segment in sorted(merged, key=lambda pair: pair[0])]
            rows, size = sum(s.rows for s in segments), sum(s.size for s in segments)
            item = Item(name, parts.kind, rows, size, segments, parts.notes)
            self.totals.add(item)
            self.manifest.add(item)

    def _parts(self, piece: Piece) -> _Parts:
        parts = self._items.get(piece.item)
        if parts is None:
            parts = self._items[piece.item] = _Parts(piece.kind)
        if piece.item_notes is not None:
            parts.notes = piece.item_notes
        return parts


def _whole_item(pending: Pending) -> Item:
    segment = pending.segment()
    piece = pending.piece
    notes = pending.result.notes if pending.result.notes is not None else piece.item_notes
    return Item(piece.item, piece.kind, segment.rows, segment.size, [segment], notes)
