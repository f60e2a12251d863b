"""What the guard of a PostgreSQL database lacks: triggers that the tables need now, and rights of its owner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.sources.guarding import Watched
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.guard.sql import DELETE, NAME, SCHEMA, TRUNCATE, GuardedTable
from holdfast.sources.postgres.guard.tables import tables_there
from holdfast.sources.postgres.names import qualified, quote

_STANDING = f"""
SELECT n.nspname::text, c.relname::text, (t.tgtype & 1) = 1
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace s ON s.oid = p.pronamespace
WHERE t.tgname = '{DELETE}' AND s.nspname = '{SCHEMA}'
"""
# TRUNCATE is kept by reading the table as the owner of the function; for DELETE the server hands the rows over
_POWERLESS = f"""
SELECT format('%I.%I', rn.nspname, r.relname), n.nspname::text, c.relname::text, o.rolname::text,
  has_schema_privilege(o.oid, n.oid, 'USAGE'), has_table_privilege(o.oid, c.oid, 'SELECT'),
  c.relrowsecurity AND NOT o.rolsuper AND NOT o.rolbypassrls
    AND (c.relforcerowsecurity OR NOT pg_has_role(o.oid, c.relowner, 'USAGE')),
  has_schema_privilege(o.oid, s.oid, 'USAGE') AND has_table_privilege(o.oid, to_regclass('{NAME}'), 'INSERT')
FROM (SELECT DISTINCT tgrelid, tgfoid FROM pg_trigger WHERE tgname = '{TRUNCATE}') t
  JOIN pg_class c ON c.oid = t.tgrelid AND c.relkind = 'r' JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid) JOIN pg_namespace rn ON rn.oid = r.relnamespace
  JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace s ON s.oid = p.pronamespace AND s.nspname = '{SCHEMA}'
  JOIN pg_roles o ON o.oid = p.proowner
ORDER BY 1, 2, 3
"""


def lacking(connection: Connection, names: Sequence[str]) -> Iterator[Watched]:
    """See sources.guarding.Guard."""
    found = tables_there(connection, names)
    there = {(schema, name): by_row for schema, name, by_row in connection.execute(_STANDING.encode())}
    known = set()
    for table in found:
        row = connection.execute("SELECT format('%%I.%%I', %s::text, %s::text)", (table.schema, table.name)).fetchone()
        label = row[0] if row else table.sql
        known.add(label)
        if gaps := tuple(_gaps(table, there)):
            yield Watched(table=label, gaps=gaps, guarded=(table.schema, table.name) in there)
    for name in names:
        if name not in known:
            yield Watched(table=name, gaps=("the table is gone",), guarded=False)


def _gaps(table: GuardedTable, there: dict[tuple[str, str], bool]) -> Iterator[str]:
    by_row = there.get((table.schema, table.name))
    if by_row is None:
        yield "not guarded: deletes from it are not kept"
    elif table.by_row and not by_row:
        yield "tables inherit from it since: what is deleted from them through it is kept without their own columns"


def powerless(connection: Connection) -> dict[str, list[str]]:
    """By table: what its guard may not do any more, so that the application's own statement is refused."""
    gaps: dict[str, list[str]] = {}
    for label, schema, name, owner, enters, reads, hidden, writes in connection.execute(_POWERLESS.encode()):
        place, told = qualified(schema, name), gaps.setdefault(label, [])
        if not writes:
            told.append(f"every delete is refused: {owner}, who owns the guard's functions, may not write {NAME}")
        if not enters or not reads:
            right = f"USAGE ON SCHEMA {quote(schema)}" if not enters else f"SELECT ON {place}"
            told.append(f"TRUNCATE is refused: {owner}, who owns the guard, may not read it; GRANT {right}"
                        f" TO {quote(owner)}")  # fmt: skip
        if hidden:
            told.append(f"TRUNCATE is refused: row security hides rows from {owner}, who owns the guard;"
                        f" ALTER ROLE {quote(owner)} BYPASSRLS, or install as the owner of the table")  # fmt: skip
    return gaps
