"""The copy as an entity to be written, and the proof that it stands alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from holdfast.entities.cloning import Copies
from holdfast.entities.closure import Closure, UserReference, identity_of
from holdfast.entities.graph import Graph
from holdfast.entities.paths import keys_at, texts_in
from holdfast.model.records import Row, Table
from holdfast.model.sameness import typed

_UNMISTAKABLE = 12
"""An id of so many characters is nothing else by chance."""


def closure_of_copies(copies: Copies, tables: Mapping[str, Table]) -> Closure:
    """The copies with the rows they name, which stay the same: what ``restoring.decide`` can look at."""
    was = copies.closure
    made = Closure(graph=was.graph)
    for identity, row in copies.rows.items():
        member = replace(was.members[identity], row=row, identity=identity_of(tables[identity[0]], row), origin=None)
        if not tables[identity[0]].key:
            member.identity = (identity[0], (*member.identity[1], len(made.members)), member.identity[2])
        made.members[member.identity] = member
    for member in was.members.values():
        if member.role in ("parent", "shared"):
            made.members[member.identity] = member
    known = {(each.edge.reference.name, typed(each.key)): each.row for each in was.users}
    made.users = [
        UserReference(member=member, edge=edge, key=key, row=known.get((edge.reference.name, typed(key))))
        for member in made.members.values()
        if member.role == "owned"
        for edge in was.graph.above(member.table)
        if edge.up == "reference"
        for key in keys_at(member.row, edge.reference.columns)
    ]
    return made


def left_behind(graph: Graph, copies: Copies, made: Sequence[tuple[str, Row]]) -> list[str]:
    """References of the copies ``made`` that still lead to the original, in words."""
    found: list[str] = []
    old: dict[tuple[str, tuple[str, ...]], set[tuple[str, ...]]] = {}
    for name, row in made:
        for edge in graph.edges:
            reference = edge.reference
            if reference.table != name:
                continue
            keys = old.get((reference.to, reference.to_columns))
            if keys is None:
                keys = old[reference.to, reference.to_columns] = _old_keys(copies, reference.to, reference.to_columns)
            if any(str(row.values.get(column)) != value for column, value in reference.when):
                continue
            named = {tuple(map(str, key)) for key in keys_at(row, reference.columns)}
            if (named | _elements(row, reference.columns)) & keys:
                found.append(f"{name}: {edge.name}")
    unmistakable = {
        str(value)
        for identity in copies.rows
        for value in identity[1]
        if len(str(value)) >= _UNMISTAKABLE and (not isinstance(value, str) or re.search(r"\d", value))
    }
    for name, row in made:
        for column, value in row.values.items():
            if any(text in unmistakable for text in texts_in(value)):
                found.append(f"{name}.{column} holds an id of the original; declare that edge")
    return list(dict.fromkeys(found))


def _elements(row: Row, columns: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Whatever stands between the brackets of an array, read without knowing how arrays are built."""
    path = columns[0]
    value = row.values.get(path.removesuffix("[]")) if len(columns) == 1 and path.endswith("[]") else None
    if not isinstance(value, str) or (value[:1] != "{" and "]={" not in value):
        return set()
    body = value.partition("]={")[2] or value
    return {(each,) for each in re.findall(r'[^\s{}\[\]",]+', body)}


def _old_keys(copies: Copies, name: str, columns: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {
        tuple(map(str, copies.closure.members[identity].row.key(columns)))
        for identity in copies.rows
        if identity[0] == name
    }
