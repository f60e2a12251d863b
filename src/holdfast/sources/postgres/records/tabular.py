"""The stored rows of a table as one long COPY text of which any stretch can be read."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from holdfast.model.snapshot import Item, Slice
from holdfast.sources.base import Content
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.postgres.records.units import alone
from holdfast.sources.records import CopyText

_THREADS = 2
_AHEAD = 1 << 20


def copy_text(content: Content, item: Item, form: Form) -> CopyText | None:
    """The rows of one item; None where they are not stored as whole lines of UTF-8."""
    if form.codec != "utf-8" or any(is_sliced(segment) for segment in item.segments):
        return None
    slices = [piece for segment in item.segments for piece in segment.slices]
    stored = Stretches(content, slices)
    return CopyText(columns=form.names, size=stored.size, read=stored.read)


class Stretches:
    """Consecutive slices as one sequence of bytes. Safe from any thread."""

    def __init__(self, content: Content, slices: Sequence[Slice]) -> None:
        self._content = content
        self._slices = slices
        self._ends = list(itertools.accumulate(piece.length for piece in slices))

    @property
    def size(self) -> int:
        """All bytes."""
        return self._ends[-1] if self._ends else 0

    def read(self, offset: int, length: int) -> bytes:
        """The bytes there; fewer at the end only."""
        first = bisect.bisect_right(self._ends, offset)
        last = bisect.bisect_left(self._ends, min(offset + length, self.size))
        wanted = self._slices[first : last + 1]
        if not wanted:
            return b""
        if length > _AHEAD and len(wanted) > 1:
            self._content.prefetch([alone(wanted)])
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="copy text") as pool:
                data = b"".join(pool.map(self._one, wanted))
        else:
            data = b"".join(map(self._one, wanted))
        begin = offset - (self._ends[first] - self._slices[first].length)
        return data[begin : begin + length]

    def _one(self, piece: Slice) -> bytes:
        return b"".join(self._content.blocks(alone([piece])))
