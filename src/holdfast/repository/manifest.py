"""Manifests: the sorted items of a snapshot, stored as chunks themselves, so that unchanged stretches are shared.

root -> directories -> pages -> items (docs/format-1.md, "Manifest"). A page ends where the hash of an item's name
says so, hence the same items always make the same page.
"""

from __future__ import annotations

import bisect
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from holdfast.model.errors import Damaged, NewerFormat
from holdfast.model.snapshot import Item, Notes, Segment, SnapshotHead
from holdfast.repository.reader import ChunkReader

VERSION = 1
_PAGE_MASK = 0x1FF
_PAGE_LEAST, _PAGE_MOST = 64, 4096
_PAGE_BYTES = 1 << 20
# Items with so few slices count by number alone; both ways of adding must cut pages alike.
_FEW_SLICES = 4
_DIRECTORY_PAGES = 2048
# Notes (extended attributes) from this size on count towards a page's weight; nearly all items have next to none.
_BIG_NOTES = 4096
# A page that came out larger is stored as two.
_PAGE_LIMIT = 8 << 20
# An item with more segments than this goes on in a further part, so that no page grows without bound.
PART_SEGMENTS = 1024
PART_SLICES = 16_384


class PageRef(msgspec.Struct, frozen=True, array_like=True):
    """One page: name of its first item, its chunk id, how many items it holds."""

    first: bytes
    chunk: bytes
    count: int


class Root(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The root of a manifest. ``directories`` are chunk ids of msgpack arrays of PageRef.

    ``undo``: chunk ids of the pages that tell an undo what a restore touched and made (repository.undoing).
    ``attached``: ids of whatever else a later version keeps with the snapshot; needed as long as it is.
    """

    version: int
    snapshot: str
    head: SnapshotHead
    items: int
    directories: list[bytes]
    undo: list[bytes] = []
    attached: list[bytes] = []


_pages = msgspec.msgpack.Decoder(list[Item])
_refs = msgspec.msgpack.Decoder(list[PageRef])
_root = msgspec.msgpack.Decoder(Root)
Put = Callable[[bytes], bytes]
T = TypeVar("T")


def order(name: bytes) -> bytes:
    """Sort key of items: by path component, so a folder's content follows it directly."""
    return b"" if name == b"." else name.replace(b"/", b"\0")


def split_parts(item: Item) -> Iterator[Item]:
    """The item itself, or several parts of it when it has very many segments or slices."""
    if len(item.segments) <= PART_SEGMENTS and sum(len(s.slices) for s in item.segments) <= PART_SLICES:
        yield item
        return
    part: list[Segment] = []
    slices = number = 0
    for segment in (stretch for whole in item.segments for stretch in _split_segment(whole)):
        if part and (len(part) >= PART_SEGMENTS or slices + len(segment.slices) > PART_SLICES):
            yield _part(item, part, number)
            part, slices, number = [], 0, number + 1
        part.append(segment)
        slices += len(segment.slices)
    yield _part(item, part, number)


def _split_segment(segment: Segment) -> Iterator[Segment]:
    """The segment itself, or several parts of it when one part of an item cannot hold its slices."""
    if len(segment.slices) <= PART_SLICES:
        yield segment
        return
    for number, at in enumerate(range(0, len(segment.slices), PART_SLICES)):
        stamp, notes = (segment.stamp, segment.notes) if number == 0 else (b"", None)
        slices = segment.slices[at : at + PART_SLICES]
        yield Segment(segment.key, segment.rows, segment.size, slices, stamp, notes, number)


def _part(item: Item, segments: list[Segment], number: int) -> Item:
    notes = item.notes if number == 0 else None
    return Item(item.name, item.kind, item.rows, item.size, segments, notes, number)


def _weight(notes: Notes) -> int:
    """Bytes of big notes, 0 for others. One fact alone (what nearly every file has) is not looked at."""
    size = len(msgspec.msgpack.encode(notes)) if len(notes) > 1 else 0
    return size if size >= _BIG_NOTES else 0


class ManifestWriter:
    """Takes items in manifest order, writes pages as they fill. ``put`` stores a META chunk, returns its id."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._page: list[Item] = []
        self._weight = 0
        self._refs: list[PageRef] = []
        self._directories: list[bytes] = []
        self._written: list[bytes] = []
        self._items = 0

    def add(self, item: Item) -> None:
        """Take the next item."""
        self._items += 1
        if len(item.segments) > 1 or (item.segments and len(item.segments[0].slices) > PART_SLICES):
            for part in split_parts(item):
                self._take(part)
        else:
            self._take(item)

    def extend(self, items: list[Item]) -> None:
        """Take many items in order; quicker than one by one for small ones."""
        self._items += len(items)
        for item in items:
            few = len(item.segments) < 2 and (not item.segments or len(item.segments[0].slices) <= _FEW_SLICES)
            if not few or (item.notes is not None and _weight(item.notes)):
                for part in split_parts(item):
                    self._take(part)
                continue
            page = self._page
            page.append(item)
            count = len(page)
            if count >= _PAGE_LEAST and (not zlib.crc32(item.name) & _PAGE_MASK or count >= _PAGE_MOST):
                self._close_page()

    def _take(self, item: Item) -> None:
        page = self._page
        page.append(item)
        if len(item.segments) > 1 or (item.segments and len(item.segments[0].slices) > _FEW_SLICES):
            self._weight += 100 * len(item.segments) + 48 * sum([len(s.slices) for s in item.segments])
        if item.notes is not None:
            self._weight += _weight(item.notes)
        count = len(page)
        if count < _PAGE_LEAST and self._weight < _PAGE_BYTES:
            return
        if not zlib.crc32(item.name) & _PAGE_MASK or count >= _PAGE_MOST or self._weight >= _PAGE_BYTES:
            self._close_page()

    def _close_page(self) -> None:
        page, self._page, self._weight = self._page, [], 0
        self._store_page(page)

    def _store_page(self, page: list[Item]) -> None:
        encoded = msgspec.msgpack.encode(page)
        if len(encoded) > _PAGE_LIMIT and len(page) > 1:
            self._store_page(page[: len(page) // 2])
            self._store_page(page[len(page) // 2 :])
            return
        chunk = self._put(encoded)
        self._refs.append(PageRef(page[0].name, chunk, len(page)))
        self._written.append(chunk)
        if len(self._refs) >= _DIRECTORY_PAGES:
            self._close_directory()

    def _close_directory(self) -> None:
        self._directories.append(self._put(msgspec.msgpack.encode(self._refs)))
        self._refs = []

    def written(self) -> list[bytes]:
        """Chunk ids of the pages written so far."""
        return list(self._written)

    def finish(self, snapshot: str, head: SnapshotHead, undo: Sequence[bytes] = ()) -> bytes:
        """Write the rest and the root, which names the pages ``undo``; returns the root's chunk id."""
        if self._page:
            self._close_page()
        if self._refs:
            self._close_directory()
        root = Root(
            version=VERSION, snapshot=snapshot, head=head, items=self._items, directories=self._directories,
            undo=list(undo),
        )  # fmt: skip
        return self._put(msgspec.msgpack.encode(root))


class ManifestReader:
    """One manifest. Pages are read when they are needed."""

    def __init__(self, reader: ChunkReader, root: bytes) -> None:
        self._reader = reader
        self.root = _decode(_root, reader.read(root))
        if self.root.version != VERSION:
            what = f"manifest version {self.root.version} is not known to this holdfast"
            raise NewerFormat(what, hint="use the newest holdfast for this repository: pip install --upgrade holdfast")
        self._refs: list[PageRef] | None = None

    @property
    def notes(self) -> Notes:
        """What the source noted about itself."""
        return self.root.head.notes

    def pages(self) -> list[PageRef]:
        """References to all pages, in order."""
        if self._refs is None:
            self._refs = [
                ref for chunk in self.root.directories for ref in _decode(_refs, self._reader.read(chunk))
            ]
        return self._refs

    def page(self, ref: PageRef) -> list[Item]:
        """The items of one page, parts not joined."""
        return _decode(_pages, self._reader.read(ref.chunk))

    def items(self) -> Iterator[Item]:
        """All items in order, parts joined."""
        return join_parts(item for ref in self.pages() for item in self.page(ref))

    def item(self, name: bytes) -> Item | None:
        """One item by name."""
        refs = self.pages()
        wanted = order(name)
        at = bisect.bisect_right(refs, wanted, key=lambda ref: order(ref.first)) - 1
        while at > 0 and refs[at].first == name:
            at -= 1  # a large item's parts may fill several pages
        found = (item for ref in refs[max(at, 0) :] for item in self.page(ref))
        for item in join_parts(found):
            if item.name == name:
                return item
            if order(item.name) > wanted:
                return None
        return None

    def chunks(self, root: bytes) -> Iterator[bytes]:
        """Ids of every META chunk of this manifest."""
        yield from self.own_chunks(root)
        for ref in self.pages():
            yield ref.chunk

    def own_chunks(self, root: bytes) -> Iterator[bytes]:
        """Ids of the META chunks that other manifests hardly share: all but the pages."""
        yield root
        yield from self.root.undo
        yield from self.root.attached
        yield from self.root.directories


def join_parts(items: Iterator[Item]) -> Iterator[Item]:
    """Join the parts of large items, and of large segments in them. The items given must be nobody else's."""
    held: Item | None = None
    for item in items:
        if item.part and held is not None:
            _join_segments(held.segments, item.segments)
            continue
        if held is not None:
            yield held
        held = item
        if any(segment.part for segment in item.segments):
            segments, item.segments = item.segments, []
            _join_segments(item.segments, segments)
    if held is not None:
        yield held


def _join_segments(joined: list[Segment], more: list[Segment]) -> None:
    for segment in more:
        if segment.part and joined:
            joined[-1].slices.extend(segment.slices)
        else:
            joined.append(segment)


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Damaged("a manifest cannot be read", why=str(error)) from error
