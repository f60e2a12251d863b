"""Rows that came or went since a snapshot, out of the transaction numbers in the living table.

A row version never changes in place. One that is visible now and was written before the oldest transaction that ran
when the snapshot was taken was visible then, in the same block: it is counted, not read. Younger versions are all that
has come. What a stretch of blocks lost is looked up under the keys of what has come; when that explains the count,
nothing else is read, else what still stands of this stretch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from holdfast.model.records import Row
from holdfast.sources.base import Content
from holdfast.sources.postgres.conninfo import ChildAuth, Conninfo
from holdfast.sources.postgres.copying import SEGMENT_BLOCKS, Stretch
from holdfast.sources.postgres.records.answers import Answer, Question, answers
from holdfast.sources.postgres.records.explaining import Explaining
from holdfast.sources.postgres.records.standing import History, Standing
from holdfast.sources.postgres.records.subsequence import NotASubsequence, missing_lines
from holdfast.sources.postgres.records.units import readings, whole
from holdfast.sources.postgres.stream import Session
from holdfast.sources.postgres.tools import tool
from holdfast.sources.tracing import Trace, TraceBroken

_RANGES = 32


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What the server counted in one stored table.

    ``gone``: how many rows each segment lost, by its start; ``come``: stretches with younger rows.
    """

    one: Standing
    gone: dict[int, int]
    explaining: Explaining
    come: list[int] = field(default_factory=list)
    now: int = 0

    @property
    def last(self) -> int:
        """The segment that was read to the table's end."""
        return max(self.one.starts, default=0)


class Tracer:
    """Over the state ``snapshot`` names, which another session holds. MissingTool without psql."""

    def __init__(self, conninfo: Conninfo, snapshot: str, environ: Mapping[str, str], history: History) -> None:
        self._conninfo = conninfo
        self._snapshot = snapshot
        self._environ = environ
        self._encoding = history.facts.encoding
        self._psql = tool("psql", history.facts.version).path

    def trace(self, stored: Sequence[Standing], content: Content, oldest: int, key: tuple[str, ...]) -> Trace:
        """``oldest``: the oldest transaction that was running when the snapshot was taken. ``key``: unique, or empty.

        TraceBroken when the counts contradict what is stored.
        """
        old = f"age(xmin) > (SELECT age('{oldest % 2**32}'::xid))"
        tallies = [self._counted(one, old, key) for one in stored]
        return Trace(
            come=self._coming(tallies, old), gone=self._going(tallies, old, content),
            now=sum([tally.now for tally in tallies]),
        )

    def _counted(self, one: Standing, old: str, key: tuple[str, ...]) -> _Tally:
        starts = list(range(0, one.blocks, SEGMENT_BLOCKS))
        asked = [
            Question(
                statement=_counting(one, starts[begin : begin + _RANGES], old), about=one.part.item.label, copies=False
            )
            for begin in range(0, len(starts), _RANGES)
        ]
        lines = b"".join([output for _, output in self._answers(asked)]).splitlines()
        return _tally(one, [tuple(map(int, line.split(b"|"))) for line in lines], Explaining(one.part.form, key))

    def _coming(self, tallies: Sequence[_Tally], old: str) -> Iterator[Row]:
        for tally in tallies:
            asked = [
                tally.one.question(Stretch(start=start, end=start + SEGMENT_BLOCKS, key=""), f"NOT ({old})")
                for start in tally.come
            ]
            for question, lines in self._answers(asked):
                tally.explaining.note(min(question.start, tally.last), lines)
                yield from tally.one.part.form.rows(lines)

    def _going(self, tallies: Sequence[_Tally], old: str, content: Content) -> Iterator[Row]:
        for tally in tallies:
            for lines in self._gone(tally, old, content):
                yield from tally.one.part.form.rows(lines)

    def _gone(self, tally: _Tally, old: str, content: Content) -> Iterator[bytes]:
        one = tally.one
        left = {start: count for start, count in tally.gone.items() if count}
        units = [whole(one.starts[start]) for start in left]
        asked = []
        for (start, count), (_, stored) in zip(left.items(), readings(content, units), strict=True):
            lines = stored if count == one.starts[start].rows else tally.explaining.explained(start, stored, count)
            if lines is not None:
                yield lines
                continue
            end = None if start == tally.last else start + SEGMENT_BLOCKS
            asked.append(one.question(Stretch(start=start, end=end, key=""), old))
        again = readings(content, [whole(one.starts[question.start]) for question in asked])
        for (question, standing), (_, stored) in zip(self._in_order(asked), again, strict=True):
            yield _missing(stored, standing, left[question.start])

    def _in_order(self, asked: Sequence[Question]) -> Iterator[Answer]:
        """Answers in the order of the questions; what is ready too early is held, a few at the most."""
        early: dict[int, bytes] = {}
        found = self._answers(asked)
        for question in asked:
            while question.start not in early:
                other, output = next(found)
                early[other.start] = output
            yield question, early.pop(question.start)

    def _answers(self, asked: Sequence[Question]) -> Iterator[Answer]:
        if not asked:
            return
        with ExitStack() as stack:
            auth = stack.enter_context(ChildAuth(self._conninfo, self._environ))
            session = Session(
                psql=self._psql, conninfo=self._conninfo, auth=auth, snapshot=self._snapshot, encoding=self._encoding
            )
            yield from stack.enter_context(closing(answers(session, asked)))


def _counting(one: Standing, starts: Sequence[int], old: str) -> str:
    """One line a stretch: its first block, rows that stood already, all rows."""
    return (
        f"SELECT g.s, f.* FROM generate_series({starts[0]}::int8, {starts[-1]}, {SEGMENT_BLOCKS}) AS g(s), "
        f"LATERAL (SELECT count(*) FILTER (WHERE {old}), count(*) FROM ONLY {one.reading.table} "
        f"WHERE ctid >= ('(' || g.s || ',0)')::tid AND ctid < ('(' || g.s + {SEGMENT_BLOCKS} || ',0)')::tid) f "
        "ORDER BY 1;"
    )


def _tally(one: Standing, counted: Sequence[tuple[int, ...]], explaining: Explaining) -> _Tally:
    gone = {start: segment.rows for start, segment in one.starts.items()}
    tally = _Tally(one=one, gone=gone, explaining=explaining)
    for start, stood, total in counted:
        tally.now += total
        if total > stood:
            tally.come.append(start)
        owner = min(start, tally.last)
        if stood and owner not in gone:
            raise TraceBroken
        if stood:
            gone[owner] -= stood
    if any(count < 0 for count in gone.values()):
        raise TraceBroken
    return tally


def _missing(stored: bytes, standing: bytes, count: int) -> bytes:
    try:
        lines = missing_lines(stored, standing, count)
    except NotASubsequence as error:
        raise TraceBroken from error
    if lines.count(b"\n") != count:
        raise TraceBroken
    return lines
