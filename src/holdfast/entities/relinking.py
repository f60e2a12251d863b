"""Rows outside an entity that named rows of it name them again, and are otherwise as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.entities.closure import Closure, Member
from holdfast.entities.graph import Edge
from holdfast.entities.matching import keys_of_table
from holdfast.entities.paths import keys_at, with_added
from holdfast.model.records import Row, Table


def pointing(closure: Closure, member: Member) -> Iterator[Edge]:
    """Edges by which a row outside the entity names rows of it."""
    for edge in closure.graph.edges:
        if edge.reference.table != member.table or edge.down != "linked":
            continue
        by_key = keys_of_table(closure, edge.reference.to, edge.reference.to_columns)
        named = (by_key.get(tuple(map(str, key))) for key in keys_at(member.row, edge.reference.columns))
        if any(other is not None and other.role == "owned" for other in named):
            yield edge


def relinked(
    closure: Closure, table: Table, member: Member, now: Row, edges: Sequence[Edge]
) -> tuple[Row | None, list[str]]:
    """(the row with its references set again, or None; why others are left as they are)."""
    after, reasons = dict(now.values), []
    fixed = {column.name for column in table.columns if not column.nullable}
    for edge in edges:
        columns = edge.reference.columns
        if edge.inside and not edge.reference.when and len(columns) == 1:
            owned = _owned_keys(closure, edge)
            added = with_added(Row(after), member.row, columns[0], lambda value, owned=owned: str(value) in owned)  # type: ignore[misc]
            after = dict(added.values)
        elif any(column not in now.values or column not in member.row.values for column in columns):
            reasons.append("what it refers with is inside another value, which is left as it is")
        elif now.key(columns) == member.row.key(columns):
            continue
        elif any(now.values[column] is not None for column in set(columns) - fixed):
            perhaps = ", perhaps its default" if edge.reference.on_delete == "set default" else ""
            reasons.append(f"{'+'.join(columns)} refers to another row now{perhaps}")
        else:
            after |= {column: member.row.values[column] for column in columns}
    return (Row(after) if after != dict(now.values) else None), reasons


def _owned_keys(closure: Closure, edge: Edge) -> set[str]:
    """What names rows of the entity, as text."""
    by_key = keys_of_table(closure, edge.reference.to, edge.reference.to_columns)
    return {key[0] for key, member in by_key.items() if member.role == "owned"}
