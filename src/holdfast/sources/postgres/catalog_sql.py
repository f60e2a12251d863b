"""What the system catalogs are asked: a handful of questions over whole catalogs, never one per table."""

from __future__ import annotations

from holdfast.sources.postgres.items import CONTINUITY_SCHEMA

_EXTENSION_MEMBER = (
    "EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid "
    "AND d.deptype = 'e')"
)

# asking for a size makes the server load all it knows of a table; where its counters agree with what VACUUM
# saw, and both say the table is small, that can be spared
RELATIONS = f"""
SELECT c.oid, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  c.relkind::text, c.relpersistence::text, c.relfilenode, coalesce(a.amname, ''),
  CASE WHEN c.relkind <> 'r' THEN 0
    WHEN c.relpages BETWEEN 1 AND 64 AND c.reltuples > 0
      AND pg_stat_get_live_tuples(c.oid) BETWEEN c.reltuples / 2 AND c.reltuples * 2
      THEN c.relpages::int8 * current_setting('block_size')::int8
    ELSE pg_relation_size(c.oid) END,
  CASE WHEN c.relkind <> 'r' OR c.reltoastrelid = 0 THEN 0
    WHEN t.relpages = 0 AND t.reltuples = 0 AND pg_stat_get_live_tuples(t.oid) = 0 THEN 0
    ELSE pg_relation_size(c.reltoastrelid) END,
  c.relispopulated, has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
  CASE WHEN c.relispartition THEN array(SELECT relid::oid FROM pg_partition_ancestors(c.oid)) END,
  c.relispartition, m.member, f.condition,
  c.relhassubclass OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid),
  c.relkind = 'r' AND c.relrowsecurity AND row_security_active(c.oid)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am a ON a.oid = c.relam
LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
LEFT JOIN LATERAL (SELECT true AS member WHERE {_EXTENSION_MEMBER}) m ON true
LEFT JOIN (
  SELECT u.oid, coalesce(u.condition, '') AS condition
  FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS u(oid, condition)
) f ON f.oid = c.oid
WHERE c.relkind IN ('r', 'p', 'm', 'f', 'S') AND c.relpersistence <> 't'
  AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', '{CONTINUITY_SCHEMA}')
"""

# the roots of partitions come along: a partition is known by them
OF_OIDS = " AND (c.relkind = 'p' OR c.oid = ANY(ARRAY[{}]::oid[]))"

COLUMNS = """
SELECT a.attrelid,
  array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE NOT a.attisdropped AND a.attgenerated = ''),
  array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
    FILTER (WHERE NOT a.attisdropped AND a.attgenerated = ''),
  array_agg(a.atttypid::int8 ORDER BY a.attnum) FILTER (WHERE NOT a.attisdropped AND a.attgenerated = ''),
  array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE NOT a.attisdropped AND a.attgenerated <> ''),
  md5(string_agg(concat_ws(',', a.attnum, a.atttypid, a.atttypmod, a.attisdropped, a.attgenerated,
    a.atthasmissing, a.attmissingval::text), ';' ORDER BY a.attnum))
FROM pg_attribute a
WHERE a.attnum > 0 AND a.attrelid = ANY(%s)
GROUP BY a.attrelid
"""

KEYS = """
SELECT k.conrelid, array_agg(a.attname::text ORDER BY u.place)
FROM pg_constraint k
JOIN unnest(k.conkey) WITH ORDINALITY AS u(attnum, place) ON true
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum
WHERE k.contype = 'p' AND k.conrelid = ANY(%s)
GROUP BY k.conrelid
"""

TYPES = """
WITH RECURSIVE reached(oid) AS (
  SELECT u.oid FROM unnest(%s::oid[]) AS u(oid)
  UNION
  SELECT r.oid FROM reached
  JOIN LATERAL (
    SELECT t.typelem AS oid FROM pg_type t WHERE t.oid = reached.oid AND t.typelem <> 0
    UNION ALL SELECT t.typbasetype FROM pg_type t WHERE t.oid = reached.oid AND t.typbasetype <> 0
    UNION ALL SELECT a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
      WHERE t.oid = reached.oid AND t.typrelid <> 0 AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = reached.oid
    {multirange}
  ) r ON true
)
SELECT t.oid, format_type(t.oid, NULL),
  concat_ws(',', t.typtype, t.typlen, t.typbyval, t.typelem, t.typbasetype, t.typtypmod, t.typoutput::oid),
  (SELECT string_agg(concat_ws(',', a.attnum, a.atttypid, a.atttypmod, a.attisdropped), ';' ORDER BY a.attnum)
   FROM pg_attribute a WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0),
  (SELECT array_agg(e.enumlabel::text ORDER BY e.oid) FROM pg_enum e WHERE e.enumtypid = t.oid),
  (SELECT array_agg(e.oid::int8 ORDER BY e.oid) FROM pg_enum e WHERE e.enumtypid = t.oid),
  array(SELECT a.atttypid::int8 FROM pg_attribute a
        WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
    || nullif(t.typelem, 0)::int8 || nullif(t.typbasetype, 0)::int8
    || (SELECT g.rngsubtype::int8 FROM pg_range g WHERE g.rngtypid = t.oid){multirange_of},
  t.typnamespace = 'pg_catalog'::regnamespace AND (t.typname LIKE 'reg%%' OR t.typname = 'aclitem'),
  t.typbasetype::int8
FROM reached JOIN pg_type t ON t.oid = reached.oid
"""

_MULTIRANGE = "UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngmultitypid = reached.oid"
_MULTIRANGE_OF = " || (SELECT g.rngsubtype::int8 FROM pg_range g WHERE g.rngmultitypid = t.oid)"

ALTERED = """
SELECT DISTINCT a.attrelid FROM pg_attribute a
WHERE a.attnum > 0 AND age(a.xmin) <= age(%s::xid) AND a.attrelid = ANY(%s)
"""

MOVED = """
SELECT c.oid FROM pg_class c
WHERE c.oid = ANY(%s) AND c.relkind = 'r' AND c.relfilenode <> 0
  AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode
"""


def types(server_version: int) -> str:
    """The question for every type reached from some, and how each is made."""
    known = server_version >= 140000
    return TYPES.format(
        multirange=_MULTIRANGE if known else "", multirange_of=_MULTIRANGE_OF if known else ""
    )
