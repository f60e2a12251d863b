"""Compares large objects with a snapshot, on the server: every byte, and nothing behind the last one."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.items import META_KEY
from holdfast.sources.postgres.load import copy_in

_READ = 0x40000  # INV_READ of lo_open
_COMPARE = f"""
WITH shape AS MATERIALIZED (
  SELECT m.lo, l.oid IS NULL AS missing,
         (SELECT coalesce(max(d.at + pg_catalog.length(d.bytes)), 0)
            FROM pg_temp.holdfast_data d WHERE d.lo = m.lo) AS size
    FROM pg_temp.holdfast_meta m LEFT JOIN pg_catalog.pg_largeobject_metadata l ON l.oid = m.lo
), other AS (
  SELECT lo FROM shape
   WHERE CASE WHEN missing THEN false ELSE pg_catalog.lo_lseek64(pg_catalog.lo_open(lo, {_READ}), 0, 2) <> size END
  UNION
  SELECT d.lo FROM pg_temp.holdfast_data d JOIN shape s ON s.lo = d.lo
   WHERE CASE WHEN s.missing THEN false
              ELSE pg_catalog.lo_get(d.lo, d.at, pg_catalog.length(d.bytes)) IS DISTINCT FROM d.bytes END
)
SELECT (SELECT count(*) FROM shape WHERE missing), (SELECT count(*) FROM other),
       (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata l
         WHERE NOT EXISTS (SELECT FROM pg_temp.holdfast_meta m WHERE m.lo = l.oid))
"""


@dataclass(frozen=True, slots=True)
class LargeObjectsCompared:
    """How many are missing, differ, or are not in the snapshot."""

    missing: int
    differing: int
    extra: int


def compare_large_objects(connection: Connection, item: Item, content: Content) -> LargeObjectsCompared:
    """Compare inside the open transaction; its temporary tables are gone afterwards."""
    connection.execute(
        "CREATE TEMP TABLE holdfast_meta (lo oid, owner text, acl text, comment text) ON COMMIT DROP;"
        "CREATE TEMP TABLE holdfast_data (lo oid, at bigint, bytes bytea) ON COMMIT DROP"
    )
    for segment in item.segments:
        table = "holdfast_meta" if segment.key == META_KEY else "holdfast_data"
        copy_in(connection, f"COPY pg_temp.{table} FROM STDIN", content.blocks(segment))
    row = connection.execute(_COMPARE).fetchone() or (0, 0, 0)
    connection.execute("DROP TABLE pg_temp.holdfast_meta, pg_temp.holdfast_data")
    return LargeObjectsCompared(int(row[0]), int(row[1]), int(row[2]))
