"""Cut pieces into chunks and store them with worker threads; what comes back are segments.

Reading, compressing and uploading overlap; a bound on the bytes under way keeps memory flat. Nothing in here
knows items' order or the manifest: that is assembly's.
"""

from __future__ import annotations

import bisect
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from holdfast.chunking.cutters import BYTES_AVERAGE, ROWS_AVERAGE, ContentCutter, Cutter, DocumentCutter, FixedCutter
from holdfast.model.snapshot import Segment, Slice
from holdfast.repository.session import Session
from holdfast.sources.base import Cut, Piece, PieceResult

_UNDER_WAY = 24 << 20
# Freeing one block this large teaches the C library's allocator to keep freed chunks for the next ones, instead of
# giving their pages back to the system and having each of them faulted in again.
_KEPT_BY_ALLOCATOR = 31 << 20


@dataclass(slots=True)
class Part:
    """``length`` bytes from ``offset`` of a chunk that is being stored."""

    chunk: Future[bytes]
    offset: int
    length: int


@dataclass(slots=True)
class Pending:
    """A segment whose chunks are under way. ``closed`` once every byte of it belongs to some chunk."""

    piece: Piece
    size: int = 0
    parts: list[Part] = field(default_factory=list)
    closed: bool = False
    result: PieceResult = field(default_factory=PieceResult)

    def done(self) -> bool:
        """Whether ``segment`` will not wait."""
        return self.closed and all(part.chunk.done() for part in self.parts)

    def segment(self) -> Segment:
        """The finished segment; waits for its chunks, raises what storing them raised."""
        slices = [Slice(part.chunk.result(), part.offset, part.length) for part in self.parts]
        result = self.result
        return Segment(self.piece.key, result.rows, self.size, slices, result.stamp, result.segment_notes)


class ChunkPool:
    """Worker threads over one session. ``submit`` blocks while too many bytes are under way."""

    def __init__(self, session: Session) -> None:
        bytes(_KEPT_BY_ALLOCATOR)
        self._session = session
        self._seed = session.cut_seed
        self._pool = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2), thread_name_prefix="chunk")
        self._room = threading.Condition()
        self._held = 0
        self._failure: BaseException | None = None

    def submit(self, chunk: bytes, base: bytes | None) -> Future[bytes]:
        """Store one chunk; the future gives its id."""
        with self._room:
            while self._held > _UNDER_WAY and self._failure is None:
                self._room.wait()
            if self._failure is not None:
                raise self._failure  # no use in reading on
            self._held += len(chunk)
        size = len(chunk)
        future = self._pool.submit(self._session.put_data, chunk, base)
        future.add_done_callback(lambda done: self._release(size, done))
        return future

    def fail(self, error: BaseException) -> None:
        """Every later ``submit`` raises ``error``."""
        with self._room:
            self._failure = self._failure or error
            self._room.notify_all()

    def cutter(self, cut: Cut) -> Cutter:
        """A fresh cutter of one kind."""
        if cut is Cut.PAGES:
            return FixedCutter()
        if cut is Cut.DOCUMENTS:
            return DocumentCutter(ROWS_AVERAGE, self._seed)
        rows = cut in (Cut.ROWS, Cut.ROWS_STREAM)
        return ContentCutter(ROWS_AVERAGE if rows else BYTES_AVERAGE, self._seed, rows=rows)

    def close(self) -> None:
        """Wait for what is under way and stop the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _release(self, size: int, done: Future[bytes]) -> None:
        with self._room:
            self._held -= size
            if not done.cancelled() and self._failure is None:
                self._failure = done.exception()
            self._room.notify_all()


class Lane:
    """Stores the pieces of one lane, in one thread. Consecutive pieces of one kind of stream share chunks."""

    def __init__(self, pool: ChunkPool) -> None:
        self._pool = pool
        self._cutters: dict[Cut, Cutter] = {}
        self._shared: deque[tuple[int, int, Pending]] = deque()
        self._chunks: deque[tuple[int, int, Future[bytes]]] = deque()
        self._pushed = 0
        self._cut_to = 0
        self._stream = Cut.STREAM

    def twin(self) -> Lane:
        """Another lane over the same threads."""
        return Lane(self._pool)

    def abort(self, error: BaseException) -> None:
        """Make every lane over the same threads fail at its next chunk."""
        self._pool.fail(error)

    def store(self, piece: Piece) -> Pending:
        """Read a piece to its end; the chunks may still be under way when this returns."""
        pending = Pending(piece)
        if piece.cut in (Cut.STREAM, Cut.ROWS_STREAM):
            self._share(piece, pending)
        else:
            self._own(piece, pending)
        while piece.result is not None:
            pending.result = piece.result()
            if pending.result.again is None:
                break
            piece.blocks = pending.result.again
            pending = Pending(piece)
            self._own(piece, pending)
        return pending

    def end_stream(self) -> None:
        """Close the chunk that small files or tables are gathered in."""
        if self._cut_to < self._pushed:
            self._emit(self._cutter(self._stream).end())

    def _own(self, piece: Piece, pending: Pending) -> None:
        cutter = self._cutter(piece.cut)
        bases = Bases(piece.base)
        position = 0
        for block in piece.blocks or ():
            pending.size += len(block)
            for chunk in cutter.push(block):
                pending.parts.append(Part(self._pool.submit(chunk, bases.near(position)), 0, len(chunk)))
                position += len(chunk)
        for chunk in cutter.end():
            pending.parts.append(Part(self._pool.submit(chunk, bases.near(position)), 0, len(chunk)))
            position += len(chunk)
        pending.closed = True

    def _share(self, piece: Piece, pending: Pending) -> None:
        if piece.cut is not self._stream:
            self.end_stream()
            self._stream = piece.cut
        start = self._pushed
        cutter = self._cutter(self._stream)
        for block in piece.blocks or ():
            self._pushed += len(block)
            pending.size += len(block)
            chunks = list(cutter.push(block))
            if chunks:
                self._emit(iter(chunks))
        if start == self._pushed:
            pending.closed = True
            return
        self._shared.append((start, self._pushed, pending))
        self._resolve()

    def _emit(self, chunks: Iterator[bytes]) -> None:
        for chunk in chunks:
            start, self._cut_to = self._cut_to, self._cut_to + len(chunk)
            self._chunks.append((start, self._cut_to, self._pool.submit(chunk, None)))
        self._resolve()

    def _resolve(self) -> None:
        """Give every shared piece that lies within chunks by now its parts."""
        while self._shared and self._shared[0][1] <= self._cut_to:
            start, end, pending = self._shared.popleft()
            while self._chunks and self._chunks[0][1] <= start:
                self._chunks.popleft()
            for low, high, future in self._chunks:
                if low >= end:
                    break
                first, last = max(low, start), min(high, end)
                pending.parts.append(Part(future, first - low, last - first))
            pending.closed = True

    def _cutter(self, cut: Cut) -> Cutter:
        if cut not in self._cutters:
            self._cutters[cut] = self._pool.cutter(cut)
        return self._cutters[cut]


class Bases:
    """Which chunk stood about where a new one begins, in the segment that was here before."""

    def __init__(self, segment: Segment | None) -> None:
        self._starts: list[int] = []
        self._chunks: list[bytes] = []
        position = 0
        for piece in segment.slices if segment is not None else ():
            if piece.offset == 0:
                self._starts.append(position)
                self._chunks.append(piece.chunk)
            position += piece.length

    def near(self, position: int) -> bytes | None:
        """The chunk whose start lies nearest to ``position``."""
        if not self._starts:
            return None
        after = bisect.bisect_left(self._starts, position)
        if after == len(self._starts):
            return self._chunks[-1]
        if after and position - self._starts[after - 1] < self._starts[after] - position:
            after -= 1
        return self._chunks[after]
