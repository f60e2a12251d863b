"""Rows outside an entity that named rows of it name them again, and are otherwise as they are now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from holdfast.entities.closure import Closure, Member
from holdfast.entities.graph import Edge
from holdfast.entities.matching import keys_of_table
from holdfast.entities.paths import with_added
from holdfast.model.records import Row, Table, Value

_CAST = re.compile(r"(::[\w .\"()\[\]]+)+\Z")
_QUOTED = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_COMPUTED = "\0"
"""No value of a database."""


def pointing(closure: Closure, member: Member) -> Iterator[Edge]:
    """Edges by which a row outside the entity names rows of it."""
    yield from dict.fromkeys(closure.naming.get(member.identity, ()))


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
        elif any(now.values[column] is not None for column in set(columns) - fixed) and not (
            edge.reference.on_delete == "set default" and _is_default(table, columns, now)
        ):
            reasons.append(f"{'+'.join(columns)} refers to another row now")
        else:
            after |= {column: member.row.values[column] for column in columns}
    return (Row(after) if after != dict(now.values) else None), reasons


def _is_default(table: Table, columns: Sequence[str], row: Row) -> bool:
    """Whether the columns are what ON DELETE SET DEFAULT leaves; only defaults that are written out are known."""
    defaults = {column.name: column.default for column in table.columns}
    return all(_constant(defaults.get(name, "")) == _told(row.values.get(name)) for name in columns)


def _constant(text: str) -> str | None:
    """The value of ``'a'::text``, ``(-1)``, ``9``; None for NULL; what has to be computed equals nothing."""
    bare = _CAST.sub("", text.strip())
    bare = _CAST.sub("", bare[1:-1]) if bare[:1] == "(" and bare[-1:] == ")" else bare
    if not bare or bare.upper() == "NULL":
        return None
    if quoted := _QUOTED.fullmatch(bare):
        return quoted[1].replace("''", "'")
    return bare if _NUMBER.fullmatch(bare) else _COMPUTED


def _told(value: Value) -> str | None:
    return None if value is None else str(value)


def _owned_keys(closure: Closure, edge: Edge) -> set[str]:
    """What names rows of the entity, as text."""
    by_key = keys_of_table(closure, edge.reference.to, edge.reference.to_columns)
    return {key[0] for key, member in by_key.items() if member.role == "owned"}
