"""The guard of one PostgreSQL database: put up, asked, emptied into shipments, taken down."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from holdfast.model.errors import TargetError
from holdfast.sources.guarding import SHIPMENT_BYTES, GuardState, Waiting, Watched
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.guard import sql
from holdfast.sources.postgres.guard.comparing import lacking
from holdfast.sources.postgres.guard.rows import instant
from holdfast.sources.postgres.guard.tables import tables_named, tables_there
from holdfast.sources.postgres.guard.watch import BLIND, standing, watched
from holdfast.sources.postgres.names import qualified
from holdfast.sources.postgres.refusals import scrubbed

_TRANSACTIONS = 300
_EARLIER = "the guard was put up by an earlier version of holdfast"
_ANEW = "holdfast guard remove --source SOURCE, then install again"
_IS_NOW = (
    f"SELECT 1 FROM pg_attribute WHERE attrelid = '{sql.NAME}'::regclass AND attname = 'salt' AND NOT attisdropped"
)
_SHIPPING = 0x686F6C6467756172
_WAIT = "SET LOCAL lock_timeout = '10s'"
_CLAIM = f"""
UPDATE {sql.NAME} d SET shipment = %s FROM (
  SELECT id, salt, dense_rank() OVER (ORDER BY began, transaction_id) AS place,
    sum(size) OVER (ORDER BY id, salt ROWS UNBOUNDED PRECEDING) - size AS before FROM (
    SELECT id, salt, began, transaction_id, octet_length(old_row) AS size
    FROM {sql.NAME} WHERE shipment IS NULL ORDER BY id, salt LIMIT %s FOR UPDATE SKIP LOCKED
  ) AS oldest
) AS chosen WHERE chosen.id = d.id AND chosen.salt = d.salt
  AND chosen.place <= {_TRANSACTIONS} AND chosen.before < {SHIPMENT_BYTES}
"""


class PostgresGuard:
    """See sources.guarding.Guard. ``connection`` is closed by whoever opened it."""

    def __init__(self, connection: Connection, conninfo: Conninfo) -> None:
        self._connection = connection
        self._conninfo = conninfo

    def plan(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """See Guard."""
        found = tables_named(self._connection, tables)
        noted = [sql.remembered(entity, tables)] if entity else []
        return [*sql.CREATE, *(statement for table in found for statement in sql.triggers(table)), *noted]

    def rights(self) -> list[str]:
        """See Guard."""
        database = self._conninfo.database
        return [
            f'CREATE on the database "{database}" (for the schema {sql.SCHEMA}), the first time',
            "TRIGGER and SELECT on each table and its partitions; their owner has them",
        ]

    def install(self, tables: Sequence[str], entity: str = "") -> list[str]:
        """See Guard."""
        statements = self.plan(tables, entity)
        self._run(statements, "the guard could not be put up", "; ".join(self.rights()))
        return statements

    def remove(
        self, tables: Sequence[str] | None = None, *, keep: Sequence[str] = (), entity: str = ""
    ) -> list[str]:
        """See Guard."""
        there = standing(self._connection)
        wanted = set(there) if tables is None else self._with_parts(tables) - self._with_parts(keep)
        statements = [
            statement
            for place, names in there.items() if place in wanted
            for statement in sql.dropped(qualified(*place), names)
        ]  # fmt: skip
        if entity and self._remembers():
            statements.append(sql.forgotten(entity))
        if tables is None and self._installed():
            if waiting := self.state().waiting.rows:
                by_hand = f"CREATE TABLE kept AS TABLE {sql.NAME}; TRUNCATE {sql.NAME}"
                raise TargetError(
                    f"{waiting:,} deleted rows wait to be shipped", where=sql.NAME,
                    why="they would be lost with the guard",
                    hint="holdfast guard ship, then remove again" if self._is_of_now()
                    else f"ship them with the version that put it up, or keep them yourself: {by_hand}",
                )  # fmt: skip
            # whatever is deleted between the question and the answer is still there to be seen: locked first
            statements += [f"LOCK TABLE {sql.NAME} IN ACCESS EXCLUSIVE MODE", _EMPTY, *sql.REMOVE]
        self._run(statements, "the guard could not be taken down", "be the owner of the tables and of the guard")
        return statements

    def state(self) -> GuardState:
        """See Guard."""
        installed = self._installed()
        waiting = Waiting(rows=0)
        if installed:
            row = self._asked(f"SELECT count(*), min(at)::text FROM {sql.NAME}").fetchone()
            waiting = Waiting(rows=row[0], oldest=instant(row[1]) if row[1] else None) if row else waiting
        found = tuple(watched(self._connection)) if installed else ()
        if installed and not self._is_of_now():
            found = tuple(replace(each, gaps=(*each.gaps, f"{_EARLIER}: {_ANEW}")) for each in found)
        return GuardState(installed=installed, waiting=waiting, blind=BLIND, watched=found)

    def entities(self) -> Mapping[str, tuple[str, ...]] | None:
        """See Guard."""
        if not self._remembers():
            return None
        return {name: tuple(tables) for name, tables in self._asked(f"SELECT name, tables FROM {sql.ENTITIES}")}

    def lacking(self, tables: Sequence[str]) -> list[Watched]:
        """See Guard."""
        return list(lacking(self._connection, tables))

    def gather(self) -> None:
        """See Guard: the triggers did."""

    def claim(self, limit: int) -> str | None:
        """See Guard."""
        shipment = uuid.uuid4().hex
        return shipment if self._asked(_CLAIM, shipment, limit).rowcount else None

    def claimed(self) -> list[str]:
        """See Guard. TargetError while somebody else ships; from now on nobody else may, until this connection ends."""
        row = self._asked("SELECT pg_try_advisory_lock(%s)", _SHIPPING).fetchone()
        if row is None or not row[0]:
            raise TargetError(
                "somebody else is shipping what this guard kept", where=self._conninfo.url, retryable=True,
                hint="try again when that is done",
            )  # fmt: skip
        rows = self._asked(f"SELECT DISTINCT shipment FROM {sql.NAME} WHERE shipment IS NOT NULL ORDER BY 1")
        return [row[0] for row in rows]

    def settle(self, shipment: str) -> int:
        """See Guard."""
        return self._asked(f"DELETE FROM {sql.NAME} WHERE shipment = %s", shipment).rowcount

    def _installed(self) -> bool:
        return self._is_there(sql.NAME)

    def _remembers(self) -> bool:
        return self._is_there(sql.ENTITIES)

    def _is_of_now(self) -> bool:
        """Whether what stands there is as this version makes it."""
        return self._connection.execute(_IS_NOW.encode()).fetchone() is not None

    def _is_there(self, name: str) -> bool:
        row = self._connection.execute("SELECT to_regclass(%s)", (name,)).fetchone()
        return row is not None and row[0] is not None

    def _with_parts(self, tables: Sequence[str]) -> set[tuple[str, str]]:
        found = tables_there(self._connection, tables)
        return {place for table in found for place in ((table.schema, table.name), *table.leaves)}

    def _asked(self, statement: str, *values: object) -> psycopg.Cursor[Any]:
        try:
            return self._connection.execute(statement.encode(), values or None)
        except psycopg.errors.UndefinedTable as error:
            raise TargetError(
                "there is no guard in this database", where=self._conninfo.url, hint="holdfast guard install ENTITY"
            ) from error
        except psycopg.errors.UndefinedColumn as error:
            raise TargetError(_EARLIER, where=self._conninfo.url, hint=_ANEW) from error
        except psycopg.Error as error:
            raise self._failed("the guard's table cannot be used", error, _GRANT) from error

    def _run(self, statements: Sequence[str], what: str, hint: str) -> None:
        try:
            with self._connection.transaction():
                self._connection.execute(_WAIT)
                for statement in statements:
                    self._connection.execute(statement.encode())
        except psycopg.Error as error:
            raise self._failed(what, error, hint) from error

    def _failed(self, what: str, error: psycopg.Error, hint: str) -> TargetError:
        why = scrubbed(error.diag.message_primary or str(error), self._conninfo)
        busy = isinstance(error, psycopg.errors.LockNotAvailable)
        return TargetError(
            what, where=self._conninfo.url, why=why, retryable=busy,
            hint="another transaction holds the table; try again when it is done" if busy else f"needed: {hint}",
        )  # fmt: skip


_GRANT = f"USAGE on schema {sql.SCHEMA}, SELECT, UPDATE, DELETE on {sql.NAME}, and SELECT on {sql.ENTITIES}"
_EMPTY = (
    "DO $$BEGIN IF EXISTS (SELECT FROM holdfast_guard.deleted) THEN"
    " RAISE 'rows were deleted meanwhile, and wait to be shipped'; END IF; END$$"
)
