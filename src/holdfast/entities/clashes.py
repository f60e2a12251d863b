"""Unique values that somebody else has taken meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from holdfast.entities.asking import Find, attributed
from holdfast.entities.paths import keys_at
from holdfast.entities.writes import by_table_of
from holdfast.model.records import Difference, Key, Row, Table
from holdfast.model.sameness import typed


def clashes(changes: Sequence[Difference], tables: Mapping[str, Table], find: Find) -> Iterator[str]:
    """In words, each of ``changes`` that cannot be made because another row has its unique value."""
    for name, group in by_table_of(changes).items():
        table = tables[name]
        for unique in table.unique if table.key else ():
            yield from _taken(table, unique, group, find)


def _taken(table: Table, unique: tuple[str, ...], changes: Sequence[Difference], find: Find) -> Iterator[str]:
    wanted: dict[Key, tuple[Key, Difference]] = {}
    for change in changes:
        if change.after is not None and (change.before is None or _touches(change, unique)):
            wanted.update((typed(key), (key, change)) for key in keys_at(change.after, unique))
    if not wanted:
        return
    moving = {typed(change.key) for change in changes if change.before is not None and _touches(change, unique)}
    keys = [key for key, _ in wanted.values()]
    strange: list[Row] = []
    for row in find(table, unique, keys):
        if typed(row.key(table.key)) in moving:
            continue
        own = [found for key in keys_at(row, unique) if (found := wanted.get(typed(key))) is not None]
        if own:
            yield from _told(table, unique, own[0], row)
        else:
            strange.append(row)
    for key, row in attributed(find, table, unique, (keys, strange)):
        yield from _told(table, unique, wanted[typed(key)], row)


def _touches(change: Difference, unique: tuple[str, ...]) -> bool:
    return bool({name.partition(".")[0].removesuffix("[]") for name in unique} & set(change.columns))


def _told(table: Table, unique: tuple[str, ...], wanted: tuple[Key, Difference], row: Row) -> Iterator[str]:
    key, change = wanted
    if typed(row.key(table.key)) == typed(change.key):
        return
    value = ", ".join(f"{column}={each}" for column, each in zip(unique, key, strict=True))
    other, mine = ",".join(map(str, row.key(table.key))), ",".join(map(str, change.key))
    yield f"{table.name} {mine} cannot come back: {value} belongs to {table.name} {other} now"
