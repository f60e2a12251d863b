"""What a living database looks like to a restore that goes into it: its tables, their columns, keys and references."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import psycopg

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.names import qualified, quote

Name = tuple[str, str]

# SQL of " COLLATE …" for the oid of a collation, "" for none
_COLLATE = (
    "coalesce((SELECT ' COLLATE ' || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)"
    " FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace"
    " WHERE co.oid = {}), '')"
)

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


def read_catalog(connection: Connection) -> Catalog:
    """Read it in one go; nothing is locked."""
    relations = _relations(connection)
    by_oid = {relation.oid: relation for relation in relations.values()}
    _columns(connection, by_oid)
    _keys(connection, by_oid)
    _triggers(connection, by_oid)
    _deferrable(connection, by_oid)
    count = connection.execute("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata").fetchone()
    catalog = Catalog(
        relations=relations,
        references=tuple(_references(connection, by_oid)),
        ancestors=_ancestors(connection, by_oid),
        large_objects=int(count[0]) if count else 0,
        may_bypass=may_bypass(connection),
    )
    for relation in relations.values():
        if not catalog.may_bypass:
            relation.cascades = bool(catalog.acting_on(relation.name))
            relation.followed = catalog.followed(relation.name)
    return catalog


def may_bypass(connection: Connection) -> bool:
    """Whether this role may keep triggers and foreign keys from firing."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL session_replication_role = replica")
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def keep_still(connection: Connection, catalog: Catalog) -> None:
    """Keep triggers of every kind from firing in this session (temporary tables are DDL too), where that is allowed."""
    if catalog.may_bypass:
        connection.execute("SET session_replication_role = replica")


def _relations(connection: Connection) -> dict[Name, Living]:
    rows = connection.execute(
        "SELECT n.nspname, c.relname, c.oid::bigint, c.relkind::text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),"
        " pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relhasrules,"
        " EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass"
        "  AND d.objid = c.oid AND d.deptype = 'e'),"
        " (SELECT coalesce(u.condition, '') FROM pg_catalog.pg_extension e, unnest(e.extconfig, e.extcondition)"
        "   u(oid, condition) WHERE u.oid = c.oid)"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> ALL (%s)",
        (["information_schema", CONTINUITY_SCHEMA],),
    ).fetchall()
    codec = "latin-1" if connection.info.parameter_status("server_encoding") == "SQL_ASCII" else "utf-8"
    return {
        (schema, name): Living(
            name=(schema, name),
            item=label.encode(codec),
            oid=oid,
            relkind=kind,
            owned=owned,
            ruled=ruled,
            member=member,
            condition=condition,
        )
        for schema, name, oid, kind, owned, label, ruled, member, condition in rows
    }


def _columns(connection: Connection, by_oid: dict[int, Living]) -> None:
    rows = connection.execute(
        "WITH RECURSIVE base(oid, type) AS (SELECT oid, oid FROM pg_catalog.pg_type WHERE typtype <> 'd' UNION ALL"
        " SELECT t.oid, b.type FROM pg_catalog.pg_type t JOIN base b ON b.oid = t.typbasetype WHERE t.typtype = 'd')"
        " SELECT a.attrelid::bigint, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),"
        " CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END, a.attgenerated <> '',"
        " a.attidentity::text, a.attnotnull, a.atthasdef OR a.attidentity <> ''"
        " FROM pg_catalog.pg_attribute a JOIN base b ON b.oid = a.atttypid JOIN pg_catalog.pg_type t ON t.oid = b.type"
        " WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY(%s::oid[]) ORDER BY a.attrelid, a.attnum",
        ([oid for oid, found in by_oid.items() if found.relkind in "rp"],),
    )
    for oid, name, kind, base, generated, identity, required, default in rows:
        by_oid[oid].columns[name] = Column(
            name=name,
            type=kind,
            base=base,
            generated=generated,
            identity=identity,
            required=required,
            has_default=default,
        )


def _keys(connection: Connection, by_oid: dict[int, Living]) -> None:
    """The primary key, else the smallest unique index over columns that are never NULL."""
    rows = connection.execute(
        "SELECT i.indrelid::bigint, i.indexrelid::bigint, a.attname, a.attnotnull, n.nspname, o.oprname,"
        f" {_COLLATE.format('k.letters')}"
        " FROM pg_catalog.pg_index i"
        " CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[])"
        "  WITH ORDINALITY k(attnum, opclass, letters, position)"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass"
        " JOIN pg_catalog.pg_amop m ON m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype"
        "  AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3"
        " JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
        " WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL"
        "  AND k.position <= i.indnkeyatts AND c.opcmethod = (SELECT oid FROM pg_catalog.pg_am WHERE amname = 'btree')"
        " ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.position"
    ).fetchall()
    indexes: dict[tuple[int, int], list[KeyColumn]] = defaultdict(list)
    nullable = set()
    for table, index, column, required, schema, operator, collate in rows:
        equals = f"OPERATOR({quote(schema)}.{operator})"
        indexes[table, index].append(KeyColumn(name=column, operator=equals, collate=collate))
        if not required:
            nullable.add(index)
    for (table, index), columns in indexes.items():
        if index not in nullable and table in by_oid and not by_oid[table].key:
            by_oid[table].key = columns


def _triggers(connection: Connection, by_oid: dict[int, Living]) -> None:
    for oid, name, enabled, internal in connection.execute(
        "SELECT tgrelid::bigint, tgname, tgenabled::text, tgisinternal FROM pg_catalog.pg_trigger"
        " WHERE tgenabled <> 'D' AND NOT (tgisinternal AND tgenabled = 'O') ORDER BY tgname"
    ):
        if oid in by_oid:
            (by_oid[oid].system if internal else by_oid[oid].triggers).append((name, enabled))
    for oid, name, enabled in connection.execute(
        "SELECT ev_class::bigint, rulename, ev_enabled::text FROM pg_catalog.pg_rewrite"
        " WHERE ev_type <> '1' AND ev_enabled <> 'D' ORDER BY rulename"
    ):
        if oid in by_oid:
            by_oid[oid].rules.append((name, enabled))


def _deferrable(connection: Connection, by_oid: dict[int, Living]) -> None:
    for oid, schema, name in connection.execute(
        "SELECT i.indrelid::bigint, n.nspname, c.relname FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indimmediate ORDER BY 2, 3"
    ):
        if oid in by_oid:
            by_oid[oid].deferrable.append(qualified(schema, name))


def _references(connection: Connection, by_oid: dict[int, Living]) -> list[Reference]:
    enforced = "c.conenforced" if connection.info.server_version >= 180000 else "true"
    period = "c.conperiod" if connection.info.server_version >= 180000 else "false"
    rows = connection.execute(
        "SELECT c.conname, c.conrelid::bigint, c.confrelid::bigint,"
        " (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(att, n)"
        "   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.att),"
        " (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(att, n)"
        "   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.att),"
        " (SELECT array_agg(n.nspname || E'\\n' || o.oprname ORDER BY k.n) FROM unnest(c.conpfeqop) WITH ORDINALITY"
        "   k(op, n) JOIN pg_catalog.pg_operator o ON o.oid = k.op"
        "   JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace),"
        f" (SELECT array_agg({_COLLATE.format('a.attcollation')} ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY"
        "   k(att, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.att),"
        " c.confdeltype::text IN ('c', 'n', 'd'), c.confupdtype::text IN ('c', 'n', 'd'),"
        f" c.convalidated AND {enforced}, {period}, c.condeferrable"
        " FROM pg_catalog.pg_constraint c WHERE c.contype = 'f' AND c.conparentid = 0"
    ).fetchall()
    return [
        Reference(
            name=name,
            table=by_oid[table].name,
            other=by_oid[other].name,
            columns=tuple(columns),
            others=tuple(others),
            operators=tuple(_operator(text) for text in operators),
            collates=tuple(collates),
            period=period,
            whole=by_oid[table].relkind == "p",
            other_whole=by_oid[other].relkind == "p",
            acts=acts,
            follows=follows,
            checked=checked,
            deferrable=deferrable,
        )
        for name, table, other, columns, others, operators, collates, acts, follows, checked, period, deferrable in rows
        if table in by_oid and other in by_oid
    ]


def _operator(text: str) -> str:
    schema, _, name = text.partition("\n")
    return f"OPERATOR({quote(schema)}.{name})"


def _ancestors(connection: Connection, by_oid: dict[int, Living]) -> dict[Name, frozenset[Name]]:
    parents: dict[int, set[int]] = defaultdict(set)
    for child, parent in connection.execute(
        "SELECT i.inhrelid::bigint, i.inhparent::bigint FROM pg_catalog.pg_inherits i"
        " JOIN pg_catalog.pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'p'"
    ):
        parents[child].add(parent)
    found = {}
    for oid, relation in by_oid.items():
        above, waiting = set(), list(parents.get(oid, ()))
        while waiting:
            parent = waiting.pop()
            above.add(parent)
            waiting += parents.get(parent, ())
        if above:
            found[relation.name] = frozenset(by_oid[parent].name for parent in above if parent in by_oid)
    return found
