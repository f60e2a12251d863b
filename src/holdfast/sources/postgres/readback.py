"""Reads restored tables back and compares them with the snapshot: the same rows, each as often, in any order.

Rows are never touched one by one: blocks of COPY text are split, hashed and summed by C functions. Equal counts and
equal sums of 64-bit keyed hashes and of their squares mean equal multisets of rows.
"""

from __future__ import annotations

import operator
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted, Reporter
from holdfast.model.plans import ItemResult
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.postgres.conninfo import ChildAuth
from holdfast.sources.postgres.names import escaped, quote
from holdfast.sources.postgres.stream import CopyStream, Session
from holdfast.sources.postgres.target_place import Place
from holdfast.sources.postgres.target_saved import Saved
from holdfast.sources.postgres.tools import tool

_RANGE = 8192  # heap blocks of one job: a big table is read by every session
_TID_RANGES = 140000  # server version that finds a range of blocks without reading the rest
_AHEAD = 8


@dataclass(slots=True)
class RowSums:
    """A multiset of rows in three numbers; sums of parts add up. Comparable within one process only."""

    rows: int = 0
    first: int = 0
    second: int = 0

    def add(self, blocks: Iterable[bytes]) -> None:
        """Take in lines of COPY text, cut into blocks anywhere."""
        rest = b""
        for block in blocks:
            end = block.rfind(b"\n")
            if end < 0:
                rest += block
                continue
            self._lines((rest + block[:end]).split(b"\n"))
            rest = block[end + 1 :]
        if rest:
            self._lines([rest])

    def _lines(self, lines: list[bytes]) -> None:
        hashes = list(map(hash, lines))
        self.rows += len(hashes)
        self.first += sum(hashes)
        self.second += sum(map(operator.mul, hashes, hashes))

    def merge(self, other: RowSums) -> None:
        """Add another part."""
        self.rows += other.rows
        self.first += other.first
        self.second += other.second


@dataclass(slots=True)
class _Compared:
    saved: RowSums = field(default_factory=RowSums)
    found: RowSums = field(default_factory=RowSums)
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """Tables of one target to be compared with one snapshot, ``width`` at a time."""

    place: Place
    saved: Saved
    content: Content
    width: int
    report: Reporter
    environ: Mapping[str, str]

    def compare(self, items: Sequence[Item]) -> list[ItemResult]:
        """One result per table; "failed" names the difference."""
        compared = {item.name: _Compared() for item in items}
        self.report(PhaseStarted(source=self.place.database, phase="read back", total=2 * sum(i.size for i in items)))
        with self.place.session() as leader, self._auth(leader) as auth:
            leader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = leader.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
            session = Session(
                psql=tool("psql", leader.info.server_version, self.environ.get("PATH")).path,
                conninfo=self.place.conninfo,
                auth=auth,
                snapshot=str(row[0]) if row else "",
                encoding="LATIN1" if self.saved.encoding == "SQL_ASCII" else self.saved.encoding,
            )
            jobs = [*self._saved_jobs(items), *self._living_jobs(items, leader)]
            self._side_by_side(session, jobs, compared)
        self.report(PhaseEnded(source=self.place.database, phase="read back"))
        return [_result(item, compared[item.name]) for item in items]

    def _auth(self, leader: psycopg.Connection[tuple[object, ...]]) -> ChildAuth:
        """What the children log in with: just what this connection did, wherever its password came from."""
        return ChildAuth(self.place.conninfo.settled(leader), self.environ)

    def _saved_jobs(self, items: Sequence[Item]) -> Iterator[_Job]:
        for item in sorted(items, key=lambda item: -item.size):
            yield _Job(item=item, size=item.size)

    def _living_jobs(self, items: Sequence[Item], leader: psycopg.Connection[tuple[object, ...]]) -> Iterator[_Job]:
        ranged = leader.info.server_version >= _TID_RANGES
        for item in items:
            blocks = 0
            if ranged and item.size > 32 << 20:
                row = leader.execute(
                    "SELECT pg_catalog.pg_relation_size(%s::regclass) / current_setting('block_size')::bigint",
                    (self.saved.sql(item),),
                ).fetchone()
                blocks = int(str(row[0])) if row else 0
            yield from self._ranges(item, blocks)

    def _ranges(self, item: Item, blocks: int) -> Iterator[_Job]:
        name = quote if self.saved.codec == "latin-1" else escaped
        columns = ", ".join(map(name, self.saved.columns(item) or []))
        table = ".".join(map(name, self.saved.name(item)))
        for start in range(0, max(blocks, 1), _RANGE):
            lower = f"ctid >= '({start},0)'" if start else "true"
            upper = f"ctid < '({start + _RANGE},0)'" if start + _RANGE < blocks else "true"
            where = "" if blocks <= _RANGE else f" WHERE {lower} AND {upper}"
            yield _Job(
                item=item,
                size=item.size // max(1, -(-blocks // _RANGE)),
                query=f"COPY (SELECT {columns} FROM ONLY {table}{where}) TO STDOUT",
            )

    def _side_by_side(self, session: Session, jobs: list[_Job], compared: dict[bytes, _Compared]) -> None:
        waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for job in sorted(jobs, key=lambda job: -job.size):
            waiting.put(job)
        worker = _Worker(self, session, waiting, compared)
        threads = [
            threading.Thread(target=worker.run, name=f"read-back-{n}")
            for n in range(max(1, min(self.width, len(jobs))))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if worker.broken is not None:
            raise worker.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Rows to sum: of the snapshot, or (``query``) of the target."""

    item: Item
    size: int
    query: str = ""


class _Worker:
    def __init__(
        self,
        owner: ReadBack,
        session: Session,
        waiting: queue.SimpleQueue[_Job],
        compared: dict[bytes, _Compared],
    ) -> None:
        self._owner = owner
        self._session = session
        self._waiting = waiting
        self._compared = compared
        self._lock = threading.Lock()
        self.broken: HoldfastError | None = None

    def run(self) -> None:
        """Sum until nothing is left or something broke."""
        try:
            with CopyStream(self._session) as stream:
                while self.broken is None and (jobs := self._take()):
                    for job in jobs:
                        if job.query:
                            stream.copy(job.query, job.item.label)
                    for job in jobs:
                        self._sum(stream, job)
                stream.finish()
        except HoldfastError as error:
            self.broken = self.broken or error
        except BaseException as error:
            self.broken = self.broken or TargetError("the restored rows could not be read back", why=repr(error))
            raise

    def _take(self) -> list[_Job]:
        found: list[_Job] = []
        try:
            while len(found) < _AHEAD and sum(job.size for job in found) < 1 << 20:
                found.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return found

    def _sum(self, stream: CopyStream, job: _Job) -> None:
        sums = RowSums()
        problem = ""
        if job.query:
            sums.add(stream.blocks(large=job.size > 1 << 20))
        else:
            try:
                for segment in job.item.segments:
                    sums.add(self._owner.content.blocks(segment))
            except HoldfastError as error:
                problem = f"the snapshot's rows cannot be read: {error.what}"
        with self._lock:
            compared = self._compared[job.item.name]
            (compared.found if job.query else compared.saved).merge(sums)
            compared.problem = compared.problem or problem
        self._owner.report(Advanced(source=self._owner.place.database, phase="read back", amount=job.size))


def _result(item: Item, compared: _Compared) -> ItemResult:
    detail = compared.problem
    if not detail and compared.saved.rows != compared.found.rows:
        detail = f"the snapshot has {compared.saved.rows} rows, the target {compared.found.rows}"
    elif not detail and compared.saved != compared.found:
        detail = "as many rows as in the snapshot, but not the same ones"
    return ItemResult(
        name=item.label,
        action="verify",
        rows=compared.found.rows,
        status="failed" if detail else "ok",
        detail=detail or "read back and equal",
    )
