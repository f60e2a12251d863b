"""Which tables are under guard, and what their triggers would not see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.model.errors import UsageError
from holdfast.sources.guarding import Watched
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.guard.sql import DELETE, SCHEMA, TRUNCATE, GuardedTable

BLIND = (
    "deletes under session_replication_role = replica, and those that logical replication applies",
    "deletes while the triggers are disabled (ALTER TABLE … DISABLE TRIGGER)",
    "DROP TABLE, DROP SCHEMA, and a partition that is detached: take a backup first",
    "updates: what a row was before is in the snapshots only",
)

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
_STANDING = f"""
SELECT {_LABEL}, n.nspname::text, c.relname::text, c.relkind = 'p',
  bool_or(t.tgname = '{DELETE}'), bool_or(t.tgname = '{TRUNCATE}'),
  bool_or(t.tgenabled NOT IN ('O', 'A')),
  ARRAY(SELECT p.relid::regclass::text FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid
    WHERE p.isleaf AND l.relkind = 'r' AND NOT EXISTS (
      SELECT FROM pg_trigger o WHERE o.tgrelid = p.relid AND o.tgname = '{TRUNCATE}') ORDER BY 1),
  ARRAY(SELECT p.relid::regclass::text FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid
    WHERE p.isleaf AND (l.relkind = 'f' OR EXISTS (
      SELECT FROM pg_trigger o WHERE o.tgrelid = p.relid AND o.tgname = '{DELETE}' AND o.tgenabled NOT IN ('O', 'A')))
    ORDER BY 1)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgname IN ('{DELETE}', '{TRUNCATE}') AND t.tgfoid IN (
  SELECT p.oid FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace WHERE s.nspname = '{SCHEMA}')
GROUP BY c.oid, n.nspname, c.relname, c.relkind ORDER BY 1
"""


def tables_named(connection: Connection, names: Sequence[str]) -> list[GuardedTable]:
    """The tables with all that inherit from them. UsageError for one that cannot be guarded."""
    found: dict[str, GuardedTable] = {}
    rows = {row[0]: row for row in connection.execute(_FIND.encode(), (list(names),))}
    for name in names:
        if name not in rows:
            raise UsageError(f"there is no table {name} to guard", hint="names as holdfast show lists them")
        _, schema, bare, _, by_row, leaves, inheriting, secured, _ = rows[name]
        if secured:
            raise UsageError(
                f"row security hides rows of {name} from this role", where=name,
                hint="install as the table's owner or as a role with BYPASSRLS, so that TRUNCATE can be kept whole",
            )  # fmt: skip
        found[name] = GuardedTable(schema=schema, name=bare, by_row=by_row, leaves=tuple(map(tuple, leaves)))
        for below_schema, below in inheriting:
            table = GuardedTable(schema=below_schema, name=below, by_row=True)
            found.setdefault(table.sql, table)
    return list(found.values())


def watched(connection: Connection) -> Iterator[Watched]:
    """Tables with a trigger of the guard; partitions count with their table."""
    rows = connection.execute(_STANDING.replace("%%", "%").encode()).fetchall()
    under = {row[0] for row in rows if row[3]}
    leaves = _leaves(connection) if under else set()
    for label, _, _, _, on_delete, on_truncate, disabled, without, unseen in rows:
        if label in leaves:
            continue
        gaps = []
        if not on_delete:
            gaps.append("its trigger for DELETE is gone: guard install again")
        if not on_truncate:
            gaps.append("its trigger for TRUNCATE is gone: guard install again")
        if disabled:
            gaps.append("a trigger is disabled: ALTER TABLE … ENABLE TRIGGER")
        gaps += [f"partition {name} came later: TRUNCATE of it alone is not seen; guard install again"
                 for name in without]
        gaps += [f"deletes in partition {name} are not seen" for name in unseen]
        yield Watched(table=label, gaps=tuple(gaps))


def standing(connection: Connection) -> dict[str, tuple[str, str, list[str]]]:
    """label -> (schema, name, triggers of ours that stand on it and were not made by its partitioned table)."""
    rows = connection.execute(
        f"SELECT format('%I.%I', n.nspname, c.relname), n.nspname::text, c.relname::text,"
        f" array_agg(t.tgname::text ORDER BY t.tgname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        f" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname IN ('{DELETE}', '{TRUNCATE}')"
        f" AND t.tgparentid = 0 GROUP BY 1, 2, 3 ORDER BY 1".encode()
    )  # fmt: skip
    return {label: (schema, name, list(names)) for label, schema, name, names in rows}


def _leaves(connection: Connection) -> set[str]:
    rows = connection.execute(
        b"SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        b" WHERE c.relispartition"
    )
    return {row[0] for row in rows}
