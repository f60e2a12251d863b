"""Lines of a stored table that another snapshot of it does not hold: equal chunks cancel without being read.

What is left on both sides of one stretch of the table is compared line by line, still without decoding a row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from holdfast.model.snapshot import Item, Segment
from holdfast.sources.base import Content
from holdfast.sources.postgres.load_sliced import is_sliced
from holdfast.sources.postgres.records.units import ROW_REACH, SMALL, Unit, read, readings, whole

Stored = tuple[Content, Item]
_COMPARED = 64 << 20
_LONGEST_RUN = 16


def changed_lines(mine: Stored, theirs: Stored, *, keyed: bool) -> Iterator[tuple[Unit, bytes]]:
    """Units, or lines of them, that hold at least every row of ``mine`` that is not in ``theirs``.

    ``keyed``: no two rows are the same, so that equal lines need not be counted.
    """
    own, others = _unshared(mine[1], theirs[1]), _unshared(theirs[1], mine[1])
    opposite: dict[str, list[tuple[Segment, list[int]]]] = defaultdict(list)
    for segment, places in others:
        if not is_sliced(segment):
            opposite[segment.key].append((segment, places))
    for segment, places in own:
        if is_sliced(segment):
            yield whole(segment), b""
            continue
        units = _units(mine[0], segment, places)
        across = opposite.get(segment.key, [])
        if not across or _size(segment, places) > _COMPARED:
            yield from units
            continue
        data = b"".join([text for _, text in units])
        against = (text for other, spots in across for _, text in _units(theirs[0], other, spots))
        yield whole(segment), (_without if keyed else _without_counted)(data, against)


def _unshared(mine: Item, theirs: Item) -> list[tuple[Segment, list[int]]]:
    """Segments with the places of their slices that the other side has not (as often)."""
    held = Counter(piece for segment in theirs.segments for piece in segment.slices)
    found = []
    for segment in mine.segments:
        places = []
        for place, piece in enumerate(segment.slices):
            if held[piece] > 0:
                held[piece] -= 1
            else:
                places.append(place)
        if places:
            found.append((segment, places))
    return found


def _size(segment: Segment, places: list[int]) -> int:
    return sum(segment.slices[place].length for place in places)


def _units(content: Content, segment: Segment, places: list[int]) -> Iterator[tuple[Unit, bytes]]:
    """Whole rows around these slices of a segment."""
    if segment.size <= SMALL:
        unit = whole(segment)
        yield unit, read(content, unit)
        return
    runs = [Unit(tuple(segment.slices[begin:end])) for begin, end in _runs(places)]
    for (begin, end), (unit, data) in zip(_runs(places), readings(content, runs), strict=True):
        while begin > 0 and data.find(b"\n", 0, ROW_REACH) < 0:
            begin -= 1
            data = read(content, Unit((segment.slices[begin],))) + data
        while end < len(segment.slices) and not data.endswith(b"\n"):
            data += read(content, Unit((segment.slices[end],)))
            end += 1
        yield unit, data


def _runs(places: list[int]) -> list[tuple[int, int]]:
    """Consecutive places as (begin, end), not too many in one."""
    breaks = [at + 1 for at, (one, next_one) in enumerate(pairwise(places)) if next_one != one + 1]
    edges = [0, *breaks, len(places)]
    return [
        (places[at], min(places[end - 1], places[at] + _LONGEST_RUN - 1) + 1)
        for begin, end in pairwise(edges)
        for at in range(begin, end, _LONGEST_RUN)
    ]


def _without(data: bytes, others: Iterator[bytes]) -> bytes:
    lines = data.split(b"\n")
    left = set(lines)
    for other in others:
        left.difference_update(other.split(b"\n"))
    return b"".join([line + b"\n" for line in lines if line in left])


def _without_counted(data: bytes, others: Iterator[bytes]) -> bytes:
    lines = data.split(b"\n")
    lines.pop()
    held: Counter[bytes] = Counter()
    for other in others:
        held.update(other.split(b"\n")[:-1])
    kept = []
    for line in lines:
        if held[line] > 0:
            held[line] -= 1
        else:
            kept.append(line + b"\n")
    return b"".join(kept)
