"""The application's own transaction as a book: read and locked within it, by its own connection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from holdfast.model.errors import TargetError, UsageError
from holdfast.model.records import Key, Reference, Row, Table, Value
from holdfast.sources.postgres.connection import SETTINGS, connect
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.records.live_asking import Asking
from holdfast.sources.postgres.records.live_catalog import LiveCatalog, LiveTable, read_catalog
from holdfast.sources.postgres.records.live_counting import Counting
from holdfast.sources.postgres.records.live_sql import select
from holdfast.sources.postgres.records.tables import fingerprint_of
from holdfast.sources.postgres.records.typed import typed
from holdfast.sources.postgres.refusals import scrubbed

_SAME = (
    b"SELECT d.oid::int8, extract(epoch from pg_catalog.pg_postmaster_start_time())::text"
    b" FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
)
ANOTHER = "the transaction was rolled back, and what another one deletes was not captured"
ROLL_BACK = "roll back, and capture again: one transaction for each with block"
_AT_ONCE = 5_000
_DEFERRED = (
    b"SELECT 1 FROM pg_catalog.pg_trigger WHERE tgdeferrable AND NOT tgisinternal AND tgenabled IN ('O', 'A') LIMIT 1"
)
_NOW = "SELECT " + ", ".join(f"pg_catalog.current_setting('{name}')" for name, _ in SETTINGS)
_SET = "SELECT " + ", ".join(f"pg_catalog.set_config('{name}', %s, true)" for name, _ in SETTINGS)


class PostgresJoined:
    """See sources.guarding.Joined."""

    def __init__(self, connection: psycopg.Connection[Any], conninfo: Conninfo) -> None:
        self._connection, self._conninfo = connection, conninfo
        self._catalog: LiveCatalog = read_catalog(connection)
        self._asking = Asking(connection, conninfo)
        self._counting = Counting(connection, self._catalog)
        self._counting.check()
        self._before = self._counting.told()
        self._number = 0

    @property
    def tables(self) -> Mapping[str, Table]:
        """See Book."""
        return self._catalog.tables

    @property
    def references(self) -> Sequence[Reference]:
        """See Book."""
        return self._catalog.references

    @property
    def roots(self) -> Mapping[str, str]:
        """The partitioned table at the top of each partition."""
        return self._catalog.roots

    @property
    def labels(self) -> Mapping[str, str]:
        """What the server calls each table."""
        return self._catalog.labels

    def rows(self, table: Table) -> Iterator[Row]:
        """See Book."""
        living = self._catalog.living[table.name]
        with canonical(self._connection):
            data = self._asking.copied(select(living, lock=True))
        return living.form.rows(data)

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """See Joined."""
        with canonical(self._connection):
            found = list(self._asking.find(self._catalog.living[table.name], columns, wanted, lock=True))
        return iter(found)

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See Book."""
        return typed(table, column, text)

    def plain(self, value: Value) -> Any:
        """See Book."""
        return value

    def fingerprint(self, table: Table) -> str:
        """See Book."""
        return fingerprint_of(table)

    @contextmanager
    def affected(self) -> Iterator[Mapping[str, tuple[int, int, int]]]:
        """See Joined."""
        if self._over():
            yield {}
            return
        with self._deferred_done(), canonical(self._connection):
            found = {}
            for name, now in self._counting.told().items():
                before = self._before.get(name, (0, 0, 0))
                found[name] = (now[0] - before[0], now[1] - before[1], now[2] - before[2])
            yield {name: counts for name, counts in found.items() if any(counts)}

    def gone(self, table: Table) -> Iterator[Key]:
        """See Joined. Others still see a row that was deleted here; the server has noted on it who did something."""
        living, columns = self._catalog.living[table.name], table.key or tuple(column.name for column in table.columns)
        keys = [row.key(columns) for row in living.form.rows(self._touched(living))]
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at : at + _AT_ONCE]
            there = {row.key(columns) for row in self._asking.find(living, columns, some)}
            yield from (key for key in some if key not in there)

    def _touched(self, living: LiveTable) -> bytes:
        """Rows, as they are committed, that somebody deleted, changed or locked."""
        other = connect(self._conninfo)
        try:
            other.execute("SET lock_timeout = '10s'")
            return Asking(other, self._conninfo).copied(select(living, " WHERE t.xmax <> 0"))
        except psycopg.errors.UndefinedTable:
            return b""  # made in this transaction
        except psycopg.Error as error:
            raise TargetError(
                f"rows of {living.schema}.{living.name} cannot be compared with what was captured",
                where=self._conninfo.url, why=scrubbed(str(error), self._conninfo), hint=ROLL_BACK,
            ) from error  # fmt: skip
        finally:
            other.close()

    @contextmanager
    def _deferred_done(self) -> Iterator[None]:
        """In a savepoint that is taken back: constraint triggers of the application's may delete at the commit only."""
        if not self._connection.execute(_DEFERRED).fetchone():
            yield
            return
        with self._connection.transaction(force_rollback=True):
            try:
                self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            except psycopg.Error as error:
                raise TargetError(
                    "the database would refuse to commit this, so what its deferred triggers delete is not known",
                    where=self._conninfo.url, why=scrubbed(error.diag.message_primary or str(error), self._conninfo),
                    hint="roll back; leave the with block with every constraint satisfied",
                ) from error  # fmt: skip
            yield

    def _over(self) -> bool:
        """Whether it was rolled back as a whole. TargetError when nobody can tell what was deleted."""
        idle = self.idle()
        ended = self._ended()
        if idle:
            self._connection.rollback()  # what the question began
        if ended == "committed":
            raise TargetError(
                "the transaction was committed before what it deleted could be compared with what was captured",
                hint="commit after the with block; what was captured is kept in the repository",
            )
        if ended and idle:
            return True
        if ended:
            raise TargetError(ANOTHER, hint=ROLL_BACK)
        return False

    def idle(self) -> bool:
        """See Joined."""
        return self._connection.info.transaction_status == TransactionStatus.IDLE

    def hold(self) -> None:
        """Remember which transaction this is; it has a number once it has locked a row."""
        with canonical(self._connection):
            row = self._connection.execute("SELECT txid_current()").fetchone()
            self._number = row[0] if row else 0

    def _ended(self) -> str:
        with canonical(self._connection):
            row = self._connection.execute(
                "SELECT CASE txid_current_if_assigned() WHEN %(n)s THEN '' ELSE txid_status(%(n)s) END",
                {"n": self._number},
            ).fetchone()
        return str(row[0]) if row else ""


@contextmanager
def join(connection: Any, conninfo: Conninfo) -> Iterator[PostgresJoined]:
    """See sources.guarding.Joining."""
    if not isinstance(connection, psycopg.Connection):
        raise UsageError(
            "this is no connection of psycopg 3", where=conninfo.url, why=f"it is {type(connection).__name__}",
            hint="give the psycopg.Connection that deletes; SQLAlchemy: connection.connection.driver_connection",
        )  # fmt: skip
    if connection.closed:
        raise UsageError("this connection is closed", where=conninfo.url)
    row_factory = connection.row_factory
    connection.row_factory = tuple_row
    try:
        _require_same(connection, conninfo)
        with canonical(connection):
            joined = PostgresJoined(connection, conninfo)
        joined.hold()
    finally:
        connection.row_factory = row_factory
    yield joined


@contextmanager
def canonical(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Values are written as in every snapshot meanwhile; afterwards the session's settings are what they were.

    After an error of the server the transaction can only be rolled back, which brings the settings back too.
    """
    row_factory = connection.row_factory
    connection.row_factory = tuple_row
    try:
        before = connection.execute(_NOW.encode()).fetchone()
        connection.execute(_SET.encode(), [value for _, value in SETTINGS])
        try:
            yield
        finally:
            if connection.info.transaction_status == TransactionStatus.INTRANS:
                connection.execute(_SET.encode(), before)
    finally:
        connection.row_factory = row_factory


def _require_same(connection: psycopg.Connection[Any], conninfo: Conninfo) -> None:
    """UsageError unless it is in a transaction on the source's own database."""
    theirs = connection.execute(_SAME).fetchone()
    if connection.info.transaction_status != TransactionStatus.INTRANS:
        raise UsageError(
            "this connection commits each statement by itself", where=conninfo.url,
            hint="use it within: with connection.transaction():",
        )  # fmt: skip
    if connection.info.encoding != "utf-8":
        raise UsageError("this connection does not speak UTF-8", hint="SET client_encoding = 'UTF8'")
    own = connect(conninfo)
    try:
        ours = own.execute(_SAME).fetchone()
    finally:
        own.close()
    if ours != theirs:
        raise UsageError(
            "this connection leads to another database than the source", where=conninfo.url,
            why=f"it is connected to {connection.info.dbname} at {connection.info.host}:{connection.info.port}",
        )  # fmt: skip
