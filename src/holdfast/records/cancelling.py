"""Two streams of rows without the rows that both give at about the same time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from holdfast.model.records import Row

_TURN = 2000
_HELD = 50_000


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
