"""A capture drained the way flow drains it, kept in memory: a Previous for the next one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.base import CaptureNotes, CaptureRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.model.snapshot import Notes
    from holdfast.sources.base import Piece, Source


@dataclass
class Saved:
    """A snapshot in memory. ``read_items`` names what was read and not kept."""

    learned: CaptureNotes = field(default_factory=CaptureNotes)
    opening: Notes = field(default_factory=dict)
    stored: dict[bytes, Item] = field(default_factory=dict)
    content: dict[int, bytes] = field(default_factory=dict)
    read: list[tuple[bytes, str]] = field(default_factory=list)
    kept: list[tuple[bytes, str]] = field(default_factory=list)
    bytes_read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    on_block: Callable[[int], None] | None = None

    def take(self, piece: Piece, previous: Saved | None, *, keep: bool = True) -> None:
        """Drain one piece."""
        segments = []
        orders = []
        if piece.kept is not None and previous is not None:
            for number, segment in enumerate(piece.kept):
                self.kept.append((piece.item, segment.key))
                segments.append(segment)
                orders.append(piece.order + number)
        elif piece.blocks is not None:
            size, parts = 0, []
            for block in piece.blocks:
                size += len(block)
                if self.on_block:
                    self.on_block(len(block))
                if keep:
                    parts.append(bytes(block))
            result = piece.result() if piece.result else None
            number = id(piece) if not keep else next_number()
            segments.append(Segment(
                piece.key, result.rows if result else 0, size, [Slice(number.to_bytes(32, "big"), 0, size)],
                result.stamp if result else b"", result.segment_notes if result else None,
            ))
            orders.append(piece.order)
            if keep:
                self.content[number] = b"".join(parts)
            self.read.append((piece.item, piece.key))
        with self._lock:
            item = self.stored.setdefault(piece.item, Item(piece.item, piece.kind, 0, 0, [], None))
            item.notes = piece.item_notes or item.notes
            item.kind = piece.kind
            item.segments.extend(segments)
            item.rows += sum(one.rows for one in segments)
            item.size += sum(one.size for one in segments)
            if piece.blocks is not None:
                self.bytes_read += sum(one.size for one in segments)
            pairs = getattr(self, "_orders", {})
            pairs.setdefault(piece.item, []).extend(orders)
            self._orders: dict[bytes, list[int]] = pairs

    def settle(self) -> None:
        """Bring the segments of each item into order."""
        for name, item in self.stored.items():
            order = self._orders.get(name, [])
            item.segments = [one for _, one in sorted(zip(order, item.segments, strict=True), key=lambda p: p[0])]

    @property
    def notes(self) -> Notes:
        """Previous.notes."""
        return self.learned.notes

    def items(self) -> Iterator[Item]:
        """Previous.items."""
        return iter(self.stored.values())

    def item(self, name: bytes) -> Item | None:
        """Previous.item."""
        return self.stored.get(name)

    def read_segment(self, segment: Segment) -> bytes:
        """All bytes of a segment."""
        return b"".join(self.content[int.from_bytes(one.chunk, "big")] for one in segment.slices)

    def text(self, name: str) -> bytes:
        """All bytes of an item."""
        return b"".join(self.read_segment(one) for one in self.stored[name.encode()].segments)

    def lines(self, name: str) -> list[bytes]:
        """The COPY lines of a table."""
        return self.text(name).split(b"\n")[:-1]


class AsPrevious:
    """Previous over a Saved, whose own ``read`` is a list."""

    def __init__(self, saved: Saved) -> None:
        self._saved = saved
        self.asked = 0

    @property
    def notes(self) -> Notes:
        return self._saved.notes

    def items(self) -> Iterator[Item]:
        return self._saved.items()

    def item(self, name: bytes) -> Item | None:
        return self._saved.item(name)

    def read(self, segment: Segment) -> Iterator[bytes]:
        self.asked += 1
        whole = self._saved.read_segment(segment)
        return (whole[at:at + 1000] for at in range(0, len(whole), 1000))


_numbers = iter(range(1, 1 << 60))
_numbers_lock = threading.Lock()


def next_number() -> int:
    """A number nobody had."""
    with _numbers_lock:
        return next(_numbers)


def capture(source: Source, previous: Saved | None = None, *, keep: bool = True, **more: Any) -> Saved:
    """Take one snapshot into memory; ``between`` is called once the image is held, before anything is read."""
    between = more.pop("between", None)
    before_finish = more.pop("before_finish", None)
    on_block = more.pop("on_block", None)
    request = CaptureRequest(
        source="app", previous=AsPrevious(previous) if previous else None, **{"width": 2, **more}
    )
    saved = Saved(on_block=on_block)
    if previous is not None:
        saved.content.update(previous.content)
    with source.capture(request) as image:
        saved.opening = image.opening_notes()
        if between:
            between()
        failures: list[BaseException] = []

        def drain(lane: Iterator[Piece]) -> None:
            try:
                for piece in lane:
                    saved.take(piece, previous, keep=keep)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=drain, args=(lane,)) for lane in image.lanes()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        if before_finish:
            before_finish()
        saved.learned = image.finish()
    saved.settle()
    return saved
