"""The guard as SQL: its table, its functions, and the triggers that call them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.sources.postgres.names import literal, qualified, quote

SCHEMA = "holdfast_guard"
TABLE = "deleted"
NAME = f"{SCHEMA}.{TABLE}"
ENTITIES = f"{SCHEMA}.entities"
DELETE = "holdfast_guard_delete"
TRUNCATE = "holdfast_guard_truncate"

# who may call what: the functions run as their owner, so that no application needs a right to be guarded
_AS_OWNER = (
    "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET \"DateStyle\" = 'ISO, YMD' "
    "SET \"IntervalStyle\" = 'postgres' SET \"TimeZone\" = 'UTC' SET extra_float_digits = 3 "
    "SET row_security = off SET bytea_output = 'hex' SET lc_monetary = 'C' SET xmloption = 'content'"
)
_COLUMNS = (
    "transaction_id, began, session_role, active_role, application, address, table_name, part, operation, "
    "columns, types, old_row"
)
_WHO = (
    "txid_current(), transaction_timestamp(), session_user, nullif(current_setting('role'), 'none'), "
    "current_setting('application_name'), host(inet_client_addr())"
)
_ROOT = (
    "(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = coalesce(pg_partition_root({0}), {0}))"
)
_PART = (
    "(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = {0} AND c.relispartition)"
)
_SHAPE = (
    "(SELECT array_agg({1} ORDER BY a.attnum) FROM pg_attribute a"
    " WHERE a.attrelid = {0} AND a.attnum > 0 AND NOT a.attisdropped)"
)


def _values(oid: str, operation: str) -> str:
    shape = [_SHAPE.format(oid, "a.attname::text"), _SHAPE.format(oid, "format_type(a.atttypid, a.atttypmod)")]
    return ", ".join([_WHO, _ROOT.format(oid), _PART.format(oid), literal(operation), *shape])


_INTO = f"INSERT INTO {SCHEMA}.{TABLE} ({_COLUMNS})"

# numbers and salt of a statement are made once: a clock and a uuid for each row would cost more than keeping it
_STATEMENT = f"""<<kept>>
DECLARE
  first bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
  salt uuid := gen_random_uuid();
BEGIN
  {_INTO.replace("(", "(id, salt, ")}
  SELECT kept.first + row_number() OVER (), kept.salt, {_values("TG_RELID", "delete")}, (gone.*)::text
  FROM holdfast_gone AS gone;
  RETURN NULL;
END"""
# an UPDATE that moves a row to another partition is a delete in the first: the row is there again, with what its key
# has beside the columns that partition, written by this very transaction. What cannot be asked counts as deleted
_DONE = "CASE WHEN moved THEN 'move' ELSE 'delete' END"
_ROW = f"""DECLARE
  top regclass := pg_partition_root(TG_RELID);
  same text;
  moved boolean := false;
BEGIN
  IF top IS NOT NULL AND current_query() !~* '^\\s*(delete|truncate)' THEN
    BEGIN
      SELECT string_agg(format('r.%1$I = ($1).%1$I', a.attname), ' AND ') INTO same
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = top AND a.attnum = ANY(i.indkey)
      WHERE i.indrelid = top AND i.indisprimary AND a.attname NOT IN (
        SELECT k.attname FROM pg_partition_ancestors(TG_RELID) u JOIN pg_partitioned_table p ON p.partrelid = u.relid
        JOIN pg_attribute k ON k.attrelid = p.partrelid AND k.attnum = ANY(p.partattrs));
      IF same IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s r WHERE %s AND age(r.xmin) <= age($2))', top, same)
          INTO moved USING OLD, (txid_current() & 4294967295)::text::xid;
      END IF;
    EXCEPTION WHEN OTHERS THEN
      moved := false;
    END;
  END IF;
  {_INTO}
  VALUES ({_values("TG_RELID", "delete").replace("'delete'", _DONE)}, OLD::text);
  RETURN NULL;
END"""
# a partitioned table is emptied partition by partition: those without a trigger of their own are kept from above
_EMPTY = f"""DECLARE
  leaf oid;
BEGIN
  FOR leaf IN
    SELECT p.relid FROM pg_partition_tree(TG_RELID) p WHERE p.isleaf AND (p.relid = TG_RELID OR NOT EXISTS (
      SELECT FROM pg_trigger t WHERE t.tgrelid = p.relid AND t.tgname = '{TRUNCATE}' AND t.tgenabled IN ('O', 'A')))
    UNION SELECT TG_RELID WHERE NOT EXISTS (SELECT FROM pg_partition_tree(TG_RELID))
  LOOP
    BEGIN
      EXECUTE format($sql${_INTO}
        SELECT {_values("$1", "truncate").replace("%", "%%")}, (gone.*)::text FROM ONLY %s AS gone$sql$,
        leaf::regclass) USING leaf;
    EXCEPTION WHEN insufficient_privilege THEN
      RAISE insufficient_privilege USING
        MESSAGE = format('what TRUNCATE takes from %s cannot be kept, so it is refused: %s', leaf::regclass, SQLERRM),
        HINT = format('holdfast guard status; GRANT SELECT ON %s TO %I, or use DELETE', leaf::regclass, current_user);
    END;
  END LOOP;
  RETURN NULL;
END"""

# no sequence numbers the rows: lastval() of the application's session must stay what it was
CREATE = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC",
    f"""CREATE TABLE IF NOT EXISTS {SCHEMA}.{TABLE} (
  id bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
  salt uuid NOT NULL DEFAULT gen_random_uuid(),
  transaction_id bigint NOT NULL,
  began timestamptz NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  session_role text,
  active_role text,
  application text,
  address text,
  table_name text NOT NULL,
  part text,
  operation text NOT NULL,
  columns text[] NOT NULL,
  types text[] NOT NULL,
  old_row text NOT NULL,
  shipment text,
  PRIMARY KEY (id, salt)
)""",
    f"CREATE INDEX IF NOT EXISTS deleted_shipment ON {SCHEMA}.{TABLE} (shipment) WHERE shipment IS NOT NULL",
    f"CREATE TABLE IF NOT EXISTS {ENTITIES} (name text PRIMARY KEY, tables text[] NOT NULL)",
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.keep_statement() RETURNS trigger {_AS_OWNER} AS $keep$\n{_STATEMENT}\n$keep$",
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.keep_row() RETURNS trigger {_AS_OWNER} AS $keep$\n{_ROW}\n$keep$",
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.keep_all() RETURNS trigger {_AS_OWNER} AS $keep$\n{_EMPTY}\n$keep$",
    f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {SCHEMA} FROM PUBLIC",
)

REMOVE = (f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE",)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedTable:
    """One table to be guarded. ``by_row``: it is partitioned, or tables inherit from it, so rows are kept singly.

    ``leaves``: its partitions that hold rows.
    """

    schema: str
    name: str
    by_row: bool
    leaves: tuple[tuple[str, str], ...] = ()

    @property
    def sql(self) -> str:
        """The table as SQL."""
        return qualified(self.schema, self.name)


def triggers(table: GuardedTable) -> Iterator[str]:
    """Those of one table; one that is there already is replaced."""
    each = "FOR EACH ROW" if table.by_row else "REFERENCING OLD TABLE AS holdfast_gone FOR EACH STATEMENT"
    function = "keep_row" if table.by_row else "keep_statement"
    yield (
        f"CREATE OR REPLACE TRIGGER {DELETE} AFTER DELETE ON {table.sql} {each}"
        f" EXECUTE FUNCTION {SCHEMA}.{function}()"
    )
    for place in dict.fromkeys((table.sql, *(qualified(*leaf) for leaf in table.leaves))):
        yield (
            f"CREATE OR REPLACE TRIGGER {TRUNCATE} BEFORE TRUNCATE ON {place} FOR EACH STATEMENT"
            f" EXECUTE FUNCTION {SCHEMA}.keep_all()"
        )


def remembered(entity: str, tables: Iterable[str]) -> str:
    """The statement that notes for what the tables are under guard."""
    names = ", ".join(map(literal, tables))
    return (
        f"INSERT INTO {ENTITIES} VALUES ({literal(entity)}, ARRAY[{names}]::text[])"
        " ON CONFLICT (name) DO UPDATE SET tables = excluded.tables"
    )


def forgotten(entity: str) -> str:
    """The statement that notes that an entity is under guard no more."""
    return f"DELETE FROM {ENTITIES} WHERE name = {literal(entity)}"


def dropped(place: str, names: Iterable[str]) -> list[str]:
    """The statements that take triggers from a table."""
    return [f"DROP TRIGGER IF EXISTS {quote(name)} ON {place}" for name in names]
