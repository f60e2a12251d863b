"""Finding out, before anything is read, which stretches are what they were, and testing that belief on a sample."""

from __future__ import annotations

import queue
import threading
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import Damaged
from holdfast.sources.base import PieceResult
from holdfast.sources.postgres.copying import fingerprints, range_fingerprints
from holdfast.sources.postgres.reading import feed_read, stamp_of, take_answer
from holdfast.sources.postgres.stream import CopyStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.model.snapshot import Segment
    from holdfast.sources.base import Previous
    from holdfast.sources.postgres.connection import Connection
    from holdfast.sources.postgres.reading import Read
    from holdfast.sources.postgres.stream import Session
    from holdfast.sources.postgres.work import TableWork

_RANGES = 64
_ARMS = 100
_ARMS_BLOCKS = 16384
_QUICKLY_READ = 1 << 20
SAMPLE_OF = 64


@dataclass(frozen=True, slots=True)
class _Question:
    """Stretches whose fingerprints are asked for together: many of one table, or one each of many."""

    places: tuple[tuple[TableWork, int], ...]

    def statement(self) -> str:
        tables = {id(work) for work, _ in self.places}
        if len(tables) == 1 and len(self.places) > 1:
            work = self.places[0][0]
            return range_fingerprints(work.reading, [work.stretches[place].start for _, place in self.places])
        return fingerprints([(work.reading, work.stretches[place]) for work, place in self.places])


@dataclass(slots=True)
class Verdict:
    """``stamps`` by (item, start block); ``kept`` the stretches that are unchanged; ``alarms`` in words."""

    stamps: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    kept: dict[tuple[bytes, int], Segment] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    sampled: int = 0


class Comparison:
    """Asks for fingerprints in ``width`` sessions at once, then reads a rotating sample of what seems unchanged.

    A sample that differs makes nothing be kept: something is wrong with the belief itself. A small one is read by
    ``leader``, the connection that holds the snapshot: starting a session takes longer than that.
    """

    def __init__(
        self, session: Session, previous: Previous, leader: Connection, *, width: int, round_number: int
    ) -> None:
        self._session = session
        self._leader = leader
        self._previous = previous
        self._width = width
        self._round = round_number
        self._verdict = Verdict()
        self._lock = threading.Lock()
        self.streams: list[CopyStream] = []

    def run(self, tables: Sequence[TableWork], *, quiet: bool) -> Verdict:
        """Compare every comparable table; ``quiet``: nothing happened since, so there is nothing to ask."""
        wanted = [work for work in tables if (work.untouched if quiet else work.comparable) and work.stretches]
        if quiet:
            self._keep_all(wanted)
        else:
            self._in_parallel([self._asking(question) for question in _questions(wanted)])
        sample = self._sample(wanted)
        if self._is_quickly_read(sample):
            for work, place in sample:
                self._check_at_once(work, place)
        else:
            self._in_parallel([self._checking(work, place) for work, place in sample])
        for stream in self.streams:
            stream.finish()
        self.close()
        if self._verdict.alarms:
            self._verdict.kept.clear()
        return self._verdict

    def close(self) -> None:
        """End the sessions."""
        for stream in self.streams:
            stream.close()
        self.streams.clear()

    def _in_parallel(self, tasks: list[Callable[[CopyStream], None]]) -> None:
        """Run the tasks, each on the stream of the thread that takes it; the first failure is raised."""
        waiting: queue.SimpleQueue[Callable[[CopyStream], None]] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        count = min(self._width, len(tasks))
        while len(self.streams) < count:
            self.streams.append(CopyStream(self._session))
        failures: list[BaseException] = []
        threads = [
            threading.Thread(target=_drain, args=(waiting, stream, failures), name="compare")
            for stream in self.streams[:count]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _asking(self, question: _Question) -> Callable[[CopyStream], None]:
        def ask(stream: CopyStream) -> None:
            work = question.places[0][0]
            stream.next_batch()
            stream.run(question.statement(), about=work.item.decode("utf-8", "replace"))
            lines = stream.output().splitlines()
            with self._lock:
                for (table, place), line in zip(question.places, lines, strict=True):
                    self._judge(table, place, stamp_of(line))
        return ask

    def _judge(self, work: TableWork, place: int, stamp: bytes) -> None:
        start = work.stretches[place].start
        self._verdict.stamps[work.item, start] = stamp
        before = work.before.get(start)
        if before is not None and before.stamp and before.stamp == stamp:
            self._verdict.kept[work.item, start] = before

    def _keep_all(self, tables: Iterable[TableWork]) -> None:
        for work in tables:
            for stretch in work.stretches:
                before = work.before.get(stretch.start)
                if before is not None:
                    self._verdict.kept[work.item, stretch.start] = before

    def _sample(self, tables: Iterable[TableWork]) -> list[tuple[TableWork, int]]:
        """Another sixty-fourth each time; never nothing where anything is kept."""
        kept = [
            (work, place) for work in tables for place, stretch in enumerate(work.stretches)
            if (work.item, stretch.start) in self._verdict.kept
        ]
        turn = self._round % SAMPLE_OF
        chosen = [one for one in kept if slot_of(one[0].item, one[0].stretches[one[1]].key) == turn]
        return chosen or [kept[self._round % len(kept)]] if kept else []

    def _checking(self, work: TableWork, place: int) -> Callable[[CopyStream], None]:
        def check(stream: CopyStream) -> None:
            read = work.read(place)
            stream.next_batch()
            feed_read(stream, read)
            result = PieceResult()
            self._check(read, _rows(stream, read, result), result)
        return check

    def _check(self, read: Read, rows: Iterator[bytes], result: PieceResult) -> None:
        """Compare ``rows`` with what is stored; ``result`` counts them once they are read to their end."""
        where = (read.item, read.stretch.start)
        before = self._verdict.kept[where]
        equal, damaged = _compare(rows, self._previous.read(before))
        with self._lock:
            self._verdict.sampled += 1
            label = f"{read.item.decode('utf-8', 'backslashreplace')} blocks {read.stretch.key}"
            if damaged:
                self._verdict.damaged.append(label)
                del self._verdict.kept[where]
            elif not equal or result.rows != before.rows:
                self._verdict.alarms.append(label)

    def _is_quickly_read(self, sample: Sequence[tuple[TableWork, int]]) -> bool:
        """Whether so few bytes are to be read that Python may see the rows, in an encoding the leader speaks."""
        relations = [work.reading.relation for work, _ in sample]
        size = sum([one.size + one.toast_size for one in relations])
        return size <= _QUICKLY_READ and self._session.encoding == "UTF8"

    def _check_at_once(self, work: TableWork, place: int) -> None:
        read = work.read(place)
        result = PieceResult()
        with self._leader.cursor() as cursor:

            def rows() -> Iterator[bytes]:
                with cursor.copy(read.reading.copy(read.stretch).encode()) as copied:
                    for row in copied:
                        yield bytes(row)
                result.rows = cursor.rowcount

            self._check(read, rows(), result)


def _rows(stream: CopyStream, read: Read, result: PieceResult) -> Iterator[bytes]:
    yield from stream.blocks(large=True)
    take_answer(stream.answer(), read, result)


def _compare(now: Iterator[bytes], then: Iterator[bytes]) -> tuple[bool, bool]:
    """(whether both give the same bytes, whether the stored ones are damaged); ``now`` is read to its end."""
    equal, damaged, ahead = True, False, b""
    for block in now:
        while equal and not damaged and len(ahead) < len(block):
            try:
                more = next(then, None)
            except Damaged:
                damaged = True
                break
            if more is None:
                equal = False
                break
            ahead += bytes(more)
        if equal and not damaged:
            equal = ahead.startswith(block)
            ahead = ahead[len(block):]
    if equal and not damaged:
        try:
            equal = not ahead and next(then, None) is None
        except Damaged:
            damaged = True
    return equal, damaged


def _drain(
    waiting: queue.SimpleQueue[Callable[[CopyStream], None]], stream: CopyStream, failures: list[BaseException]
) -> None:
    while not failures:
        try:
            task = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            task(stream)
        except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits)
            failures.append(error)


def _questions(tables: Sequence[TableWork]) -> Iterator[_Question]:
    """Large tables range by range; small ones many at a time, as long as they stay quick together."""
    arms: list[tuple[TableWork, int]] = []
    blocks = 0
    for work in tables:
        if len(work.stretches) > 1:
            for start in range(0, len(work.stretches), _RANGES):
                end = min(start + _RANGES, len(work.stretches))
                yield _Question(tuple((work, place) for place in range(start, end)))
            continue
        arms.append((work, 0))
        blocks += work.reading.relation.size // 8192
        if len(arms) >= _ARMS or blocks > _ARMS_BLOCKS:
            yield _Question(tuple(arms))
            arms, blocks = [], 0
    if arms:
        yield _Question(tuple(arms))


def slot_of(item: bytes, key: str) -> int:
    """In which of SAMPLE_OF rounds a stretch is read again although it seems unchanged."""
    return zlib.crc32(item + key.encode()) % SAMPLE_OF
