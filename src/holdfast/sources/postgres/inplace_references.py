"""Reads how the tables of a living database hang together: by foreign keys, and as parts of one another."""

from __future__ import annotations

from collections import defaultdict

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Living, Name, Reference
from holdfast.sources.postgres.names import quote

# SQL of " COLLATE …" for the oid of a collation, "" for none
COLLATE = (
    "coalesce((SELECT ' COLLATE ' || pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)"
    " FROM pg_catalog.pg_collation co JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace"
    " WHERE co.oid = {}), '')"
)


def read_references(connection: Connection, by_oid: dict[int, Living]) -> list[Reference]:
    """The foreign keys between these relations; of one that parts of a table share, the one of the whole."""
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
        f" (SELECT array_agg({COLLATE.format('a.attcollation')} ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY"
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


def read_ancestors(connection: Connection, by_oid: dict[int, Living]) -> dict[Name, frozenset[Name]]:
    """For each partition every table it is a part of, near or far."""
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
