"""Finds rows of a snapshot that break what a living table asks of its rows by now, before any of them is written."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Living
from holdfast.sources.postgres.inplace_merge import Mode, Staged
from holdfast.sources.postgres.names import quote

# A check that calls functions of the application may read tables that the restore is about to mend: left to the server.
_CHECKS = """
SELECT c.conname, pg_catalog.pg_get_expr(c.conbin, c.conrelid)
  FROM pg_catalog.pg_constraint c
 WHERE c.conrelid = %s AND c.contype = 'c' AND coalesce(c.conkey, '{{}}') <@ (
         SELECT array_agg(a.attnum) FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.conrelid AND a.attname::text = ANY (%s))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_constraint'::regclass
                      AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_proc'::regclass){}
 ORDER BY c.conname
"""


def unfit(connection: Connection, living: Living, staged: Staged, mode: Mode) -> list[str]:
    """A line for each check or column that rows which would be written break, with the number of rows."""
    return [
        f"{rows} rows {problem}"
        for problem, condition in _limits(connection, living, staged.names)
        if (rows := staged.writing(mode, condition))
    ]


def _limits(connection: Connection, living: Living, names: list[str]) -> Iterator[tuple[str, str]]:
    enforced = " AND c.conenforced" if connection.info.server_version >= 180000 else ""
    for name, expression in connection.execute(_CHECKS.format(enforced), (living.oid, names)).fetchall():
        yield (
            (
                f"do not keep the check {name} that the table has now; to have them all the same: ALTER TABLE"
                f" {living.sql} DROP CONSTRAINT {quote(name)}; restore, and add it again NOT VALID"
            ),
            f"({expression}) IS FALSE",
        )
    for name in names:
        if living.columns[name].required:
            yield f"have no value for {name}, which needs one by now", f"{quote(name)} IS NULL"
