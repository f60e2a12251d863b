"""The application's own transaction as a book: read and counted within it, by its own connection."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.model.errors import SourceError, TargetError, UsageError
from holdfast.model.records import Key, Table
from holdfast.sources.sqlite.guard.replaced import noting
from holdfast.sources.sqlite.names import printable, quoted
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.book import SqliteBook
from holdfast.sources.sqlite.records.counting import Counting
from holdfast.sources.sqlite.records.schema import Unreadable, read_schema

_COUNTS = "holdfast_affected"
_GONE = "holdfast_gone"
_COUNTING = f"SELECT 1 FROM temp.sqlite_schema WHERE name = '{_COUNTS}'"
_COUNTERS = (
    "SELECT name FROM temp.sqlite_schema WHERE type = 'trigger'"
    " AND (name GLOB 'holdfast_inserted_*' OR name GLOB 'holdfast_updated_*' OR name GLOB 'holdfast_deleted_*')"
)


class SqliteJoined(SqliteBook):
    """See sources.guarding.Joined. Nobody else writes as long as the transaction lasts."""

    def __init__(self, connection: sqlite3.Connection, path: bytes) -> None:
        self._connection = connection
        self._where = printable(path)
        encoding = next(self.run(Statement("PRAGMA encoding")))[0]
        super().__init__(read_schema(self._ask), encoding)
        self._counting = Counting(connection, self.schema.shapes)
        self._keys = {
            name: shape.table.key or shape.names for name, shape in self.schema.shapes.items() if not shape.virtual
        }
        with _plain(connection):
            self._counting.start()
            self._note_what_goes()

    def run(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        """See SqliteBook."""
        with _plain(self._connection):
            try:
                rows = self._connection.execute(statement.sql, statement.values).fetchall()
            except sqlite3.OperationalError as error:
                raise Unreadable(str(error)) from error
            except sqlite3.Error as error:
                raise SourceError("The database cannot be read", where=self._where, why=str(error)) from error
        yield from rows

    @contextlib.contextmanager
    def affected(self) -> Iterator[Mapping[str, tuple[int, int, int]]]:
        """See Joined; nothing is put off until the commit here but the check of foreign keys."""
        yield self._counted()

    def gone(self, table: Table) -> Iterator[Key]:
        """See Joined. A trigger noted each; rows the transaction itself had made are among them."""
        keys = [*self._noted(table.name, replaced=False), *self._replaced(table.name)]
        columns = self._keys[table.name]
        there = {row.key(columns) for row in self.find(table, columns, set(keys))}
        yield from (key for key in keys if key not in there)

    def _noted(self, name: str, *, replaced: bool) -> list[Key]:
        number, columns = list(self._keys).index(name), self._keys[name]
        names = ", ".join(f"k{place}" for place in range(len(columns)))
        asked = f"SELECT {names} FROM temp.{_GONE} WHERE number = {number} AND replaced = {int(replaced)}"
        return list(self.run(Statement(asked)))

    def _replaced(self, name: str) -> list[Key]:
        """Keys of rows that another one stands in place of, unless that has the same key."""
        perhaps = set(self._noted(name, replaced=True)) - set(self._noted(name, replaced=False))
        columns = self._keys[name]
        there = {row.key(columns) for row in self.find(self.tables[name], columns, perhaps)} if perhaps else set()
        return [key for key in perhaps if key not in there]

    def _counted(self) -> Mapping[str, tuple[int, int, int]]:
        with _plain(self._connection):
            if not self._connection.execute(_COUNTING).fetchall():  # rolled back
                if not self.idle():
                    raise TargetError(
                        "the transaction was rolled back, and what another one deletes was not captured",
                        where=self._where, hint="roll back, and capture again: one transaction for each with block",
                    )  # fmt: skip
                return {}
            counts = self._counting.told()
        for name in [name for name, (made, changed, _) in counts.items() if made or changed]:
            made, changed, gone = counts[name]
            counts[name] = (made, changed, gone + len(self._replaced(name)))
        return counts

    def idle(self) -> bool:
        """See Joined."""
        return not self._connection.in_transaction

    def leave(self) -> None:
        """Take what counts away from the connection; after a rollback nothing of it is there."""
        with _plain(self._connection), contextlib.suppress(sqlite3.Error):
            for (name,) in self._connection.execute(_COUNTERS).fetchall():
                self._connection.execute(f"DROP TRIGGER temp.{name}")
            self._connection.execute(f"DROP TABLE temp.{_COUNTS}")
            self._connection.execute(f"DROP TABLE temp.{_GONE}")

    def _note_what_goes(self) -> None:
        width = max((len(columns) for columns in self._keys.values()), default=0)
        names = [f"k{number}" for number in range(width)]
        run = self._connection.execute
        run(f"CREATE TEMP TABLE {_GONE} ({', '.join(['number INTEGER', 'replaced INTEGER', *names])})")
        for number, (name, columns) in enumerate(self._keys.items()):
            place = f"{_GONE} ({', '.join(['number', 'replaced', *names[: len(columns)]])})"
            old = [f"OLD.{quoted(column)}" for column in columns]
            run(
                f"CREATE TEMP TRIGGER holdfast_deleted_key_{number} AFTER DELETE ON main.{quoted(name)} BEGIN"
                f" INSERT INTO {place} VALUES ({', '.join([str(number), '0', *old])}); END"
            )
            told = [str(number), "1", *(f"standing.{quoted(column)}" for column in columns)]
            for turn, (event, note) in enumerate(noting(self._ask, self.schema.shapes[name], place, told)):
                trigger = f"holdfast_deleted_by_{number}_{turn}"
                run(f"CREATE TEMP TRIGGER {trigger} BEFORE {event} BEGIN {note}; END")

    def _ask(self, sql: str) -> Iterator[tuple[Any, ...]]:
        return self.run(Statement(sql))


@contextlib.contextmanager
def join(connection: Any, path: bytes) -> Iterator[SqliteJoined]:
    """See sources.guarding.Joining."""
    if not isinstance(connection, sqlite3.Connection):
        raise UsageError(
            "this is no connection of sqlite3", where=printable(path), why=f"it is {type(connection).__name__}",
            hint="give the sqlite3.Connection that deletes",
        )  # fmt: skip
    _require_same(connection, path)
    if not connection.in_transaction:
        if connection.isolation_level is None:
            raise UsageError(
                "this connection commits each statement by itself", where=printable(path),
                hint='begin a transaction first: connection.execute("BEGIN IMMEDIATE")',
            )  # fmt: skip
        connection.execute("BEGIN IMMEDIATE")
    joined = SqliteJoined(connection, path)
    try:
        yield joined
    finally:
        joined.leave()


@contextlib.contextmanager
def _plain(connection: sqlite3.Connection) -> Iterator[None]:
    """Rows are tuples and text is text meanwhile, whatever the application made of them."""
    row_factory, text_factory = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, _text
    try:
        yield
    finally:
        connection.row_factory, connection.text_factory = row_factory, text_factory


def _require_same(connection: sqlite3.Connection, path: bytes) -> None:
    with _plain(connection):
        files = [row[2] for row in connection.execute("PRAGMA database_list").fetchall() if row[1] == "main"]
    if not files or not files[0] or not os.path.exists(path) or not os.path.samefile(files[0], path):
        raise UsageError(
            "this connection leads to another database than the source", where=printable(path),
            why=f"it has {files[0] if files and files[0] else 'a database in memory'} open",
        )  # fmt: skip


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
