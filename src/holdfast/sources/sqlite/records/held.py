"""The living database as pages of one held state: compared with snapshots as those are with one another."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from holdfast.model.errors import SourceError
from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.records import Book
from holdfast.sources.sqlite.names import KIND, printable
from holdfast.sources.sqlite.opening import open_reader
from holdfast.sources.sqlite.reader import Reader
from holdfast.sources.sqlite.records.snapshot_book import open_pages
from holdfast.sources.sqlite.segments import segment_key

_PIECE = 256 << 10
_WORTH_HOLDING = 8 << 20
_READABLE = ("wal", "rollback")


@contextlib.contextmanager
def open_held(path: bytes, wait: float) -> Iterator[Book | None]:
    """Rows of the state there is now; None for what is small, unreadable, or has a log that only SQLite may read.

    SourceError when the file changed under its lock while it was looked at.
    """
    if not os.path.isfile(path) or os.path.getsize(path) < _WORTH_HOLDING:
        yield None
        return
    with open_reader(path, width=1, wait=wait) as reader:
        if reader.facts["mode"] not in _READABLE or reader.facts["via"] == "unknown":
            yield None
            return
        reader.serve()
        with open_pages(_item(path, reader.size), _Held(reader)) as book:
            yield book
        if not reader.still_valid():
            raise SourceError(
                "The database changed under its lock while it was being looked at",
                where=printable(path), hint="Something writes to it without SQLite's locks; run again", retryable=True,
            )  # fmt: skip


class _Held:
    """sources.base.Content over the reader: a slice's chunk is the place of its bytes, so it equals no stored one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        """The bytes of its slices."""
        for piece in segment.slices:
            place = int.from_bytes(piece.chunk, "big")
            for block in self._reader.blocks(0, place, piece.length):
                yield bytes(block)

    def prefetch(self, segments: Sequence[Segment]) -> None:
        """Nothing is far away."""


def _item(path: bytes, size: int) -> Item:
    slices = [
        Slice(place.to_bytes(8, "big"), 0, min(_PIECE, size - place)) for place in range(0, size, _PIECE)
    ]
    return Item(os.path.basename(path), KIND, 0, size, [Segment(segment_key(0, size), 0, size, slices)])
