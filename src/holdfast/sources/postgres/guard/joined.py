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
from holdfast.sources.postgres.records.live_catalog import LiveCatalog, read_catalog
from holdfast.sources.postgres.records.live_counting import Counting
from holdfast.sources.postgres.records.live_sql import select
from holdfast.sources.postgres.records.tables import fingerprint_of
from holdfast.sources.postgres.records.typed import typed

_SAME = (
    b"SELECT d.oid::int8, extract(epoch from pg_catalog.pg_postmaster_start_time())::text"
    b" FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"
)
ANOTHER = "the transaction was rolled back, and what another one deletes was not captured"
ROLL_BACK = "roll back, and capture again: one transaction for each with block"
_NOW = "SELECT " + ", ".join(f"pg_catalog.current_setting('{name}')" for name, _ in SETTINGS)
_SET = "SELECT " + ", ".join(f"pg_catalog.set_config('{name}', %s, true)" for name, _ in SETTINGS)


class PostgresJoined:
    """See sources.guarding.Joined."""

    def __init__(self, connection: psycopg.Connection[Any], conninfo: Conninfo) -> None:
        self._connection = connection
        self._catalog: LiveCatalog = read_catalog(connection)
        self._asking = Asking(connection, conninfo)
        self._counting = Counting(connection, self._catalog)
        self._counting.check()
        self._before = self._counted()
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

    def deleted(self) -> Mapping[str, int]:
        """See Joined."""
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
            return {}
        if ended:
            raise TargetError(ANOTHER, hint=ROLL_BACK)
        with canonical(self._connection):
            now = self._counted()
        return {name: more for name, count in now.items() if (more := count - self._before.get(name, 0))}

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

    def _counted(self) -> dict[str, int]:
        return {name: counts[2] for name, counts in self._counting.told().items()}


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
