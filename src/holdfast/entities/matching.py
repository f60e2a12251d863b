"""Rows an entity shares with others are found again by their natural key, when they came back under another number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from holdfast.entities.asking import Find, rows_by_key
from holdfast.entities.closure import Closure, Identity, Member
from holdfast.entities.graph import Edge, Graph
from holdfast.entities.paths import keys_at, with_replaced
from holdfast.entities.sameish import alike
from holdfast.model.records import Key, Row, Table
from holdfast.model.sameness import typed

Matches = dict[Identity, dict[tuple[str, ...], Key]]
"""Shared rows that are there under another key: for each set of columns referred to, the key they have now."""


def match_shared(
    closure: Closure, tables: Mapping[str, Table], find: Find, now: Mapping[Identity, Row]
) -> Matches:
    """Shared rows that are gone, or are somebody else now, and another row with the same unique values."""
    found: Matches = {}
    for name, members in closure.by_table("shared").items():
        table = tables.get(name)
        if table is None:
            continue
        for unique in table.unique:
            by_natural: dict[Key, Member] = {}
            for member in members:
                living = now.get(member.identity)
                if member.identity not in found and (living is None or living.key(unique) != member.row.key(unique)):
                    by_natural.update(dict.fromkeys(keys_at(member.row, unique), member))
            there = rows_by_key(find, table, unique, list(by_natural))
            for natural, match in by_natural.items():
                if rows := there.get(typed(natural)):
                    found[match.identity] = _keys_of(closure.graph, name, rows[0])
    return found


def remapped(closure: Closure, member: Member, matches: Matches) -> Row:
    """The row with its references to shared rows that have another key now."""
    row = member.row
    if not matches:
        return row
    for edge in closure.graph.above(member.table):
        reference = edge.reference
        if edge.up not in ("parent", "shared"):
            continue
        moved = {
            tuple(map(str, closure.members[identity].row.key(reference.to_columns))): keys[reference.to_columns]
            for identity, keys in matches.items()
            if identity[0] == reference.to and reference.to_columns in keys
        }
        if len(reference.columns) != 1:
            row = _composite(row, member, edge, moved)
            continue
        by_text = {old[0]: new[0] for old, new in moved.items()}
        row = with_replaced(row, reference.columns[0], lambda value, by_text=by_text: by_text.get(str(value), value))  # type: ignore[misc]
    return row


def named_by(closure: Closure, members: Sequence[Member]) -> Iterator[tuple[Member, Edge, Member]]:
    """Rows of the closure that ``members`` name and cannot be without; each once by edge, with one that names it."""
    by_table: dict[str, list[Member]] = {}
    for member in members:
        by_table.setdefault(member.table, []).append(member)
    for name, group in by_table.items():
        for edge in closure.graph.above(name):
            if edge.up not in ("parent", "shared"):
                continue
            columns = edge.reference.columns
            naming = {tuple(map(str, key)): member for member in group for key in keys_at(member.row, columns)}
            by_key = keys_of_table(closure, edge.reference.to, edge.reference.to_columns)
            for key, member in naming.items():
                other = by_key.get(key) or _spelled(closure, edge, key)
                if other is not None and other is not member:
                    yield member, edge, other


def keys_of_table(closure: Closure, table: str, columns: tuple[str, ...]) -> dict[tuple[str, ...], Member]:
    """Members of a table by what they are referred to with, as text."""
    found = closure.keys.get((table, columns))
    if found is None:
        members = [member for member in closure.members.values() if member.table == table]
        found = {tuple(map(str, member.row.key(columns))): member for member in members}
        closure.keys[table, columns] = found
    return found


def _spelled(closure: Closure, edge: Edge, key: tuple[str, ...]) -> Member | None:
    """The member that a database may mean by a key although it is written otherwise."""
    named = (edge.reference.to, edge.reference.to_columns)
    found = closure.spelled.get(named)
    if found is None:
        found = closure.spelled[named] = {alike(each): one for each, one in keys_of_table(closure, *named).items()}
    return found.get(alike(key))


def _composite(row: Row, member: Member, edge: Edge, moved: Mapping[tuple[str, ...], Key]) -> Row:
    columns = edge.reference.columns
    if not all(column in row.values for column in columns):
        return row
    new = moved.get(tuple(map(str, member.row.key(columns))))
    return row if new is None else Row({**row.values, **dict(zip(columns, new, strict=True))})


def _keys_of(graph: Graph, table: str, row: Row) -> dict[tuple[str, ...], Key]:
    columns = {edge.reference.to_columns for edge in graph.edges if edge.reference.to == table}
    return {each: row.key(each) for each in columns}
