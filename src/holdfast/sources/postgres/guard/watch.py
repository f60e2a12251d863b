"""Which tables are under guard, and what their triggers would not see."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.sources.guarding import Watched
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.guard.comparing import powerless
from holdfast.sources.postgres.guard.sql import DELETE, SCHEMA, TRUNCATE

BLIND = (
    "deletes under session_replication_role = replica, and those that logical replication applies",
    "deletes while the triggers are disabled (ALTER TABLE … DISABLE TRIGGER)",
    "DROP TABLE, DROP SCHEMA, and a partition that is detached: take a backup first",
    "updates: what a row was before is in the snapshots only",
)

_LABEL = "format('%%I.%%I', n.nspname, c.relname)"
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


def watched(connection: Connection) -> Iterator[Watched]:
    """Tables with a trigger of the guard; partitions count with their table."""
    rows = connection.execute(_STANDING.replace("%%", "%").encode()).fetchall()
    under = {row[0] for row in rows if row[3]}
    leaves = _leaves(connection) if under else set()
    refused = powerless(connection)
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
        gaps += refused.get(label, ())
        yield Watched(table=label, gaps=tuple(gaps))


def standing(connection: Connection) -> dict[tuple[str, str], list[str]]:
    """(schema, name) -> triggers of ours that stand on it and were not made by its partitioned table."""
    rows = connection.execute(
        f"SELECT n.nspname::text, c.relname::text,"
        f" array_agg(t.tgname::text ORDER BY t.tgname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        f" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname IN ('{DELETE}', '{TRUNCATE}')"
        f" AND t.tgparentid = 0 GROUP BY 1, 2 ORDER BY 1, 2".encode()
    )  # fmt: skip
    return {(schema, name): list(names) for schema, name, names in rows}


def _leaves(connection: Connection) -> set[str]:
    rows = connection.execute(
        b"SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        b" WHERE c.relispartition"
    )
    return {row[0] for row in rows}
