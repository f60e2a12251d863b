"""The tables that are to be under guard, with their partitions and all that inherits from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.guard.sql import SCHEMA, GuardedTable

_LABEL = "format('%%I.%%I', n.nspname, c.relname)"
_FIND = f"""
SELECT {_LABEL}, n.nspname::text, c.relname::text, c.relkind = 'p',
  c.relkind = 'p' OR c.relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid)),
  ARRAY(SELECT ARRAY[ln.nspname::text, l.relname::text] FROM pg_partition_tree(c.oid) p
    JOIN pg_class l ON l.oid = p.relid JOIN pg_namespace ln ON ln.oid = l.relnamespace
    WHERE p.isleaf AND l.relkind = 'r' ORDER BY 1),
  ARRAY(SELECT ARRAY[ln.nspname::text, l.relname::text] FROM (WITH RECURSIVE below(oid) AS (
      SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = c.oid AND c.relkind = 'r'
      UNION SELECT i.inhrelid FROM pg_inherits i JOIN below b ON i.inhparent = b.oid) SELECT oid FROM below) b
    JOIN pg_class l ON l.oid = b.oid JOIN pg_namespace ln ON ln.oid = l.relnamespace WHERE l.relkind = 'r' ORDER BY 1),
  row_security_active(c.oid),
  pg_partition_root(c.oid)::regclass::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND {_LABEL} = ANY(%s) AND n.nspname <> '{SCHEMA}'
"""


def tables_named(connection: Connection, names: Sequence[str]) -> list[GuardedTable]:
    """The tables with all that inherit from them. UsageError for one that cannot be guarded."""
    rows = _looked_up(connection, names)
    for name in names:
        if name not in rows:
            raise UsageError(f"there is no table {name} to guard", hint="names as holdfast show lists them")
        if rows[name][7]:
            raise UsageError(
                f"row security hides rows of {name} from this role", where=name,
                hint="install as the table's owner or as a role with BYPASSRLS, so that TRUNCATE can be kept whole",
            )  # fmt: skip
    return _with_inheriting(rows[name] for name in names)


def tables_there(connection: Connection, names: Sequence[str]) -> list[GuardedTable]:
    """As ``tables_named``, without those that are gone."""
    rows = _looked_up(connection, names)
    return _with_inheriting(rows[name] for name in names if name in rows)


def _looked_up(connection: Connection, names: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row for row in connection.execute(_FIND.encode(), (list(names),))}


def _with_inheriting(rows: Iterable[tuple[Any, ...]]) -> list[GuardedTable]:
    found: dict[str, GuardedTable] = {}
    for _, schema, bare, _, by_row, leaves, inheriting, _, _ in rows:
        table = GuardedTable(schema=schema, name=bare, by_row=by_row, leaves=tuple(map(tuple, leaves)))
        found[table.sql] = table
        for below_schema, below in inheriting:
            table = GuardedTable(schema=below_schema, name=below, by_row=True)
            found.setdefault(table.sql, table)
    return list(found.values())
