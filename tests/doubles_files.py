"""What flow and the repository do for a tree, in memory: drains a capture, serves it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from holdfast.model.errors import Damaged
from holdfast.model.snapshot import Item, Notes, Segment, Slice
from holdfast.sources.base import CaptureNotes, CaptureRequest, PieceResult, RestoreRequest
from holdfast.sources.files import FilesSource
from holdfast.sources.files.names import order_key


class KeptTree:
    """One snapshot of a tree: Previous, Manifest and Content at once."""

    def __init__(self, items: list[Item], notes: Notes, store: dict[bytes, bytes]) -> None:
        self.notes = notes
        self.store = store
        self.damaged: set[bytes] = set()
        self.prefetched = 0
        self._items = msgspec.msgpack.decode(msgspec.msgpack.encode(items), type=list[Item])
        self._by_name = {item.name: item for item in self._items}

    def items(self) -> Iterator[Item]:
        return iter(self._items)

    def item(self, name: bytes) -> Item | None:
        return self._by_name.get(name)

    def names(self) -> list[bytes]:
        return [item.name for item in self._items]

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        for piece in segment.slices:
            if piece.chunk in self.damaged:
                raise Damaged("a chunk is damaged", where="packs/x/1")
            data = self.store[piece.chunk][piece.offset : piece.offset + piece.length]
            yield from (data[at : at + 70_000] for at in range(0, len(data), 70_000))

    read = blocks

    def prefetch(self, segments: Sequence[Segment]) -> None:
        self.prefetched += len(segments)


class Taken:
    """A capture drained: the snapshot, what was learned, and which items were read."""

    def __init__(self, tree: KeptTree, learned: CaptureNotes, read: list[bytes], kept: list[bytes]) -> None:
        self.tree = tree
        self.learned = learned
        self.read = read
        self.kept = kept


def take(source: FilesSource, previous: KeptTree | None = None, only: tuple[str, ...] = (), on_piece=None) -> Taken:
    """Capture a tree; checks what the contract promises about the order on the way."""
    items: list[Item] = []
    store = dict(previous.store) if previous else {}
    read, kept = [], []
    request = CaptureRequest(source="tree", previous=previous, only=only)
    with source.capture(request) as capture:
        assert capture.ordered
        (lane,) = capture.lanes()
        for piece in lane:
            if on_piece is not None:
                on_piece(piece)
            if piece.same is not None:
                items += piece.same
                kept += [item.name for item in piece.same if item.segments]
                continue
            segments = list(piece.kept or ())
            notes = piece.item_notes
            if piece.kept:
                kept.append(piece.item)
            if piece.blocks is not None:
                read.append(piece.item)
                data = b"".join(bytes(block) for block in piece.blocks)
                told = piece.result() if piece.result is not None else PieceResult()
                while told.again is not None:
                    data = b"".join(bytes(block) for block in told.again)
                    told = piece.result()
                key = b"%d" % len(store)
                store[key] = data
                segments = [Segment("", 0, len(data), [Slice(key, 0, len(data))])] if data else []
                notes = told.notes if told.notes is not None else notes
            size = sum(segment.size for segment in segments)
            items.append(Item(piece.item, piece.kind, 0, size, segments, notes))
        learned = capture.finish()
    keys = [order_key(item.name) for item in items]
    assert keys == sorted(set(keys)), "items come in manifest order, each once"
    return Taken(KeptTree(items, learned.notes, store), learned, read, kept)


def restore(source: FilesSource, tree: KeptTree, **options: object):
    """Plan and apply; returns the plan and the results."""
    target = source.target(RestoreRequest(label="test", **options))
    plan = target.preview(tree, tree)
    assert not plan.refusals, plan.refusals
    return plan, target.apply(plan, tree, tree)


def troubles(results) -> dict[str, tuple[str, str]]:
    """The results that are not "ok"."""
    return {result.name: (result.status, result.detail) for result in results if result.status != "ok"}
