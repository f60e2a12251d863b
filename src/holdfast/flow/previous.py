"""What the previous snapshot knew, seen by a source: only segments whose chunks are all still there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from holdfast.model.snapshot import Item, Notes, Segment
from holdfast.repository.manifest import ManifestReader, join_parts, order
from holdfast.repository.reader import ChunkReader


class Progress(msgspec.Struct, kw_only=True):
    """Work of an unfinished backup: pages of finished items or segments, kept in index fragments."""

    source: str
    notes: Notes
    pages: list[bytes]


class PreviousSnapshot:
    """Previous (sources.base) over a manifest."""

    def __init__(self, manifest: ManifestReader, reader: ChunkReader) -> None:
        self._manifest = manifest
        self._living = Living(reader)
        self._reader = reader

    @property
    def notes(self) -> Notes:
        """See sources.base.Previous."""
        return self._manifest.notes

    def items(self) -> Iterator[Item]:
        """See sources.base.Previous."""
        return (item for item in self._manifest.items() if self._living.trim(item))

    def item(self, name: bytes) -> Item | None:
        """See sources.base.Previous."""
        item = self._manifest.item(name)
        return item if item is not None and self._living.trim(item) else None

    def read(self, segment: Segment) -> Iterator[bytes]:
        """See sources.base.Previous."""
        return read_segment(self._reader, segment)


class PreviousProgress:
    """Previous (sources.base) over what an interrupted first backup had finished; held in memory."""

    def __init__(self, progress: Progress, reader: ChunkReader) -> None:
        self._notes = progress.notes
        self._reader = reader
        living = Living(reader)
        merged: dict[bytes, Item] = {}
        for page in progress.pages:
            if not reader.has(page):
                continue
            for item in join_parts(iter(msgspec.msgpack.decode(reader.read(page), type=list[Item]))):
                if not living.trim(item):
                    continue
                held = merged.setdefault(item.name, item)
                if held is not item:
                    held.segments = held.segments + item.segments
        self._items = dict(sorted(merged.items(), key=lambda pair: order(pair[0])))

    @property
    def notes(self) -> Notes:
        """See sources.base.Previous."""
        return self._notes

    def items(self) -> Iterator[Item]:
        """See sources.base.Previous."""
        return iter(self._items.values())

    def item(self, name: bytes) -> Item | None:
        """See sources.base.Previous."""
        return self._items.get(name)

    def read(self, segment: Segment) -> Iterator[bytes]:
        """See sources.base.Previous."""
        return read_segment(self._reader, segment)


@dataclass(slots=True)
class Living:
    """Takes segments away whose chunks are not all present any more."""

    reader: ChunkReader
    last: bytes = b""

    def trim(self, item: Item) -> bool:
        """Leave only living segments in ``item``; False when it had some and none is left."""
        if not item.segments:
            return True
        if all(self._whole(segment) for segment in item.segments):
            return True
        item.segments = [segment for segment in item.segments if self._whole(segment)]
        return bool(item.segments)

    def _whole(self, segment: Segment) -> bool:
        for piece in segment.slices:
            if piece.chunk != self.last:
                if not self.reader.has(piece.chunk):
                    return False
                self.last = piece.chunk
        return True


def read_segment(reader: ChunkReader, segment: Segment) -> Iterator[bytes]:
    """The plain bytes of a segment, slice by slice."""
    for piece in segment.slices:
        plain = reader.read(piece.chunk)
        if piece.offset or piece.length != len(plain):
            plain = plain[piece.offset : piece.offset + piece.length]
        yield plain
