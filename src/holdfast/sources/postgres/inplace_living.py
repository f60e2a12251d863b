"""What a restore into a living database knows of it: its tables, their columns, keys and references."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.sources.postgres.names import qualified, quote

Name = tuple[str, str]

# Types whose equality is identity of every bit; all others are compared by how they are written.
_EXACT = frozenset({"bool", "int2", "int4", "int8", "oid", "bytea", "uuid", "date", "time", "timestamp", "timestamptz"})
_EXACT_TEXT = frozenset({"text", "varchar", "name"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column now. ``base``: its type's name, domains looked through. ``identity`` "a" always, "d" by default."""

    name: str
    type: str
    base: str
    generated: bool
    identity: str
    required: bool
    has_default: bool

    def differs(self, left: str, right: str) -> str:
        """SQL: whether the column of two rows is not the same to the last bit."""
        a, b = f"{left}.{quote(self.name)}", f"{right}.{quote(self.name)}"
        if self.base in _EXACT:
            return f"{a} IS DISTINCT FROM {b}"
        if self.base in _EXACT_TEXT:
            return f'{a} COLLATE "C" IS DISTINCT FROM {b} COLLATE "C"'
        return f"""pg_catalog.format('%L', {a}) COLLATE "C" <> pg_catalog.format('%L', {b}) COLLATE "C\""""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """A column of a key, compared as its index does it: SQL of the operator and of the order of letters (or "")."""

    name: str
    operator: str
    collate: str


@dataclass(slots=True, kw_only=True)
class Living:
    """A relation that exists. ``item``: what a snapshot calls it.

    ``key``: columns of a key that no row lacks, empty if none. ``triggers`` and ``rules`` that are switched on, each
    with how; ``system`` triggers of its keys only where that is not how they come. ``ruled``: it has rules.
    ``member``: it belongs to an extension. ``condition``: the rows of an extension's table that are the user's, None
    for any other table. ``deferrable``: indexes (as SQL) that are unique only at the end of a statement or
    transaction. ``cascades``: deleting rows changes rows of other tables, ``followed``: so does updating these
    columns, and this role cannot keep that from happening.
    """

    name: Name
    item: bytes
    oid: int
    relkind: str
    owned: bool
    columns: dict[str, Column] = field(default_factory=dict)
    key: list[KeyColumn] = field(default_factory=list)
    triggers: list[tuple[str, str]] = field(default_factory=list)
    system: list[tuple[str, str]] = field(default_factory=list)
    rules: list[tuple[str, str]] = field(default_factory=list)
    ruled: bool = False
    member: bool = False
    condition: str | None = None
    deferrable: list[str] = field(default_factory=list)
    cascades: bool = False
    followed: frozenset[str] = frozenset()

    def meddlers(self, *, may_bypass: bool) -> bool:
        """Whether a rule or a trigger may fire for rows that a restore writes."""
        if may_bypass:
            return self.ruled or any(enabled in "AR" for _, enabled in self.triggers)
        return self.ruled or bool(self.triggers and not self.owned)

    def firing(self, *, may_bypass: bool) -> list[tuple[str, str, str]]:
        """What fires for rows that a restore writes, unless it is kept still: TRIGGER or RULE, its name, how it is on.

        A session that bypasses triggers passes for a replica: there the ones for replicas fire, too.
        """
        modes = "AR" if may_bypass else "OA"
        triggers = [*self.triggers, *(self.system if may_bypass else [])]
        each = [("TRIGGER", triggers), ("RULE", self.rules)]
        return [(kind, name, enabled) for kind, found in each for name, enabled in found if enabled in modes]

    @property
    def sql(self) -> str:
        """Quoted for SQL."""
        return qualified(*self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A foreign key of ``table``; deleting (``acts``) or updating (``follows``) in ``other`` changes its rows.

    ``collates``: SQL of the order of letters that each pair of columns is compared in, or "". ``period``: the last
    column holds a time that rows of ``other`` must cover together. ``deferrable``: it may be checked at the end.
    """

    name: str
    table: Name
    other: Name
    columns: tuple[str, ...]
    others: tuple[str, ...]
    operators: tuple[str, ...]
    collates: tuple[str, ...]
    period: bool
    whole: bool
    other_whole: bool
    acts: bool
    follows: bool
    checked: bool
    deferrable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything a restore asks about the living database."""

    relations: dict[Name, Living]
    references: tuple[Reference, ...]
    ancestors: dict[Name, frozenset[Name]]
    large_objects: int
    may_bypass: bool

    def around(self, tables: set[Name]) -> list[Reference]:
        """The foreign keys that have one of these tables (or what they are parts of) at either end."""
        wide = set(tables)
        for table in tables:
            wide |= self.ancestors.get(table, frozenset())
        return [found for found in self.references if found.table in wide or found.other in wide]

    def followed(self, table: Name) -> frozenset[str]:
        """Columns of this table (or of what it is a part of) that rows elsewhere follow when they are updated."""
        wide = {table, *self.ancestors.get(table, ())}
        found = (reference.others for reference in self.references if reference.follows and reference.other in wide)
        return frozenset(column for columns in found for column in columns)

    def acting_on(self, table: Name) -> list[Reference]:
        """The foreign keys through which deleting rows of this table (or of what it is a part of) changes others."""
        wide = {table, *self.ancestors.get(table, ())}
        return [found for found in self.references if found.acts and found.other in wide]
