"""Which tables belong to an entity, and how: edges inferred from foreign keys, and those that were declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.entities.naming import is_known, split_column, table_named
from holdfast.entities.ordering import is_path, spoken
from holdfast.model.errors import UsageError
from holdfast.model.records import Column, Reference, Table

_USERS = re.compile(
    r"(auth_|app_|site_)?(users?|accounts?|members?|people|persons?|customers?|admins?|staff|employees|logins)\Z",
    re.IGNORECASE,
)
_FEW_ROWS = 5_000
_MANY_EDGES = 2


class Structure(Protocol):
    """What a graph is read from: every Book."""

    @property
    def tables(self) -> Mapping[str, Table]:
        """See sources.records.Book."""
        ...

    @property
    def references(self) -> Sequence[Reference]:
        """See sources.records.Book."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """``reference`` leads from a row to the one it names.

    ``kind`` as in ``declared.KINDS``. ``down``: "owned" or "linked" rows that name a row of the entity come with it.
    ``up``: what a row is to the entity that one of its rows names: "parent", "shared", "reference"; "" not followed.
    """

    reference: Reference
    kind: str
    down: str = ""
    up: str = ""
    declared: bool = False

    @property
    def inside(self) -> bool:
        """Whether it leads out of the inside of a value: the database knows nothing of it."""
        return any(is_path(column) for column in self.reference.columns)

    @property
    def name(self) -> str:
        """``registrations.event -> events.id``."""
        return spoken(self.reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Edges among the tables around ``root``. ``blobs``: columns that name what is kept elsewhere."""

    root: Table
    edges: tuple[Edge, ...]
    blobs: tuple[tuple[str, str], ...] = ()

    def below(self, table: str) -> Iterator[Edge]:
        """Edges that lead to rows coming with a row of ``table``."""
        return (edge for edge in self.edges if edge.reference.to == table and edge.down)

    def above(self, table: str) -> Iterator[Edge]:
        """Edges from a row of ``table`` to what it names."""
        return (edge for edge in self.edges if edge.reference.table == table and edge.up)

    @property
    def owned(self) -> tuple[str, ...]:
        """Tables that can hold rows of the entity."""
        names = {self.root.name: None}
        names |= {edge.reference.table: None for edge in self.edges if edge.down == "owned"}
        return tuple(names)


def graph_of(structure: Structure, entity: Declaration, *, where: str = "", saved: bool = False) -> Graph:
    """The graph around the entity's root table. UsageError for what is declared and not there.

    ``saved``: in a snapshot tables may be missing that came later, or held nothing of this entity.
    """
    root = table_named(structure.tables, entity.root, where=f"{where} root".strip())
    declared, blobs = _declared(structure.tables, entity, where, saved=saved)
    told = {(edge.reference.table, edge.reference.columns, edge.reference.when): edge for edge in declared}
    open_references = []
    for reference in structure.references:
        if reference.table not in structure.tables or reference.to not in structure.tables:
            continue  # a snapshot of some tables
        given = told.get((reference.table, reference.columns, ()))
        if given is None:
            open_references.append(reference)
        else:
            known = replace(given.reference, name=reference.name, on_delete=reference.on_delete,
                            deferrable=reference.deferrable, nullable=reference.nullable)  # fmt: skip
            told[reference.table, reference.columns, ()] = replace(given, reference=known)
    edges = _inferred(structure.tables, root, [*told.values()], open_references)
    return Graph(root=root, edges=tuple(edges), blobs=tuple(blobs))


def _declared(
    tables: Mapping[str, Table], entity: Declaration, where: str, *, saved: bool
) -> tuple[list[Edge], list[tuple[str, str]]]:
    edges, blobs = [], []
    for number, each in enumerate(entity.edges):
        place = f"{where} edges[{number}]".strip()
        named = (*each.from_, *(each.to if each.kind != "blob" else ()))
        if saved and not all(is_known(tables, text) for text in named):
            continue
        froms = [split_column(tables, text, where=place) for text in each.from_]
        if not all(column for _, column in froms) or len({table.name for table, _ in froms}) != 1:
            raise UsageError(f"{' '.join(each.from_)} is no column", where=place, hint='write from = "table.column"')
        if each.kind == "blob":
            blobs += [(table.name, column) for table, column in froms]
            continue
        edges.append(_edge(tables, each, froms[0][0], tuple(column for _, column in froms), place))
    return edges, blobs


def _edge(
    tables: Mapping[str, Table], each: DeclaredEdge, table: Table, columns: tuple[str, ...], place: str
) -> Edge:
    tos = [split_column(tables, text, where=place) for text in each.to]
    to = tos[0][0]
    to_columns = tuple(column for _, column in tos) if tos[0][1] else to.key
    if len(to_columns) != len(columns) or not all(to_columns) or {found.name for found, _ in tos} != {to.name}:
        raise UsageError(
            f"{' '.join(each.from_)} and {' '.join(each.to)} do not fit together", where=place,
            why=f"{len(columns)} columns name a key of {len(to_columns)}: {', '.join(to_columns) or 'none'}",
            hint='give lists of the same length: from = ["seats.event", "seats.row"]  to = ["rows.event", "rows.no"]',
        )  # fmt: skip
    known = {column.name: column for column in table.columns}
    reference = Reference(
        name=f"declared {'+'.join(each.from_)}",
        table=table.name,
        columns=columns,
        to=to.name,
        to_columns=to_columns,
        nullable=any(known.get(column, Column(name=column)).nullable for column in columns),
        when=((each.when["column"], each.when["equals"]),) if each.when else (),
    )
    down = {"owned": "owned", "reference": "linked"}.get(each.kind, "")
    up = {"owned": "parent"}.get(each.kind, each.kind)
    return Edge(reference=reference, kind=each.kind, down=down, up=up, declared=True)


def _inferred(
    tables: Mapping[str, Table], root: Table, declared: Sequence[Edge], references: Sequence[Reference]
) -> list[Edge]:
    """Down from the root along what cannot be without it; from all of that upwards to what it needs."""
    edges = list(declared)
    users = _user_tables(references, declared) - {root.name}
    owned, left = {root.name}, list(references)
    waiting = [root.name]
    while waiting:
        name = waiting.pop()
        found = [edge.reference.table for edge in declared if edge.down == "owned" and edge.reference.to == name]
        for reference in [each for each in left if each.to == name]:
            if reference.table not in users and _is_strong(tables, reference):
                left.remove(reference)
                edges.append(Edge(reference=reference, kind="owned", down="owned", up="parent"))
                found.append(reference.table)
        waiting += [each for each in dict.fromkeys(found) if each not in owned]
        owned.update(found)
    edges += [edge for each in left if (edge := _loose(tables, each, owned, users, references)) is not None]
    edges = [edge for edge in edges if edge.down != "owned" or edge.reference.to in owned]
    edges += _parents_of_parents(left, edges, owned, users)
    above = {edge.reference.to for edge in edges if edge.up in ("parent", "shared")} - owned
    # a row outside that is made again because one of the entity needs it needs what it names itself
    return [edge if edge.up or edge.reference.table not in above else replace(edge, up="parent") for edge in edges]


def _loose(
    tables: Mapping[str, Table], each: Reference, owned: set[str], users: set[str], all_: Sequence[Reference]
) -> Edge | None:
    """What does not own: a row that names one of the entity, or one the entity names."""
    inside, names_inside = each.table in owned, each.to in owned
    if not inside:
        return Edge(reference=each, kind="reference", down="linked") if names_inside else None
    if names_inside:
        return Edge(reference=each, kind="parent", down="linked", up="parent")
    if each.to in users:
        return Edge(reference=each, kind="reference", up="reference")
    return Edge(reference=each, kind=(kind := _upward(tables, each, all_)), up=kind)


def _upward(tables: Mapping[str, Table], each: Reference, references: Sequence[Reference]) -> str:
    to = tables[each.to]
    from_ = {other.table for other in references if other.to == each.to and other.table != each.to}
    natural = any(set(unique) != set(each.to_columns) for unique in to.unique)
    is_small = to.rows is None or to.rows <= _FEW_ROWS
    shared = natural and is_small and (len(from_) >= _MANY_EDGES or _is_join(tables[each.table], references))
    return "shared" if shared else "parent"


def _parents_of_parents(
    left: Sequence[Reference], edges: Sequence[Edge], owned: set[str], users: set[str]
) -> list[Edge]:
    """A parent that has to be made again needs its own parents."""
    known = {edge.reference.name for edge in edges}
    reached = {edge.reference.to for edge in edges if edge.up in ("parent", "shared")} - owned
    found: list[Edge] = []
    waiting = list(reached)
    while waiting:
        name = waiting.pop()
        for each in left:
            if each.table == name and each.name not in known:
                known.add(each.name)
                kind = "reference" if each.to in users else "parent"
                found.append(Edge(reference=each, kind=kind, up=kind))
                if each.to not in reached | owned | users:
                    reached.add(each.to)
                    waiting.append(each.to)
    return found


def _user_tables(references: Sequence[Reference], declared: Sequence[Edge]) -> set[str]:
    """Tables of people: named like it, and named by more than one other table; or declared so."""
    pointing: dict[str, set[str]] = {}
    for each in references:
        pointing.setdefault(each.to, set()).add(each.table)
    named = [edge.reference.to for edge in declared if edge.kind == "reference"]
    told = {name for name in named if _USERS.match(_bare(name))}
    return told | {
        name for name, tables in pointing.items() if len(tables - {name}) >= _MANY_EDGES and _USERS.match(_bare(name))
    }


def _is_strong(tables: Mapping[str, Table], reference: Reference) -> bool:
    """A row that cannot be without the one it names."""
    if reference.on_delete == "cascade":
        return True
    if reference.table == reference.to:
        return False
    return not reference.nullable or _part_of_key(tables[reference.table], reference)


def _part_of_key(table: Table, reference: Reference) -> bool:
    return bool(table.key) and set(reference.columns) <= set(table.key)


def _is_join(table: Table, references: Sequence[Reference]) -> bool:
    """A table whose key is made of references: rows that only connect others."""
    columns = {column for each in references if each.table == table.name for column in each.columns}
    return len(table.key) > 1 and set(table.key) <= columns


def _bare(name: str) -> str:
    return name.rpartition(".")[2]
