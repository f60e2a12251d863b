"""Lines that only one of two stored states of a table holds: equal chunks cancel without being read.

What is left on both sides of one stretch of the table is compared as bytes, then line by line, and no row is decoded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from holdfast.model.snapshot import Segment
from holdfast.sources.base import Content
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.shared import Shared, Stored
from holdfast.sources.postgres.records.subsequence import alike, without
from holdfast.sources.postgres.records.units import ROW_REACH, Unit, read, read_ahead, whole

_COMPARED = 64 << 20
_LONGEST_RUN = 16


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive slices, ``begin`` up to ``end``, of a segment; ``side`` 0 or 1.

    ``own``: places of all slices of the segment that the other side has not.
    """

    side: int
    segment: Segment
    begin: int
    end: int
    own: frozenset[int]

    @property
    def unit(self) -> Unit:
        return Unit(tuple(self.segment.slices[self.begin : self.end]))


def changes(sides: tuple[Stored, Stored], *, keyed: bool) -> Iterator[tuple[int, Unit, bytes]]:
    """(side, unit, lines) that hold at least every row of that side which the other has not.

    What is left out of one side is exactly what is left out of the other.
    ``keyed``: no two rows of a side are the same, so that equal lines need not be counted. Rows in pieces come as
    their unit, without bytes.
    """
    groups: dict[str, list[_Run]] = defaultdict(list)
    shared = Shared(sides)
    for side in (0, 1):
        for segment, places in shared.left(side):
            if is_sliced(segment):
                yield side, whole(segment), b""
            else:
                groups[segment.key] += _runs(side, segment, places)
    runs = [run for group in groups.values() for run in group]
    texts = read_ahead([(sides[run.side][0], run.unit) for run in runs])
    for group in groups.values():
        compared = len({run.side for run in group}) == 2 and sum(run.unit.size for run in group) <= _COMPARED
        held: tuple[list[bytes], list[bytes]] = ([], [])
        for run in group:
            data = _whole_rows(sides[run.side][0], run, next(texts))
            if compared:
                held[run.side].append(data)
            else:
                yield run.side, run.unit, data
        if compared:
            for side, data in enumerate(_without_equal(*held, keyed=keyed)):
                yield side, group[0].unit, data


def _runs(side: int, segment: Segment, places: list[int]) -> list[_Run]:
    """Consecutive places, not too many in one."""
    breaks = [at + 1 for at, (one, following) in enumerate(pairwise(places)) if following != one + 1]
    edges = [0, *breaks, len(places)]
    own = frozenset(places)
    return [
        _Run(side, segment, places[at], min(places[end - 1], places[at] + _LONGEST_RUN - 1) + 1, own)
        for begin, end in pairwise(edges)
        for at in range(begin, end, _LONGEST_RUN)
    ]


def _whole_rows(content: Content, run: _Run, data: bytes) -> bytes:
    """The rows that begin in a run, and the one that goes into it when it begins in a shared slice; each once."""
    slices = run.segment.slices
    data = _with_beginning(content, run, data)
    end = run.end
    while end < len(slices) and data and not data.endswith(b"\n"):
        more = read(content, Unit((slices[end],)))
        data += more[: more.find(b"\n") + 1] or more
        end += 1
    return data


def _with_beginning(content: Content, run: _Run, data: bytes) -> bytes:
    """A row that goes on from before is completed, or left to the run that it begins in."""
    if data.find(b"\n", 0, ROW_REACH) >= 0:
        return data
    head: list[bytes] = []
    for place in range(run.begin - 1, -1, -1):
        before = read(content, Unit((run.segment.slices[place],)))
        if before.endswith(b"\n"):
            break
        if place in run.own:
            newline = data.find(b"\n")
            return data[newline + 1 :] if newline >= 0 else b""
        head.append(before[before.rfind(b"\n") + 1 :])
        if len(head[-1]) < len(before):
            break
    return b"".join([*reversed(head), data])


def _without_equal(mine: Sequence[bytes], theirs: Sequence[bytes], *, keyed: bool) -> tuple[bytes, bytes]:
    """What is left of both once equal lines are taken away."""
    if len(mine) == len(theirs):
        trimmed = [_trimmed(one, other) for one, other in zip(mine, theirs, strict=True)]
        first, second = b"".join([one for one, _ in trimmed]), b"".join([other for _, other in trimmed])
    else:
        first, second = b"".join(mine), b"".join(theirs)
    lines, others = first.split(b"\n")[:-1], second.split(b"\n")[:-1]
    if keyed:
        return _lines(lines, set(lines).difference(others)), _lines(others, set(others).difference(lines))
    return without(lines, Counter(others)), without(others, Counter(lines))


def _lines(lines: list[bytes], left: set[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in lines if line in left])


def _trimmed(one: bytes, other: bytes) -> tuple[bytes, bytes]:
    """Both without the whole lines they begin and end with alike."""
    same = alike(one, other)
    begin = one.rfind(b"\n", 0, same) + 1
    one, other = one[begin:], other[begin:]
    tail = alike(one[::-1], other[::-1])
    keep = one.find(b"\n", len(one) - tail) + 1 if tail else len(one)
    cut = len(one) - keep if keep else 0
    return one[: len(one) - cut], other[: len(other) - cut]
