"""In which order rows can be written so that nobody refers to what is not there yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.entities.sameish import alike
from holdfast.model.errors import TargetError
from holdfast.model.records import Key, Reference, Row

_Need = tuple[int, Reference, bool]
"""The place of the row that another needs, by which reference, and whether it is sure that it is that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """``tables``: parents first. ``late``: references left NULL at first and set once everything is there.

    ``deferred``: references that the database checks at the end of the transaction, because they go round.
    """

    tables: tuple[str, ...]
    late: tuple[Reference, ...] = ()
    deferred: tuple[Reference, ...] = ()


@dataclass(slots=True)
class _Walk:
    """Tarjan's numbers of one search."""

    numbers: dict[str, int] = field(default_factory=dict)
    lowest: dict[str, int] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    found: list[list[str]] = field(default_factory=list)


def order_of(tables: Collection[str], references: Sequence[Reference]) -> Order:
    """An order of ``tables`` for inserting. TargetError names the reference of a ring that cannot be opened.

    References of a table to itself are not looked at: ``rows_in_order`` deals with those.
    """
    known = sorted(tables)
    inner = [
        each for each in references if each.table in tables and each.to in tables and each.table != each.to
        and not any(is_path(column) for column in each.columns)
    ]  # fmt: skip
    left = list(inner)
    late: list[Reference] = []
    deferred: list[Reference] = []
    while rings := [set(ring) for ring in strongly_connected(known, left) if len(ring) > 1]:
        for ring in rings:
            within = [each for each in left if each.table in ring and each.to in ring]
            chosen = _weakest(within)
            left.remove(chosen)
            (deferred if chosen.deferrable else late).append(chosen)
    ordered = [name for ring in strongly_connected(known, left) for name in ring]
    return Order(tables=tuple(ordered), late=tuple(late), deferred=tuple(deferred))


def _weakest(ring: Sequence[Reference]) -> Reference:
    """The reference of a ring that gives way: one checked late, else one that may be NULL for a while."""
    deferrable = [each for each in ring if each.deferrable]
    if deferrable:  # a delete is not put off by it where it restricts
        return min(
            deferrable,
            key=lambda each: (not each.nullable, each.on_delete == "restrict", each.table, each.columns),
        )
    nullable = [each for each in ring if each.nullable]
    if nullable:
        return min(nullable, key=lambda each: (each.table, each.columns))
    told = "; ".join(sorted(spoken(each) for each in ring))
    raise TargetError(
        f"these tables refer to one another in a ring that cannot be opened: {spoken(ring[0])}",
        why=f"none of its references may be NULL or is deferrable: {told}",
        hint="make one of them DEFERRABLE, or let its column be NULL",
    )


def spoken(reference: Reference) -> str:
    """``events.owner -> users.id``."""
    return f"{reference.table}.{'+'.join(reference.columns)} -> {reference.to}.{'+'.join(reference.to_columns)}"


def is_path(column: str) -> bool:
    """Whether a reference looks inside the column: the database itself does not know of it."""
    return "." in column or "[]" in column


def strongly_connected(names: Sequence[str], references: Sequence[Reference]) -> list[list[str]]:
    """Rings of tables and single tables, what is referred to first (Tarjan, without recursion)."""
    to: dict[str, list[str]] = {name: [] for name in names}
    for each in references:
        to[each.table].append(each.to)
    walk = _Walk()
    for name in names:
        if name not in walk.numbers:
            _visit(name, to, walk)
    return walk.found


def _visit(start: str, to: Mapping[str, Sequence[str]], walk: _Walk) -> None:
    work: list[tuple[str, Iterator[str]]] = [(start, iter(to[start]))]
    _enter(start, walk)
    while work:
        name, rest = work[-1]
        for other in rest:
            if other not in walk.numbers:
                _enter(other, walk)
                work.append((other, iter(to[other])))
                break
            if other in walk.stack:
                walk.lowest[name] = min(walk.lowest[name], walk.numbers[other])
        else:
            work.pop()
            if work:
                above = work[-1][0]
                walk.lowest[above] = min(walk.lowest[above], walk.lowest[name])
            if walk.lowest[name] == walk.numbers[name]:
                at = walk.stack.index(name)
                walk.found.append(walk.stack[at:])
                del walk.stack[at:]


def _enter(name: str, walk: _Walk) -> None:
    walk.numbers[name] = walk.lowest[name] = len(walk.numbers)
    walk.stack.append(name)


def rows_in_order(rows: Sequence[Row], own: Sequence[Reference]) -> tuple[list[Row], list[tuple[Row, Reference]]]:
    """Rows of one table with references to itself: those referred to first.

    Second: rows in rings, each with the reference that has to wait until all of them are there.
    """
    if not own:
        return list(rows), []
    places = {(each.to_columns, row.key(each.to_columns)): number for number, row in enumerate(rows) for each in own}
    perhaps: dict[tuple[tuple[str, ...], Key], int] = {}
    needs: list[list[_Need]] = [[] for _ in rows]
    for number, row in enumerate(rows):
        for each in own:
            key = row.key(each.columns)
            place = places.get((each.to_columns, key))
            is_sure = place is not None
            if place is None and None not in key:
                perhaps = perhaps or {(columns, alike(named)): at for (columns, named), at in places.items()}
                place = perhaps.get((each.to_columns, alike(key)))
            if place is not None and place != number:
                needs[number].append((place, each, is_sure))
    return _sorted_rows(rows, needs)


def _sorted_rows(
    rows: Sequence[Row], needs: Sequence[list[_Need]]
) -> tuple[list[Row], list[tuple[Row, Reference]]]:
    done: list[Row] = []
    waiting: list[tuple[Row, Reference]] = []
    state = [0] * len(rows)  # 0 new, 1 being looked at, 2 done
    for start in range(len(rows)):
        if state[start]:
            continue
        state[start] = 1
        work = [(start, iter(needs[start]))]
        while work:
            number, rest = work[-1]
            for place, reference, is_sure in rest:
                if state[place] == 0:
                    state[place] = 1
                    work.append((place, iter(needs[place])))
                    break
                if state[place] == 1 and is_sure:
                    waiting.append((rows[number], reference))
            else:
                work.pop()
                state[number] = 2
                done.append(rows[number])
    return done, waiting
