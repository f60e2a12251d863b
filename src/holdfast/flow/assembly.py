"""Put items together from segments that finish in any order, and hand them to the manifest in order.

Ordered captures (files) are written as they come, so memory does not grow with the tree. Others (tables) are held
until the end, and sorted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from holdfast.flow.storing import Pending
from holdfast.model.snapshot import Item, Notes, Segment
from holdfast.repository.manifest import PART_SLICES, ManifestWriter, order
from holdfast.sources.base import Piece

# So many finished items may wait behind one unfinished chunk of small files before that chunk is closed.
_WAITING = 4096
# Finished segments are taken over when so many have come: looking at each of them every time would cost more.
_FOLD = 256
# Pages of progress stay below this, with a little room for what surrounds the items.
_PAGE_BYTES = (1 << 20) - 16


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
    _held: int = 0

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
        self._wait(item)

    def stored(self, pending: Pending) -> None:
        """See Assembly."""
        self._wait(pending)

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
            self._wait(items)
        else:
            self._write_all(items)

    def _wait(self, entry: Item | list[Item] | Pending) -> None:
        self._waiting.append(entry)
        self._held += len(entry) if isinstance(entry, list) else 1
        self._drain()

    def _write_all(self, items: list[Item]) -> None:
        self.totals.add_all(items)
        self.manifest.extend(items)

    def _drain(self) -> None:
        if self._held > _WAITING:
            self.close_chunk()  # nothing waits for more small files now, only for the store
            while self._held > _WAITING:
                self._write_first()
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Pending) and not first.done():
                return
            self._write_first()

    def _write_first(self) -> None:
        first = self._waiting.popleft()
        self._held -= len(first) if isinstance(first, list) else 1
        if isinstance(first, list):
            self._write_all(first)
        else:
            self._write(_in_pieces(_whole_item(first)) if isinstance(first, Pending) else first)

    def _write(self, item: Item) -> None:
        self.totals.add(item)
        self.manifest.add(item)


@dataclass(slots=True)
class _Parts:
    kind: str
    notes: Notes | None = None
    segments: list[tuple[int, Segment]] = field(default_factory=list)


@dataclass(slots=True)
class UnorderedAssembly:
    """Items from several lanes, segment by segment; sorted at the end. ``put_meta`` stores a META chunk."""

    manifest: ManifestWriter
    put_meta: Callable[[bytes], bytes]
    totals: Totals = field(default_factory=Totals)
    _items: dict[bytes, _Parts] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: list[Pending] = field(default_factory=list)
    _fold_at: int = _FOLD
    _fresh: list[Item] = field(default_factory=list)
    _pages: list[bytes] = field(default_factory=list)

    def kept(self, piece: Piece) -> None:
        """See Assembly."""
        with self._lock:
            parts = self._parts(piece)
            parts.segments.extend((piece.order, segment) for segment in piece.kept or ())

    def stored(self, pending: Pending) -> None:
        """See Assembly."""
        with self._lock:
            parts = self._parts(pending.piece)
            if pending.result.notes is not None:
                parts.notes = pending.result.notes
            self._open.append(pending)
            if len(self._open) >= self._fold_at:
                self._fold()

    def pages(self) -> list[bytes]:
        """See Assembly."""
        with self._lock:
            self._fold()
            fresh, self._fresh = self._fresh, []
        self._pages += [self.put_meta(page) for page in progress_pages(fresh)]
        return list(self._pages)

    def finish(self) -> None:
        """See Assembly."""
        for pending in self._open:
            self._take(pending, pending.segment())
        self._open.clear()
        for name in sorted(self._items, key=order):
            parts = self._items.pop(name)
            segments = [segment for _, segment in sorted(parts.segments, key=lambda pair: pair[0])]
            rows, size = sum(s.rows for s in segments), sum(s.size for s in segments)
            item = Item(name, parts.kind, rows, size, segments, parts.notes)
            self.totals.add(item)
            self.manifest.add(item)

    def _fold(self) -> None:
        """Take the segments whose chunks are all stored; what led to them is let go."""
        still: list[Pending] = []
        for pending in self._open:
            if pending.done():
                item = _whole_item(pending)
                self._take(pending, item.segments[0])
                self._fresh.append(item)
            else:
                still.append(pending)
        self._open = still
        self._fold_at = 2 * len(still) + _FOLD

    def _take(self, pending: Pending, segment: Segment) -> None:
        self._items[pending.piece.item].segments.append((pending.piece.order, segment))

    def _parts(self, piece: Piece) -> _Parts:
        parts = self._items.get(piece.item)
        if parts is None:
            parts = self._items[piece.item] = _Parts(piece.kind)
        if piece.item_notes is not None:
            parts.notes = piece.item_notes
        return parts


def progress_pages(items: list[Item]) -> Iterator[bytes]:
    """``items`` as msgpack arrays of at most a MiB each. An item that does not fit is left out: it is read again."""
    page: list[msgspec.Raw] = []
    size = 0
    for item in items:
        encoded = msgspec.msgpack.encode(item)
        if len(encoded) > _PAGE_BYTES:
            continue
        if size + len(encoded) > _PAGE_BYTES:
            yield msgspec.msgpack.encode(page)
            page, size = [], 0
        page.append(msgspec.Raw(encoded))
        size += len(encoded)
    if page:
        yield msgspec.msgpack.encode(page)


def _whole_item(pending: Pending) -> Item:
    segment = pending.segment()
    piece = pending.piece
    notes = pending.result.notes if pending.result.notes is not None else piece.item_notes
    return Item(piece.item, piece.kind, segment.rows, segment.size, [segment], notes)


def _in_pieces(item: Item) -> Item:
    """The item with its one segment cut into several, keys "0", "1" …, when no page could hold that segment."""
    whole = item.segments[0]
    if len(whole.slices) <= PART_SLICES:
        return item
    segments = []
    for number, at in enumerate(range(0, len(whole.slices), PART_SLICES)):
        slices = whole.slices[at : at + PART_SLICES]
        rows, stamp, notes = (whole.rows, whole.stamp, whole.notes) if not number else (0, b"", None)
        segments.append(Segment(str(number), rows, sum(piece.length for piece in slices), slices, stamp, notes))
    item.segments = segments
    return item
