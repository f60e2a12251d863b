"""References as SQLite follows them: by the collation and the type of the column they lead to, not of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.model.records import Reference
from holdfast.sources.sqlite.names import quoted
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.schema import Ask, Schema, Shape
from holdfast.sources.sqlite.records.values import affinity


def compared_otherwise(schema: Schema, ask: Ask) -> Mapping[tuple[str, tuple[str, ...]], Sequence[Reference]]:
    """References by table and columns, whose values may be the same to SQLite and not by the columns' own rules."""
    found: dict[tuple[str, tuple[str, ...]], list[Reference]] = {}
    for each in schema.references:
        ours, theirs = _types(schema.shapes[each.table], each.columns), _types(schema.shapes[each.to], each.to_columns)
        if ours != theirs or _is_collated(schema.shapes[each.to], each.to_columns, ask):
            found.setdefault((each.table, each.columns), []).append(each)
    return found


def following(shape: Shape, reference: Reference, there: Statement) -> Statement:
    """The condition on ``shape`` for rows that name one of those for which ``there`` holds."""
    own = [shape.rowid] if shape.rowid else [quoted(name) for name in shape.table.key]
    pairs = zip(reference.columns, reference.to_columns, strict=True)
    on = " AND ".join(f"t.{quoted(theirs)} = c.{quoted(ours)}" for ours, theirs in pairs)
    mine, named = ", ".join(f"t.{name}" for name in own), ", ".join(f"c.{name}" for name in own)
    places = f"main.{quoted(reference.to)} AS t JOIN main.{quoted(reference.table)} AS c ON {on}"
    return Statement(f"({mine}) IN (SELECT {named} FROM {places} WHERE {there.sql})", there.values)


def _types(shape: Shape, columns: Sequence[str]) -> list[str]:
    declared = {column.name: column.type for column in shape.table.columns}
    return [affinity(declared.get(name, "")) for name in columns]


def _is_collated(shape: Shape, columns: Sequence[str], ask: Ask) -> bool:
    """Whether the unique key that is named is compared otherwise than byte by byte."""
    for _, index, is_unique, *_ in ask(f"PRAGMA main.index_list({quoted(shape.table.name)})"):
        parts = [row for row in ask(f"PRAGMA main.index_xinfo({quoted(index)})") if row[5]]
        if is_unique and {row[2] for row in parts} == set(columns) and any(row[4] != "BINARY" for row in parts):
            return True
    return False
