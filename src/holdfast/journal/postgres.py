"""A journal in a schema of a PostgreSQL database, for several machines that share one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from holdfast.journal.base import JournalFailed
from holdfast.journal.schema import VERSION, steps
from holdfast.journal.tables import Execute, TableJournal
from holdfast.model.errors import HoldfastError, NewerFormat

T = TypeVar("T")

SCHEMA = "holdfast_journal"
_SETTINGS = {
    "connect_timeout": 5, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    "tcp_user_timeout": 10_000, "application_name": "holdfast journal",
}  # fmt: skip
# Nobody waits long for a journal, and a lost last second of it is no harm.
_SESSION = (
    f"set search_path to {SCHEMA}; set statement_timeout to '10s'; set lock_timeout to '5s';"
    " set synchronous_commit to off"
)
_LOCK = 0x686F6C64
"""Advisory lock under which the tables are made."""


class PostgresJournal(TableJournal):
    """See Journal. ``connect`` are psycopg's connection parameters; ``url`` shows no password."""

    def __init__(self, url: str, connect: dict[str, Any]) -> None:
        super().__init__(PostgresDatabase(url, connect))


class PostgresDatabase:
    """See Database. One connection, taken in turns, and made anew when it was lost."""

    def __init__(self, url: str, connect: dict[str, Any]) -> None:
        self.url = url
        self._parameters = {**_SETTINGS, **connect}
        self._turn = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        with self._turn, self._translated("the journal cannot be opened"):
            try:
                self._prepare(self._connect())
            except BaseException:
                self._drop()
                raise

    def within(self, work: Callable[[Execute], T]) -> T:
        """See Database."""
        with self._turn, self._translated("the journal does not answer"):
            kept = self._connection is not None
            try:
                return self._once(work)
            except psycopg.OperationalError:
                if not kept or (self._connection is not None and not self._connection.closed):
                    raise
            return self._once(work)  # the server was started anew since

    def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """See Database."""
        return self.within(lambda execute: execute(statement, values).fetchall())

    def close(self) -> None:
        """See Database."""
        with self._turn:
            self._drop()

    def _once(self, work: Callable[[Execute], T]) -> T:
        connection = self._connection or self._connect()
        try:
            with connection.transaction():
                return work(lambda statement, values: _execute(connection, statement, values))
        except BaseException:
            if connection.closed or connection.broken:
                self._drop()
            raise

    def _connect(self) -> psycopg.Connection[Any]:
        self._connection = psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=None)
        self._connection.execute(_SESSION)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        version = self._version(connection)
        if version > VERSION:
            raise NewerFormat(
                "the journal was written by a newer holdfast", where=self.url,
                hint="use that version, or name another place: [journal] url",
            )  # fmt: skip
        if version == VERSION:
            return
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            version = self._version(connection)
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(SCHEMA)))
            for statement in steps(version):
                connection.execute(statement)
            connection.execute("create table if not exists version (number integer not null)")
            connection.execute("delete from version")
            connection.execute("insert into version values (%s)", (VERSION,))

    def _version(self, connection: psycopg.Connection[Any]) -> int:
        # to_regclass would answer from what this connection knew before it waited for the lock
        there = "select 1 from pg_catalog.pg_tables where schemaname = %s and tablename = 'version'"
        if connection.execute(there, (SCHEMA,)).fetchone() is None:
            return 0
        row = connection.execute("select max(number) from version").fetchone()
        return int(row[0] or 0) if row else 0

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except HoldfastError:
            raise
        except psycopg.Error as error:
            self._forget_if_lost()
            why = (error.diag.message_primary or str(error)).strip().splitlines()
            raise JournalFailed(
                what, where=self.url, why=why[0] if why else type(error).__name__,
                hint="see that the server can be reached and the role may create and use the schema " + SCHEMA,
            ) from error  # fmt: skip

    def _forget_if_lost(self) -> None:
        if self._connection is not None and (self._connection.closed or self._connection.broken):
            self._drop()


def _execute(connection: psycopg.Connection[Any], statement: str, values: Sequence[Any]) -> psycopg.Cursor[Any]:
    return connection.execute(statement.replace("?", "%s"), values)
