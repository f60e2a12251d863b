"""The rows of an entity are found by following its edges from the root; a limit stops graphs that run away."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from holdfast.entities.closure import Closure, Identity, Limits, Member, Rows, UserReference, identity_for, identity_of
from holdfast.entities.graph import Edge, Graph
from holdfast.entities.paths import keys_at, together
from holdfast.model.errors import UsageError
from holdfast.model.records import Key, Row, Table, Value
from holdfast.model.sameness import typed

_FLOOR_ROWS = 10_000
_HEX = re.compile(r"[0-9a-fA-F]{24}")
_RANK = {"linked": 0, "parent": 1, "shared": 1, "owned": 2}


def closure_of(rows: Rows, graph: Graph, root: Row, limits: Limits) -> Closure:
    """Follow the edges from ``root``. UsageError, with the edge named, when a limit is passed."""
    return _Search(rows, graph, limits).run(root)


class _Search:
    def __init__(self, rows: Rows, graph: Graph, limits: Limits) -> None:
        self._rows, self._graph, self._limits = rows, graph, limits
        self._found = Closure(graph=graph)
        self._reached: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def run(self, root: Row) -> Closure:
        table = self._graph.root
        first = Member(table=table.name, identity=identity_of(table, root), row=root, role="owned")
        self._found.members[first.identity] = first
        frontier, depth = [first], 0
        while frontier:
            depth += 1
            frontier = [new for group in _by_table(frontier) for new in self._step(group)]
            if frontier and depth > self._limits.depth:
                raise _runaway(frontier[0].edge, f"it leads more than {self._limits.depth} edges away from the root",
                               "raise limit_depth, or declare the edge as parent")  # fmt: skip
        self._found.users = self._users()
        return self._found

    def _step(self, group: list[Member]) -> Iterator[Member]:
        """What the edges of rows of one table and role lead to."""
        name, role = group[0].table, group[0].role
        if role == "owned":
            for edge in self._graph.below(name):
                yield from self._down(edge, group)
        if role != "linked":
            for edge in self._graph.above(name):
                if edge.up != "reference":
                    yield from self._up(edge, group)

    def _down(self, edge: Edge, group: list[Member]) -> Iterator[Member]:
        reference = edge.reference
        self._require_held(edge, group[0])
        origins: dict[Key, tuple[Key, Member]] = {}
        for member in group:
            key = member.row.key(reference.to_columns)
            if None not in key:
                for form in self._forms(edge, key):
                    origins.setdefault(typed(form), (form, member))
        table = self._rows.tables[reference.table]
        columns, tail = self._when(edge)
        wanted = [key + tail for key, _ in origins.values()]
        found = self._rows.find(table, reference.columns + columns, wanted) if wanted else iter(())
        if together(reference.columns):  # the database looked for each value anywhere in the array
            texts = {tuple(map(str, key)) for key, _ in origins.values()}
            found = (r for r in found if any(tuple(map(str, key)) in texts for key in keys_at(r, reference.columns)))
        yield from self._take(edge, table, found, lambda row: keys_at(row, reference.columns), origins, edge.down)

    def _require_held(self, edge: Edge, member: Member) -> None:
        """What rows are referred to with has to be in them: a computed column may not be."""
        computed = {column.name for column in self._rows.tables[member.table].columns if column.generated}
        if unknown := [name for name in edge.reference.to_columns if name in computed - member.row.values.keys()]:
            raise UsageError(
                f"{edge.name} leads to a column that the database computes, so its rows cannot be found",
                where=f"{member.table}.{unknown[0]}", hint="declare an edge to another unique column of that table",
            )

    def _up(self, edge: Edge, group: list[Member]) -> Iterator[Member]:
        reference = edge.reference
        table = self._rows.tables[reference.to]
        origins: dict[Key, tuple[Key, Member]] = {}
        for member in group:
            for key in self._named(edge, member.row):
                origins.setdefault(typed(key), (key, member))
        own, known = reference.to_columns == table.key, self._found.members
        wanted = [
            key for key, _ in origins.values()
            if not own or (one := known.get(identity_for(table.name, key))) is None or _RANK[one.role] < _RANK[edge.up]
        ]
        found = self._rows.find(table, reference.to_columns, wanted) if wanted else ()
        yield from self._take(edge, table, found, lambda row: [row.key(reference.to_columns)], origins, edge.up)

    def _take(
        self, edge: Edge, table: Table, found: Iterable[Row], keys_of: Callable[[Row], list[Key]],
        origins: Mapping[Key, tuple[Key, Member]], role: str,
    ) -> Iterator[Member]:  # fmt: skip
        seen: dict[Identity, int] = {}
        for row in _some(found, self._limits.rows + 1):
            identity = identity_of(table, row)
            if not table.key:
                number = seen[identity] = seen.get(identity, 0) + 1
                identity = (table.name, (*identity[1], number), identity[2])
            known = self._found.members.get(identity)
            if role == "linked":
                self._found.naming.setdefault(identity, []).append(edge)
            origin = next((origins[same][1] for key in keys_of(row) if (same := typed(key)) in origins), None)
            origin = origin or next(iter(origins.values()))[1]
            if known is not None:
                if _RANK[role] > _RANK[known.role]:
                    known.role, known.edge, known.origin = role, edge, origin
                    yield known
                continue
            member = Member(table=table.name, identity=identity, row=row, role=role, edge=edge, origin=origin)
            self._found.members[identity] = member
            self._count(edge, table)
            yield member

    def _count(self, edge: Edge, table: Table) -> None:
        if len(self._found.members) > self._limits.rows:
            raise _runaway(edge, f"with it there are more than {self._limits.rows:,} rows",
                           "raise the limit with --limit-rows, or declare the edge as parent or reference")  # fmt: skip
        name = edge.reference.name
        reached = self._reached[name] = self._reached.get(name, 0) + 1
        share = self._limits.share
        if share is not None and reached > _FLOOR_ROWS and reached > self._size(table) * share:
            raise _runaway(edge, f"it reaches more than {share:.0%} of the {self._size(table):,} rows of {table.name}",
                           "declare the edge as parent or reference, or raise limit_share")  # fmt: skip

    def _size(self, table: Table) -> int:
        """Counted only when an edge reaches very many rows and the book does not know."""
        if table.name not in self._sizes:
            known = table.rows
            self._sizes[table.name] = sum(1 for _ in self._rows.rows(table)) if known is None else known
        return self._sizes[table.name]

    def _named(self, edge: Edge, row: Row) -> list[Key]:
        """The keys a row gives for an edge, as the table it leads to holds them."""
        for column, value in edge.reference.when:
            if str(row.values.get(column)) != value:
                return []
        keys = keys_at(row, edge.reference.columns)
        if not keys or not edge.inside:
            return keys
        table = self._rows.tables[edge.reference.to]
        return [key for each in keys if (key := self._typed(table, edge.reference.to_columns, each)) is not None]

    def _typed(self, table: Table, columns: tuple[str, ...], key: Key) -> Key | None:
        """What stood in JSON, as the column would hold it."""
        try:
            return tuple(
                self._rows.parse(table, column, value) if isinstance(value, str) and table.columns else value
                for column, value in zip(columns, key, strict=True)
            )
        except UsageError:
            return None

    def _forms(self, edge: Edge, key: Key) -> list[Key]:
        """A document may hold the id of another as the text of it, or a text as the id it spells."""
        if self._rows.tables[edge.reference.table].columns:
            return [key]
        table = self._rows.tables[edge.reference.to]
        return _forms_of(key, lambda text: self._rows.parse(table, edge.reference.to_columns[0], text))

    def _when(self, edge: Edge) -> tuple[tuple[str, ...], Key]:
        table = self._rows.tables[edge.reference.table]
        columns = tuple(column for column, _ in edge.reference.when)
        return columns, tuple(self._rows.parse(table, column, text) for column, text in edge.reference.when)

    def _users(self) -> list[UserReference]:
        """References of the rows found to rows that are not taken along."""
        edges = {name: [e for e in self._graph.above(name) if e.up == "reference"] for name in self._rows.tables}
        found = [
            UserReference(member=member, edge=edge, key=key)
            for member in self._found.members.values()
            if member.role != "linked"
            for edge in edges.get(member.table, ())
            for key in self._named(edge, member.row)
        ]
        wanted: dict[tuple[str, tuple[str, ...]], dict[Key, Key]] = {}
        for each in found:
            reference = each.edge.reference
            wanted.setdefault((reference.to, reference.to_columns), {})[typed(each.key)] = each.key
        rows = {
            (name, columns, typed(row.key(columns))): row
            for (name, columns), keys in wanted.items()
            if (table := self._rows.tables.get(name)) is not None
            for row in self._rows.find(table, columns, list(keys.values()))
        }
        return [
            replace(each, row=rows.get((each.edge.reference.to, each.edge.reference.to_columns, typed(each.key))))
            for each in found
        ]


def _forms_of(key: Key, parse: Callable[[str], Value]) -> list[Key]:
    """The key, and for a text or what is written as one its other form."""
    found = [key]
    if len(key) == 1:
        with suppress(UsageError):
            text = key[0] if isinstance(key[0], str) else None
            other = str(key[0]) if text is None else parse(text) if _HEX.fullmatch(text) else text
            if other != key[0]:
                found.append((other,))
    return found


def _some(found: Iterable[Row], most: int) -> list[Row]:
    """Not more than a limit allows anyway; the question is ended before anybody raises."""
    try:
        return list(islice(found, most))
    finally:
        if isinstance(found, Generator):
            found.close()


def _by_table(members: Sequence[Member]) -> list[list[Member]]:
    groups: dict[tuple[str, str], list[Member]] = {}
    for member in members:
        groups.setdefault((member.table, member.role), []).append(member)
    return list(groups.values())


def _runaway(edge: Edge | None, why: str, hint: str) -> UsageError:
    name = edge.name if edge else "the root"
    return UsageError(f"too much would belong to this entity: {name} leads too far", where=name, why=why, hint=hint)
