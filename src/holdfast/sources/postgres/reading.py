"""The lanes of a capture: each takes the largest work left, reads it through one psql child, hands out pieces."""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.sources.base import Cut, Piece, PieceResult
from holdfast.sources.postgres.copying import fingerprints
from holdfast.sources.postgres.items import SLICED
from holdfast.sources.postgres.stream import CopyStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdfast.model.snapshot import Notes, Segment
    from holdfast.sources.postgres.copying import Reading, Stretch
    from holdfast.sources.postgres.stream import Session

_AHEAD_BYTES = 2 << 20
_AHEAD_COMMANDS = 64
_LARGE = 1 << 20
_SMALL_BATCH = 50
TINY = 32 << 10
"""Up to this size reading a table is as cheap as asking whether it changed."""


@dataclass(slots=True, kw_only=True)
class Read:
    """One segment to be read. ``stamp`` may be known already; ``fold``: find it out while reading.

    ``tiny``: small enough to be compared by content, which needs no trust in the server's history.
    """

    item: bytes
    kind: str
    order: int
    reading: Reading
    stretch: Stretch
    size: int
    item_notes: Notes
    base: Segment | None = None
    stamp: bytes = b""
    fold: bool = False
    tiny: bool = False


@dataclass(slots=True)
class _Job:
    """Reads that travel together: one large one, or many small ones that share one fingerprint statement."""

    reads: list[Read]
    size: int


class WorkQueue:
    """What is left to read, largest first. Safe from any thread."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self._lock = threading.Lock()
        self._heap: list[tuple[int, int, _Job]] = []
        for number, job in enumerate(_jobs(reads)):
            self._heap.append((-job.size, number, job))
        heapq.heapify(self._heap)

    def take(self) -> _Job | None:
        """The largest job left; None when there is none."""
        with self._lock:
            return heapq.heappop(self._heap)[2] if self._heap else None


@dataclass(slots=True)
class Lane:
    """One psql child and the pieces that come out of it. Commands are fed ahead so that the server never idles."""

    session: Session
    work: WorkQueue
    ledger: list[CopyStream]
    _fed: deque[tuple[str, Read | list[Read]]] = field(default_factory=deque)
    _ahead: int = 0

    def pieces(self) -> Iterator[Piece]:
        """Every piece of the jobs this lane took; the child has ended well when it ends."""
        job = self.work.take()
        if job is None:
            return
        stream = CopyStream(self.session)
        self.ledger.append(stream)
        while job is not None or self._fed:
            while job is not None and self._room(stream):
                self._feed(stream, job)
                job = self.work.take()
            yield from self._next(stream)
        stream.finish()
        stream.close()

    def _room(self, stream: CopyStream) -> bool:
        few = stream.outstanding < _AHEAD_COMMANDS
        return not self._fed or (self._ahead < _AHEAD_BYTES and few)

    def _feed(self, stream: CopyStream, job: _Job) -> None:
        with stream.together():
            self._feed_job(stream, job)

    def _feed_job(self, stream: CopyStream, job: _Job) -> None:
        stream.next_batch()
        folded = [read for read in job.reads if read.fold]
        if folded:
            stream.run(
                fingerprints([(read.reading, read.stretch) for read in folded]),
                about=folded[0].item.decode("utf-8", "replace"),
            )
            self._fed.append(("stamps", folded))
        for read in job.reads:
            feed_read(stream, read)
            self._fed.append(("rows", read))
            self._ahead += read.size

    def _next(self, stream: CopyStream) -> Iterator[Piece]:
        """Take the output of the oldest command: stamps for the reads behind it, or one piece."""
        _, what = self._fed.popleft()
        if isinstance(what, list):
            take_stamps(stream.output(), what)
            return
        self._ahead -= what.size
        if what.tiny:
            yield _tiny(stream, what)
            return
        result = PieceResult(stamp=what.stamp)
        yield Piece(
            item=what.item, kind=what.kind, order=what.order, key=what.stretch.key, cut=Cut.ROWS,
            base=what.base, item_notes=what.item_notes, blocks=_rows(stream, what, result),
            result=lambda: result,
        )


def feed_read(stream: CopyStream, read: Read) -> None:
    """Feed the COPY of one stretch; rows too large for a line are found and cut by the server."""
    about = read.item.decode("utf-8", "backslashreplace")
    reading, stretch = read.reading, read.stretch
    if not reading.may_be_huge:
        stream.copy(reading.copy(stretch), about)
        return
    command = "\n".join((
        reading.look_for_huge(stretch),
        "\\if :hf_sliced",
        f"{reading.copy_slices(stretch)} \\g /dev/fd/1",
        "\\else",
        f"{reading.copy(stretch)} \\g /dev/fd/1",
        "\\set hf_rows :ROW_COUNT",
        "\\endif",
    ))
    stream.run(command, about, answer=":hf_rows :hf_sliced")


def take_answer(answer: str, read: Read, result: PieceResult) -> None:
    """What psql said behind the rows: how many, and whether they were cut into pieces."""
    rows, _, sliced = answer.partition(" ")
    result.rows = int(rows)
    if sliced == "t":
        result.segment_notes = {"format": SLICED, "hex": read.reading.hex_columns}


def take_stamps(output: bytes, reads: list[Read]) -> None:
    """Give each read the fingerprint the server found for it."""
    lines = output.splitlines()
    for read, line in zip(reads, lines, strict=True):
        read.stamp = stamp_of(line)


def stamp_of(line: bytes) -> bytes:
    """A stored fingerprint out of one line: a version, the rows, two sums."""
    return b"1|" + line.partition(b"|")[2]


def _tiny(stream: CopyStream, read: Read) -> Piece:
    """A whole small table: kept when its rows are, byte by byte, those stored before."""
    content = stream.output()
    result = PieceResult()
    take_answer(stream.answer(), read, result)
    result.stamp = b"c|" + hashlib.blake2b(content, digest_size=24).digest()
    base = read.base
    if base is not None and base.stamp == result.stamp and base.rows == result.rows:
        return Piece(item=read.item, kind=read.kind, order=read.order, kept=[base], item_notes=read.item_notes)
    return Piece(
        item=read.item, kind=read.kind, order=read.order, key=read.stretch.key, cut=Cut.ROWS_STREAM,
        item_notes=read.item_notes, blocks=[content] if content else [], result=lambda: result,
    )


def _rows(stream: CopyStream, read: Read, result: PieceResult) -> Iterator[bytes]:
    yield from stream.blocks(large=read.size > _LARGE)
    take_answer(stream.answer(), read, result)


def _jobs(reads: Iterable[Read]) -> Iterator[_Job]:
    small: list[Read] = []
    size = 0
    for read in reads:
        if read.size > _LARGE:
            yield _Job([read], read.size)
            continue
        small.append(read)
        size += read.size
        if len(small) >= _SMALL_BATCH or size > _LARGE:
            yield _Job(small, size)
            small, size = [], 0
    if small:
        yield _Job(small, size)
