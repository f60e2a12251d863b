"""source -> cut -> chunks -> packs -> manifest -> commit: one snapshot of one source."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from holdfast.flow.assembly import Assembly, OrderedAssembly, Totals, UnorderedAssembly
from holdfast.flow.previous import Progress
from holdfast.flow.storing import ChunkPool, Lane
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted
from holdfast.model.snapshot import SnapshotHead
from holdfast.repository.manifest import ManifestWriter
from holdfast.repository.session import Session
from holdfast.sources.base import Capture, CaptureNotes, CaptureRequest, Piece, Source

_PROGRESS_SECONDS = 30.0
_NEWS_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A snapshot that is stored but not committed: its manifest root, what was learned, and the counts."""

    root: bytes
    notes: CaptureNotes
    totals: Totals
    bytes_read: int


def back_up(
    source: Source, request: CaptureRequest, session: Session, snapshot: str, *, undo: Sequence[bytes] = (),
    config: str = "",
) -> Stored:  # fmt: skip
    """Store one consistent image of ``source``. Nothing is visible until the session commits it.

    ``undo``: pages for an undo that the manifest root names (repository.undoing). ``config`` goes into the head.
    Whatever goes wrong in the source or in storage raises, and there is no snapshot.
    """
    manifest = ManifestWriter(session.put_meta)
    pool = ChunkPool(session)
    try:
        with source.capture(request) as image:
            request.report(PhaseStarted(source=request.source, phase="backup", total=image.estimate))
            lane = Lane(pool)
            assembly = _assembly(image, manifest, lane, session)
            intake = Intake(request, image, session, assembly)
            intake.drain(lane)
            notes = image.finish()
        assembly.finish()
        head = SnapshotHead(kind=source.kind, notes=notes.notes, config=config)
        root = manifest.finish(snapshot, head, undo)
    finally:
        pool.close()
    request.report(PhaseEnded(source=request.source, phase="backup"))
    return Stored(root=root, notes=notes, totals=assembly.totals, bytes_read=intake.bytes_read)


def _assembly(image: Capture, manifest: ManifestWriter, lane: Lane, session: Session) -> Assembly:
    if image.ordered:
        return OrderedAssembly(manifest, lane.end_stream)
    return UnorderedAssembly(manifest, session.put_meta)


class Intake:
    """Drains a capture's lanes in parallel and keeps what is finished for a later resumption."""

    def __init__(self, request: CaptureRequest, image: Capture, session: Session, assembly: Assembly) -> None:
        self._request, self._image, self._session, self._assembly = request, image, session, assembly
        self._lock = threading.Lock()
        self._saved = time.monotonic()
        self._unreported = 0
        self._stop = threading.Event()
        self.bytes_read = 0

    def drain(self, lane: Lane) -> None:
        """Every lane to its end; the first failure stops the others and is raised, what was finished is kept."""
        iterators = list(self._image.lanes())
        try:
            if len(iterators) == 1:
                self._drain_one(iterators[0], lane)
            else:
                self._drain_all(iterators, [lane, *(lane.twin() for _ in iterators[1:])])
        except BaseException as error:
            self._stop.set()
            lane.abort(error)
            with contextlib.suppress(Exception):
                self._save_progress()
            raise
        self._report(0, last=True)

    def _drain_all(self, iterators: list[Iterator[Piece]], lanes: list[Lane]) -> None:
        with ThreadPoolExecutor(max_workers=len(iterators), thread_name_prefix="lane") as threads:
            try:
                futures = [threads.submit(self._drain_one, *pair) for pair in zip(iterators, lanes, strict=True)]
                failures = [error for future in futures if (error := future.exception()) is not None]
            except BaseException as error:  # Ctrl-C: the lanes must hear of it before they are waited for
                self._stop.set()
                lanes[0].abort(error)
                raise
        if failures:
            raise failures[0]

    def _drain_one(self, pieces: Iterator[Piece], lane: Lane) -> None:
        try:
            for piece in pieces:
                if self._stop.is_set():
                    return
                self._take(piece, lane)
            lane.end_stream()
        except BaseException:
            self._stop.set()
            raise

    def _take(self, piece: Piece, lane: Lane) -> None:
        if piece.blocks is None:
            self._assembly.kept(piece)
            if piece.same is not None:
                self._report(sum([item.size for item in piece.same]))
            elif piece.kept:
                self._report(sum([segment.size for segment in piece.kept]))
            return
        pending = lane.store(piece)
        self._assembly.stored(pending)
        with self._lock:
            self.bytes_read += pending.size
        self._report(pending.size)
        if time.monotonic() - self._saved > _PROGRESS_SECONDS:
            self._save_progress()

    def _report(self, size: int, *, last: bool = False) -> None:
        with self._lock:
            self._unreported += size
            if self._unreported < _NEWS_BYTES and not last:
                return
            size, self._unreported = self._unreported, 0
        self._request.report(Advanced(source=self._request.source, phase="backup", amount=size))

    def _save_progress(self) -> None:
        if not self._lock.acquire(blocking=False):
            return  # another lane is at it
        try:
            progress = Progress(
                source=self._request.source, notes=self._image.opening_notes(), pages=self._assembly.pages()
            )
            self._session.flush(msgspec.msgpack.encode(progress))
            self._saved = time.monotonic()
        finally:
            self._lock.release()


