"""The documents of a snapshot, read out of the chunks that can hold them and no others."""

from __future__ import annotations

import contextlib
import hashlib
from bisect import bisect_right
from collections.abc import Collection as AbstractCollection
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import bson
from bson import Code, ObjectId, Timestamp

from holdfast.model.errors import Damaged
from holdfast.model.records import Key, Row, Table
from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import NotBson, only, split
from holdfast.sources.mongodb.records.book import MongoBook, row_of
from holdfast.sources.mongodb.records.paths import answers, keys_of, sought
from holdfast.sources.mongodb.saved import Overlay, Saved
from holdfast.sources.mongodb.values import LOOKING, identity, look, order
from holdfast.sources.records import Book, SnapshotView

# what is certainly compared as the server does; other keys are looked up by index
_SIMPLE = (ObjectId, int, float, str, bytes, datetime, Timestamp)
_HASH = 8
_PLACE = 4
_ENTRY = _HASH + _PLACE
_NUMBER = 4
_PROBES_KEPT = 4096


class SnapshotBook(MongoBook):
    """Book over the chunks of a snapshot."""

    def __init__(self, view: SnapshotView) -> None:
        self._view = view
        self._saved = Saved(view.manifest, view.content)
        self.items = {name: item for name, item in self._saved.items.items() if item.kind in kinds.DATA_KINDS}
        self._overlays: dict[str, Overlay] = {}
        self._firsts: dict[Slice, Any] = {}
        counts = {name: None if self.overlay(name) else item.rows for name, item in self.items.items()}
        super().__init__(self._saved.definitions, counts)

    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book."""
        with _told(table.name):
            for raw in self._saved.documents(self.items[table.name]):
                yield row_of(raw)

    def find(self, table: Table, columns: tuple[str, ...], wanted: AbstractCollection[Key]) -> Iterator[Row]:
        """See sources.records.Book: ``_id`` by the order of keys, everything else by an index kept on the shelf."""
        keys = {sought(key): key for key in wanted}
        if not keys:
            return
        item, overlay = self.items[table.name], self.overlay(table.name)
        with _told(table.name):
            for raw in overlay.put.values():
                if answers(look(raw), columns, keys.keys()):
                    yield row_of(raw)
            if columns == ("_id",) and _ascending(item) and _simple(keys.values()):
                found = self._by_id(item, list(keys.values()))
            else:
                found = self._by_index(item, columns, set(keys))
            for raw in overlay_free(found, overlay):
                yield row_of(raw)

    def rows_not_shared(self, table: Table, other: Book) -> Iterator[Row]:
        """See sources.records.Comparing: chunks that the other has too are not read."""
        if not isinstance(other, SnapshotBook) or table.name not in other.items:
            yield from self.rows(table)
            return
        theirs = {piece for segment in other.items[table.name].segments for piece in segment.slices}
        mine, overlay = self.items[table.name], self.overlay(table.name)
        given = set()
        with _told(table.name):
            own = (raw for piece in _slices(mine) if piece not in theirs for raw in self._documents(piece))
            for raw in overlay.over(own) if overlay else own:
                given.add(only(raw, b"_id"))
                yield row_of(raw)
        moved = other.overlay(table.name)
        changed = [(look(key).get("_id"),) for key in (*moved.put, *moved.gone) if key not in given]
        for row in self.find(table, ("_id",), changed):
            if only(row.raw, b"_id") not in given:
                yield row

    # -- by the order of keys

    def _by_id(self, item: Item, wanted: list[Key]) -> Iterator[bytes]:
        """Chunks are found by halving: the first ``_id`` of a few of them is all that is looked at."""
        bounds = [order(look(bytes(bound)).get("_id")) if (bound := _bound(each)) else () for each in item.segments]
        by_chunk: dict[Slice, set[bytes]] = {}
        for (value,) in wanted:
            at = bisect_right(bounds, order(value)) - 1
            piece = self._chunk_of(item.segments[max(at, 0)], order(value)) if item.segments else None
            if piece is not None:
                by_chunk.setdefault(piece, set()).add(identity(value))
        for piece, identities in by_chunk.items():
            for raw in self._documents(piece):
                if identity(_id_of(raw)) in identities:
                    yield raw

    def _chunk_of(self, segment: Segment, key: tuple[Any, ...]) -> Slice | None:
        low, high = 0, len(segment.slices)
        while high - low > 1:
            middle = (low + high) // 2
            if self._first(segment.slices[middle]) <= key:
                low = middle
            else:
                high = middle
        return segment.slices[low] if segment.slices else None

    def _first(self, piece: Slice) -> tuple[Any, ...]:
        found: tuple[Any, ...] | None = self._firsts.get(piece)
        if found is None:
            name = f"mongodb/first/{piece.chunk.hex()}/{piece.offset}"
            kept = self._view.shelf.get(name)
            if kept is None:
                kept = only(next(self._documents(piece)), b"_id")
                self._view.shelf.put(name, kept)
            found = order(look(kept).get("_id"))
            if len(self._firsts) < _PROBES_KEPT:
                self._firsts[piece] = found
        return found

    # -- by an index on the shelf

    def _by_index(self, item: Item, columns: tuple[str, ...], wanted: set[bytes]) -> Iterator[bytes]:
        marks = {_mark(key) for key in wanted}
        for segment in item.segments:
            index = self._index_of_segment(segment, columns)
            found = {entry for mark in marks for entry in _entries(index, mark)}
            places: dict[int, list[int]] = {}
            for number, place in sorted(found):
                places.setdefault(number, []).append(place)
            for number, chosen in places.items():
                run = self._bytes(segment.slices[number])
                for place in chosen:
                    raw = run[place : place + int.from_bytes(run[place : place + 4], "little")]
                    if answers(_decoded(raw), columns, wanted):
                        yield raw

    def _index_of_segment(self, segment: Segment, columns: tuple[str, ...]) -> bytes:
        """Indexes of its chunks in one, so that few things have to be fetched from the shelf."""
        name = f"mongodb/segment/{_fields(columns)}/{_content(segment)}"
        kept = self._view.shelf.get(name)
        if kept is None:
            entries: list[bytes] = []
            for number, piece in enumerate(segment.slices):
                head = number.to_bytes(_NUMBER, "big")
                chunk = self._index_of_chunk(piece, columns)
                entries += [
                    chunk[at : at + _HASH] + head + chunk[at + _HASH : at + _ENTRY]
                    for at in range(0, len(chunk), _ENTRY)
                ]
            entries.sort()
            kept = b"".join(each[:_HASH] for each in entries) + b"".join(each[_HASH:] for each in entries)
            self._view.shelf.put(name, kept)
        return kept

    def _index_of_chunk(self, piece: Slice, columns: tuple[str, ...]) -> bytes:
        """For each key of a chunk's documents its mark and where the document begins. Made once for each chunk."""
        name = f"mongodb/keys/{_fields(columns)}/{piece.chunk.hex()}/{piece.offset}"
        kept = self._view.shelf.get(name)
        if kept is None:
            entries: set[bytes] = set()
            place = 0
            for raw in self._documents(piece):
                where = place.to_bytes(_PLACE, "big")
                entries.update(_mark(key) + where for key in keys_of(_decoded(raw), columns))
                place += len(raw)
            kept = b"".join(sorted(entries))
            self._view.shelf.put(name, kept)
        return kept

    # -- bytes

    def _documents(self, piece: Slice) -> Iterator[bytes]:
        return split(self._bytes(piece))

    def _bytes(self, piece: Slice) -> bytes:
        alone = Segment("", 0, piece.length, [piece])
        return b"".join(self._view.content.blocks(alone))

    def overlay(self, name: str) -> Overlay:
        """What was put over the documents of a collection."""
        if name not in self._overlays:
            self._overlays[name] = self._saved.overlay(name)
        return self._overlays[name]


@contextlib.contextmanager
def open_snapshot(view: SnapshotView) -> Iterator[Book]:
    """Look into a snapshot."""
    with _told(""):
        book = SnapshotBook(view)
    yield book


def overlay_free(found: Iterator[bytes], overlay: Overlay) -> Iterator[bytes]:
    """``found`` without what was changed or deleted while it was read."""
    for raw in found:
        key = only(raw, b"_id") if overlay else b""
        if key not in overlay.put and key not in overlay.gone:
            yield raw


def _simple(keys: AbstractCollection[Key]) -> bool:
    return all(isinstance(value, _SIMPLE) and not isinstance(value, Code) for (value,) in keys)


def _ascending(item: Item) -> bool:
    notes = item.notes or {}
    return notes.get("order") == "id" and not notes.get("collated")


def _bound(segment: Segment) -> bytes:
    return bytes((segment.notes or {}).get("from", b""))


def _slices(item: Item) -> Iterator[Slice]:
    return (piece for segment in item.segments for piece in segment.slices)


def _decoded(raw: bytes) -> Mapping[str, Any]:
    """Quicker than ``look``, for documents of which only a value or two is wanted."""
    return bson.decode(raw, LOOKING)


def _id_of(raw: bytes) -> Any:
    return look(only(raw, b"_id")).get("_id")


def _mark(key: bytes) -> bytes:
    """Stands for a key; what is on the shelf is sealed, so it need not be secret."""
    return hashlib.blake2b(key, digest_size=_HASH).digest()


def _entries(index: bytes, mark: bytes) -> Iterator[tuple[int, int]]:
    """(number of the chunk in its segment, place in it) of each entry with this mark."""
    count = len(index) // (_NUMBER + _ENTRY)
    at = index.find(mark, 0, count * _HASH)
    while at >= 0:
        if at % _HASH == 0:
            entry = count * _HASH + at // _HASH * (_NUMBER + _PLACE)
            middle = entry + _NUMBER
            yield int.from_bytes(index[entry:middle], "big"), int.from_bytes(index[middle : middle + _PLACE], "big")
        at = index.find(mark, at + 1, count * _HASH)


def _fields(columns: tuple[str, ...]) -> str:
    return hashlib.blake2b("\0".join(columns).encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _content(segment: Segment) -> str:
    """Stands for the chunks of a segment."""
    told = b"".join(piece.chunk + piece.offset.to_bytes(8, "big") for piece in segment.slices)
    return hashlib.blake2b(told, digest_size=16).hexdigest()


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Bytes that were authenticated and are no documents were none when they were saved."""
    try:
        yield
    except (NotBson, ValueError) as error:
        raise Damaged("a document in the snapshot cannot be read", where=name, why=str(error)) from error
