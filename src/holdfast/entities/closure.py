"""Every row that belongs to one entity, each with the reason it is in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.entities.graph import Edge, Graph, Structure
from holdfast.model.records import Key, Row, Table, Value
from holdfast.model.sameness import typed

Identity = tuple[str, Key, Key]
"""Table, key, and the key told apart by its types where that is needed, else ()."""


class Rows(Structure, Protocol):
    """What rows are asked of: a Book, or a transaction within one (``Within``)."""

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """See sources.records.Book."""
        ...

    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book."""
        ...

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See sources.records.Book."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``rows`` in all, ``depth`` of edges, and the ``share`` of a large table one edge may reach (None: any)."""

    rows: int
    depth: int
    share: float | None = None


@dataclass(slots=True, kw_only=True)
class Member:
    """``role``: "owned" belongs to the entity; "parent", "shared": named by it; "linked": names it from outside.

    ``edge`` and ``origin`` tell how it was reached; None for the root. ``lost``: why columns of now would not
    hold the same.
    """

    table: str
    identity: Identity
    row: Row
    role: str
    edge: Edge | None = None
    origin: Member | None = None
    lost: str = ""

    @property
    def depth(self) -> int:
        """How many edges lie between it and the root."""
        count, at = 0, self
        while at.origin is not None:
            count, at = count + 1, at.origin
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class UserReference:
    """A row of the entity names a row that is not taken along: ``key`` by the edge's columns.

    ``row``: what it was; None where the book does not hold it.
    """

    member: Member
    edge: Edge
    key: Key
    row: Row | None = None


@dataclass(slots=True, kw_only=True)
class Closure:
    """``members`` in the order they were reached, the root first."""

    graph: Graph
    members: dict[Identity, Member] = field(default_factory=dict)
    users: list[UserReference] = field(default_factory=list)
    keys: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], Member]] = field(default_factory=dict, repr=False)
    """Members by what they are referred to with; filled by ``matching`` as it is asked for."""
    spelled: dict[tuple[str, tuple[str, ...]], dict[Key, Member]] = field(default_factory=dict, repr=False)
    naming: dict[Identity, list[Edge]] = field(default_factory=dict, repr=False)
    """Edges by which rows from outside name rows of the entity, as the book that was asked compares values."""

    @property
    def root(self) -> Member:
        """The row itself."""
        return next(iter(self.members.values()))

    def links(self) -> Iterator[tuple[Member, list[Edge]]]:
        """Rows outside that name rows of the entity, each with the edges it does so by."""
        for identity, edges in self.naming.items():
            if (member := self.members[identity]).role != "owned":
                yield member, list(dict.fromkeys(edges))

    def linked(self) -> dict[str, int]:
        """How many such rows there are, by table."""
        found: dict[str, int] = {}
        for member, _ in self.links():
            found[member.table] = found.get(member.table, 0) + 1
        return found

    def by_table(self, *roles: str) -> dict[str, list[Member]]:
        """Members by table; only of these roles when some are given."""
        found: dict[str, list[Member]] = {}
        for member in self.members.values():
            if not roles or member.role in roles:
                found.setdefault(member.table, []).append(member)
        return found

    def counts(self, *roles: str) -> dict[str, int]:
        """Rows by table."""
        return {name: len(members) for name, members in self.by_table(*roles).items()}


def identity_of(table: Table, row: Row) -> Identity:
    """What makes a row this one: its key, or without one all of its values."""
    return identity_for(table.name, row.key(table.key) if table.key else tuple(row.values.values()), not table.key)


def identity_for(table: str, key: Key, whole: bool = False) -> Identity:
    """``identity_of`` by the key alone; ``whole``: it is all values of a row without one."""
    same = typed(key, exact=whole)
    return table, key, () if same is key else same


def reasons(member: Member) -> list[str]:
    """The path that brought a row in, from the root on."""
    path: list[str] = []
    at: Member | None = member
    while at is not None:
        path.append(_spoken(at))
        at = at.origin
    return path[::-1]


def _spoken(member: Member) -> str:
    key = ",".join(str(value) for value in member.identity[1][:4])
    edge = f" by {member.edge.name} ({member.role})" if member.edge else ""
    return f"{member.table} {key}{edge}"
