"""Looks at a living database before a restore goes into it: its tables, columns, keys, triggers and rules as of now."""

from __future__ import annotations

from collections import defaultdict

import psycopg

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Catalog, Column, KeyColumn, Living, Name
from holdfast.sources.postgres.inplace_references import COLLATE, read_ancestors, read_references
from holdfast.sources.postgres.items import CONTINUITY_SCHEMA
from holdfast.sources.postgres.names import qualified, quote


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
        references=tuple(read_references(connection, by_oid)),
        ancestors=read_ancestors(connection, by_oid),
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
        f" {COLLATE.format('k.letters')}"
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
