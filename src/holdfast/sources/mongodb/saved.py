"""A snapshot as a restore or a book sees it: definitions by name, and documents with what overtook them put over."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from holdfast.model.snapshot import Item, Segment
from holdfast.sources.base import Content, Manifest
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import documents, only, runs, split
from holdfast.sources.mongodb.inventory import Collection, definitions_of, matches

_BATCH = 2000
_BATCH_BYTES = 8 << 20


class Overlay:
    """Documents of one collection that were changed while it was read, by their ``{_id}``."""

    def __init__(self, put: dict[bytes, bytes], gone: set[bytes]) -> None:
        self.put, self.gone = put, gone

    def __bool__(self) -> bool:
        return bool(self.put or self.gone)

    def over(self, found: Iterator[bytes]) -> Iterator[bytes]:
        """``found`` without what is gone or changed, then what it was changed to."""
        for document in found:
            key = only(document, b"_id")
            if key not in self.gone and key not in self.put:
                yield document
        yield from self.put.values()


class Saved:
    """One snapshot. ``only``: patterns of collections, empty = all."""

    def __init__(self, manifest: Manifest, content: Content | None, only_: tuple[str, ...] = ()) -> None:
        self.manifest = manifest
        self._content = content
        self.only = only_

    @property
    def content(self) -> Content:
        """Where bytes come from."""
        assert self._content is not None  # noqa: S101 - plans without content ask for none
        return self._content

    @cached_property
    def items(self) -> dict[str, Item]:
        """Collections, time series and views that were chosen, by name."""
        chosen = (*kinds.DATA_KINDS, kinds.KIND_VIEW)
        return {
            item.label: item
            for item in self.manifest.items()
            if item.kind in chosen and (not self.only or matches(self.only, item.label))
        }

    @cached_property
    def definitions(self) -> dict[str, Collection]:
        """What the collections are, by name."""
        item = self.manifest.item(kinds.DEFINITIONS)
        if item is None:
            return {}
        return {each.name: each for segment in item.segments for each in definitions_of(self.content.blocks(segment))}

    def overlay(self, name: str) -> Overlay:
        """What was put over the documents of a collection."""
        put: dict[bytes, bytes] = {}
        gone: set[bytes] = set()
        for segment in self._changes:
            if segment.key == kinds.PUT + name:
                put = {only(raw, b"_id"): raw for raw in documents(self.content.blocks(segment))}
            elif segment.key == kinds.GONE + name:
                gone = set(documents(self.content.blocks(segment)))
        return Overlay(put, gone)

    @cached_property
    def _changes(self) -> list[Segment]:
        item = self.manifest.item(kinds.CHANGES)
        return item.segments if item is not None else []

    def documents(self, item: Item) -> Iterator[bytes]:
        """Every document of a collection as it was at the point."""
        overlay = self.overlay(item.label)
        plain = (document for segment in item.segments for document in self.of_segment(segment))
        return overlay.over(plain) if overlay else plain

    def of_segment(self, segment: Segment) -> Iterator[bytes]:
        """Documents of a segment as they were read."""
        for run in runs(self.content.blocks(segment)):
            yield from split(run)

    def access(self, what: str) -> list[bytes]:
        """Roles or users."""
        item = self.manifest.item(kinds.ACCESS)
        segments = item.segments if item is not None else []
        return [raw for segment in segments if segment.key == what for raw in documents(self.content.blocks(segment))]


def batched(found: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Documents in lists small enough for one command."""
    held: list[bytes] = []
    size = 0
    for document in found:
        if held and (len(held) >= _BATCH or size + len(document) > _BATCH_BYTES):
            yield held
            held, size = [], 0
        held.append(document)
        size += len(document)
    if held:
        yield held
