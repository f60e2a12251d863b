"""A store in one table of a PostgreSQL database: where a server is at hand and nothing else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from holdfast.model.errors import ObjectExists, ObjectMissing, StorageError, StorageFull, UsageError
from holdfast.storage.address import Address
from holdfast.storage.base import Buffer, Stat, Traits
from holdfast.storage.names import bounds, check_name, check_prefix, check_range
from holdfast.storage.pool import Pool
from holdfast.storage.retry import is_own, repeated

T = TypeVar("T")
_Connection = psycopg.Connection[tuple[Any, ...]]

_CONNECTIONS = 6
_PAGE = 1000
_LONGEST = 1 << 30  # no bytea is longer, and substring() counts in 32 bits
_TABLE_PARTS = 2  # schema.table
_OPTION = re.compile(r"[?&]table=([^&]*)")
_SETTINGS = {
    "connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
    "tcp_user_timeout": 60_000, "application_name": "holdfast",
}  # fmt: skip
_DURABLE = "set_config('synchronous_commit', 'on', true) IS NOT NULL"
"""Part of every writing statement: a role, a database or a pooler may have another setting."""


class PostgresTable:
    """Objects as rows of a table, which the first write creates. A handful of connections serves all threads.

    ``connect`` are psycopg's connection parameters, the password among them; ``url`` shows none of it.
    """

    def __init__(self, url: str, connect: dict[str, Any], table: tuple[str, ...]) -> None:
        self._url = url
        self._parameters = connect
        self._table = sql.Identifier(*table)
        self._pool: Pool[_Connection] = Pool(self._connect, _CONNECTIONS)
        self._reached = False
        self._created = False

    def __repr__(self) -> str:
        return f"PostgresTable({self._url!r})"

    @property
    def url(self) -> str:
        """Server, database and table."""
        return self._url

    @property
    def traits(self) -> Traits:
        """Packs that a row can hold comfortably."""
        return Traits(pack_size=1 << 20, parallel=_CONNECTIONS)

    def put_new(self, name: str, data: Buffer) -> None:
        """See Storage."""
        check_name(name)
        repeated(lambda again: self._insert(name, data, again=again))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Storage. A range is cut on the server."""
        check_name(name)
        check_range(offset, length)
        column, values = "data", (name,)
        if offset or length is not None:
            first = min(offset, _LONGEST) + 1
            column = f"substring(data FROM {first} FOR {_LONGEST if length is None else min(length, _LONGEST)})"
        row = self._one("read", name, f"SELECT {column} FROM {{}} WHERE name = %s", values)
        return bytes(row[0])

    def stat(self, name: str) -> Stat:
        """See Storage."""
        check_name(name)
        query = "SELECT octet_length(data), extract(epoch FROM written_at)::float8 FROM {} WHERE name = %s"
        size, written = self._one("read", name, query, (name,))
        return Stat(name, size, written)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Storage."""
        check_prefix(prefix)
        return self._pages(prefix)

    def delete(self, name: str) -> None:
        """See Storage."""
        check_name(name)
        query = f"DELETE FROM {{}} WHERE name = %s AND {_DURABLE}"
        with contextlib.suppress(ObjectMissing):  # no table yet
            repeated(lambda _: self._call("delete", name, lambda link: self._run(link, query, (name,))))

    def free_space(self) -> int | None:
        """A server does not tell."""
        return None

    def close(self) -> None:
        """End the connections."""
        self._pool.close()

    def _insert(self, name: str, data: Buffer, *, again: bool) -> None:
        query = f"INSERT INTO {{}} (name, data) SELECT %s, %b WHERE {_DURABLE} ON CONFLICT (name) DO NOTHING"

        def write(connection: _Connection) -> int:
            if not self._created:
                self._create(connection)
            return self._run(connection, query, (name, memoryview(data))).rowcount

        if self._call("write", name, write) == 1:
            return
        taken = ObjectExists("the object exists already", where=f"{self._url} {name}")
        if not again:
            raise taken
        try:
            is_own(lambda: self.get(name), data, taken)
        except ObjectMissing as error:
            raise StorageError("the name is contested", where=f"{self._url} {name}", retryable=True) from error

    def _one(self, verb: str, name: str, query: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        row = repeated(lambda _: self._call(verb, name, lambda link: self._run(link, query, values).fetchone()))
        return self._missing(name) if row is None else row

    def _missing(self, name: str) -> NoReturn:
        raise ObjectMissing("there is no such object", where=f"{self._url} {name}")

    def _pages(self, prefix: str) -> Iterator[Stat]:
        after, end = bounds(prefix)
        while True:
            rows = self._page(prefix, after, end)
            yield from (Stat(*row) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def _page(self, prefix: str, *values: str) -> Sequence[tuple[Any, ...]]:
        query = (
            "SELECT name, octet_length(data), extract(epoch FROM written_at)::float8 FROM {}"
            f" WHERE name > %s AND name < %s ORDER BY name LIMIT {_PAGE}"
        )
        try:
            return repeated(
                lambda _: self._call("list", prefix, lambda link: self._run(link, query, values).fetchall())
            )
        except ObjectMissing:  # no table yet
            return ()

    def _run(self, connection: _Connection, query: str, values: tuple[Any, ...]) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run one statement that is a transaction of its own; ``{}`` in it is the table. Bytes travel as bytes."""
        return connection.execute(sql.SQL(query).format(self._table), values, binary=True)

    def _call(self, verb: str, name: str, work: Callable[[_Connection], T]) -> T:
        """``work`` with a connection, foreign errors in our words; after a lost connection the others go too."""
        where = f"{self._url} {name}".rstrip()
        try:
            with self._pool.borrow() as connection:
                return work(connection)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            if verb == "write":
                self._created = False
                raise StorageError("the table is gone", where=where, why=_told(error), retryable=True) from error
            raise ObjectMissing("there is no such object", where=where) from error
        except psycopg.Error as error:
            translated = _explain(error, verb, where, reached=self._reached)
            if translated.retryable:
                self._pool.drop_idle()
            raise translated from error

    def _connect(self) -> _Connection:
        connection = psycopg.connect(**self._parameters, autocommit=True, prepare_threshold=None)
        self._reached = True
        return connection

    def _create(self, connection: _Connection) -> None:
        """Make the table, once, under a lock: "if not exists" looks too early when two begin at the same time.

        Sealed bytes cannot be compressed: EXTERNAL spares the server trying, and lets it read ranges.
        """
        known = connection.execute("SELECT to_regclass(%s)", (self._table.as_string(),)).fetchone()
        if known is None or known[0] is None:
            with connection.transaction():
                connection.execute("SET LOCAL synchronous_commit = on")
                connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('holdfast storage', 0))")
                self._run(connection, _DEFINITION, ())
                self._run(connection, "ALTER TABLE {} ALTER COLUMN data SET STORAGE EXTERNAL", ())
        self._created = True


_DEFINITION = """
CREATE TABLE IF NOT EXISTS {} (
    name text COLLATE "C" PRIMARY KEY,
    data bytea NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_PASSING_CLASSES = ("08", "40", "53", "55", "57")  # connection, rollback, resources, in use, operator intervention
_LASTING_STARTS = ("password authentication failed", "no pg_hba.conf entry", "SSL")


def _told(error: psycopg.Error) -> str:
    """The server's words without the data it may quote; libpq never repeats the password."""
    return (error.diag.message_primary or str(error)).strip().split("\n", 1)[0][:300]


def _explain(error: psycopg.Error, verb: str, where: str, *, reached: bool) -> StorageError:
    state, why = error.sqlstate or "", _told(error)
    if state == "53100":
        return StorageFull(f"cannot {verb}: no space left on the server", where=where, why=why, hint="free space there")
    if state in ("42501", "25006"):
        hint = "as its owner: GRANT USAGE, CREATE ON SCHEMA …; GRANT SELECT, INSERT, DELETE ON … TO the role used"
        return StorageError(f"cannot {verb}: not allowed", where=where, why=why, hint=hint)
    lost = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if lost and not reached:
        hint = "check host, port, database, user and password, and that the server is up"
        return StorageError(f"cannot {verb}: the server cannot be reached", where=where, why=why, hint=hint)
    passing = lost or state[:2] in _PASSING_CLASSES
    return StorageError(f"cannot {verb}", where=where, why=why, retryable=passing)


def open_postgres(address: Address) -> PostgresTable:
    """``postgresql://USER@HOST/DATABASE?table=NAME`` with libpq's options; nothing is connected yet."""
    found = _OPTION.search(address.rest)
    table = tuple((found.group(1) if found else "holdfast").split("."))
    if len(table) > _TABLE_PARTS or not all(re.fullmatch(r"[A-Za-z0-9_$-]{1,63}", part) for part in table):
        raise UsageError("not a table name", where=".".join(table)[:100], hint="table=holdfast or table=schema.name")
    rest = _OPTION.sub(lambda match: "?" if match.group()[0] == "?" else "", address.rest).replace("?&", "?")
    try:
        parameters: dict[str, Any] = conninfo_to_dict(f"postgresql:{rest.rstrip('?')}")
    except psycopg.Error:  # its text quotes the URL, with the password
        hint = "write postgresql://USER@HOST:PORT/DATABASE?table=NAME, special characters percent-encoded"
        raise UsageError("the repository URL cannot be read", where="postgresql:…", hint=hint) from None
    if address.password is not None:
        parameters["password"] = address.password
    return PostgresTable(_printable(parameters, table), {**_SETTINGS, **parameters}, table)


def _printable(parameters: dict[str, Any], table: tuple[str, ...]) -> str:
    """The URL made anew from what may be shown."""
    user, host, port = (str(parameters.get(name, "")) for name in ("user", "host", "port"))
    place = f"{quote(user, safe='')}@" * bool(user) + quote(host, safe=",[]:") + f":{port}" * bool(port)
    return f"postgresql://{place}/{quote(str(parameters.get('dbname', '')), safe='')}?table={'.'.join(table)}"
