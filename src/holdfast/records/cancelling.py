"""Two streams of rows without the rows that both give at about the same time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from holdfast.model.records import Row
from holdfast.sources.records import Lines

_TURN = 2000
_HELD = 50_000
_HELD_LINES = 200_000


def cancelled(streams: tuple[Iterator[Row], Iterator[Row]], columns: Sequence[str]) -> Iterator[tuple[int, list[Row]]]:
    """(side, rows) in portions: every row but pairs of equal ones, which are left out of both sides.

    Equal rows that come too far apart are given on both sides. Memory stays flat.
    """
    held: tuple[dict[object, list[Row]], dict[object, list[Row]]] = ({}, {})
    open_sides = {0, 1}
    while open_sides:
        for side in tuple(open_sides):
            batch = list(itertools.islice(streams[side], _TURN))
            if not batch:
                open_sides.discard(side)
            _match(batch, held[side], held[1 - side], columns)
            if len(held[side]) > _HELD:
                yield side, _emptied(held[side])
    for side in (0, 1):
        if held[side]:
            yield side, _emptied(held[side])


def cancelled_lines(sides: tuple[Lines, Lines]) -> Iterator[tuple[int, list[Row]]]:
    """The same for rows that are lines of text, no two of a side alike; only what is left over is decoded."""
    held: tuple[set[bytes], set[bytes]] = (set(), set())
    read = [0, 0]
    open_sides = {0, 1}
    while open_sides:
        side = min(open_sides, key=lambda each: read[each])
        block = next(sides[side].blocks, None)
        if block is None:
            open_sides.discard(side)
            continue
        read[side] += len(block)
        lines = set(block.split(b"\n")[:-1])
        both = lines & held[1 - side]
        held[1 - side].difference_update(both)
        lines -= both
        held[side].update(lines)
        if len(held[side]) > _HELD_LINES:
            yield side, _decoded(sides[side], held[side])
    for side in (0, 1):
        if held[side]:
            yield side, _decoded(sides[side], held[side])


def _decoded(side: Lines, held: set[bytes]) -> list[Row]:
    rows = list(side.decoded(b"".join([line + b"\n" for line in held])))
    held.clear()
    return rows


def identity(row: Row, columns: Sequence[str]) -> object:
    """The same for rows with the same values of the same types in ``columns`` (none: in every byte, or every field)."""
    if row.raw and not columns:
        return row.raw
    values = row.values
    names = columns or sorted(values)
    return repr([values.get(name) for name in names])


def _match(
    batch: list[Row], mine: dict[object, list[Row]], theirs: dict[object, list[Row]], columns: Sequence[str]
) -> None:
    for row in batch:
        same = identity(row, columns)
        others = theirs.get(same)
        if others is None:
            mine.setdefault(same, []).append(row)
        elif len(others) == 1:
            del theirs[same]
        else:
            others.pop()


def _emptied(held: dict[object, list[Row]]) -> list[Row]:
    rows = [row for group in held.values() for row in group]
    held.clear()
    return rows
