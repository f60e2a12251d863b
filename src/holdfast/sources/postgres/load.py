"""Loads the rows of tables: many sessions at once, one big table by all of them, stretch by stretch.

Blocks of COPY text go from the snapshot to the server as they are; the server counts the rows of every stretch, and
the count is compared with what the server counted when it was saved.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from holdfast.model.errors import Damaged, HoldfastError, TargetError
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted, Reporter
from holdfast.model.snapshot import Item, Segment
from holdfast.sources.base import Content
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.load_sliced import Source, is_sliced, load_sliced
from holdfast.sources.postgres.target_path import NOT_FOUND
from holdfast.sources.postgres.target_place import Place, reason
from holdfast.sources.postgres.target_saved import Saved

_BLOCK = 256 << 10
_WHOLE = 4 << 20  # tables up to this size are one job
_FREEZE = 256 << 10  # from here on a table loaded in one piece is worth freezing


@dataclass(slots=True)
class Loaded:
    """What became of one table. ``lost`` names what could not be loaded, stretch by stretch."""

    rows: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Job:
    item: Item
    segments: tuple[Segment, ...]
    whole: bool


class Loader:
    """Loads tables that exist and are empty."""

    def __init__(
        self, place: Place, saved: Saved, content: Content, *, width: int, report: Reporter, paths: Sequence[str] = ()
    ) -> None:
        self._paths = ["", *paths]
        self._place = place
        self._content = content
        self._width = width
        self._report = report
        self._saved = saved
        self._source = place.database
        self._lock = threading.Lock()
        self._loaded: dict[bytes, Loaded] = {}
        self._again: list[tuple[_Job, TargetError]] = []
        self._broken: HoldfastError | None = None

    def run(self, items: Sequence[Item]) -> dict[bytes, Loaded]:
        """Load them all. Tables refused by the server are tried again after the rest, as long as that helps.

        Where nothing helps, functions may look for names in ``paths``, one after the other.
        A damaged stretch loses its rows and nothing else. A lost connection raises TargetError.
        """
        self._loaded = {item.name: Loaded() for item in items}
        self._report(PhaseStarted(source=self._source, phase="load", total=sum(item.size for item in items)))
        jobs = sorted(_jobs(items, self._width), key=lambda job: -job.item.size)
        while jobs:
            self._again = []
            self._side_by_side(jobs)
            if len(self._again) >= len(jobs) and not self._look_elsewhere():
                break
            jobs = [job for job, _ in self._again]
        for job, error in self._again:
            self._loaded[job.item.name].lost.append(error.why or error.what)
        self._report(PhaseEnded(source=self._source, phase="load"))
        return self._loaded

    def _look_elsewhere(self) -> bool:
        """Take the next path; False when there is none, or names are not what some table fails for."""
        if not any(isinstance(error.__cause__, NOT_FOUND) for _, error in self._again):
            return False
        del self._paths[0]
        return bool(self._paths)

    def _side_by_side(self, jobs: list[_Job]) -> None:
        waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        threads = [
            threading.Thread(target=self._work, args=(waiting,), name=f"load-{n}")
            for n in range(max(1, min(self._width, len(jobs))))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._broken:
            raise self._broken

    def _work(self, waiting: queue.SimpleQueue[_Job]) -> None:
        try:
            with self._place.session(synchronous_commit="off", search_path=self._paths[0]) as connection:
                for job in _taken(waiting):
                    if self._broken:
                        return
                    self._load(connection, job)
        except HoldfastError as error:
            self._broken = self._broken or error
        except psycopg.Error as error:
            self._broken = self._broken or self._place.refused("the connection was lost while rows were loaded", error)
        except BaseException as error:
            self._broken = self._broken or TargetError(
                "rows could not be loaded", where=self._place.url, why=repr(error)
            )
            raise

    def _load(self, connection: Connection, job: _Job) -> None:
        for position, segment in enumerate(job.segments):
            left = _Job(job.item, job.segments[position:], job.whole and position == 0)
            try:
                stretch = Stretch(self._saved, job.item, segment, frozen=left.whole)
                rows = load_segment(connection, stretch, self._content)
            except Damaged as error:
                self._lose(job.item, segment, error)
            except psycopg.Error as error:
                if connection.closed:
                    raise
                refused = TargetError(
                    "rows were refused", where=job.item.label, why=self._place.harmless(reason(error))
                )
                refused.__cause__ = error
                with self._lock:
                    self._again.append((left, refused))
                return
            else:
                self._count(job.item, segment, rows)
            self._report(Advanced(source=self._source, phase="load", amount=segment.size))

    def _count(self, item: Item, segment: Segment, rows: int) -> None:
        with self._lock:
            self._loaded[item.name].rows += rows
            if rows != segment.rows:
                self._loaded[item.name].lost.append(
                    f"{stretch_name(segment)}: the server took {rows} rows, the snapshot has {segment.rows}"
                )

    def _lose(self, item: Item, segment: Segment, error: Damaged) -> None:
        with self._lock:
            self._loaded[item.name].lost.append(
                f"{stretch_name(segment)}: {segment.rows} rows are damaged in the repository ({error.what})"
            )


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a segment goes: into its own table, or ``into`` another of the same columns (written as SQL)."""

    saved: Saved
    item: Item
    segment: Segment
    frozen: bool = False
    into: str = ""

    @property
    def table(self) -> str:
        """The table as SQL."""
        return self.into or self.saved.sql(self.item)

    def copy(self, *options: str) -> str:
        """The COPY statement."""
        return f"COPY {self.saved.copy_target(self.item, self.into)} FROM STDIN{self.saved.copy_options(*options)}"


def load_segment(connection: Connection, stretch: Stretch, content: Content) -> int:
    """Load one stretch in one transaction and give the server's count of rows."""
    blocks = content.blocks(stretch.segment)
    if is_sliced(stretch.segment):
        hexadecimal = tuple((stretch.segment.notes or {}).get("hex") or ())
        source = Source(blocks=blocks, options=stretch.saved.copy_options(), hexadecimal=hexadecimal)
        with connection.transaction():
            return load_sliced(connection, stretch.table, stretch.saved.columns(stretch.item) or [], source)
    if not stretch.frozen:
        return copy_in(connection, stretch.copy(), blocks)
    with connection.transaction():
        connection.execute(f"TRUNCATE ONLY {stretch.table}")
        return copy_in(connection, stretch.copy("FREEZE"), blocks)


def copy_in(connection: Connection, statement: str, blocks: Iterable[bytes]) -> int:
    """Feed blocks of COPY text to the server; its count of rows."""
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in joined(blocks):
                copy.write(block)
        return cursor.rowcount


def joined(blocks: Iterable[bytes], size: int = _BLOCK) -> Iterator[bytes]:
    """The same bytes in blocks of at least ``size``."""
    parts: list[bytes] = []
    length = 0
    for block in blocks:
        parts.append(block)
        length += len(block)
        if length >= size:
            yield parts[0] if len(parts) == 1 else b"".join(parts)
            parts, length = [], 0
    if parts:
        yield b"".join(parts)


def stretch_name(segment: Segment) -> str:
    """What to call a segment."""
    return f"blocks {segment.key}" if segment.key else "all rows"


def _jobs(items: Iterable[Item], width: int) -> Iterator[_Job]:
    for item in items:
        segments = tuple(item.segments)
        if not segments:
            continue
        if item.size <= _WHOLE or width == 1:
            frozen = len(segments) == 1 and item.size >= _FREEZE and not is_sliced(segments[0])
            yield _Job(item, segments, frozen)
        else:
            yield from (_Job(item, (segment,), whole=False) for segment in segments)


def _taken(waiting: queue.SimpleQueue[_Job]) -> Iterator[_Job]:
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return
