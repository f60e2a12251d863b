"""The living database: read at one point, written in one transaction."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import Any

from holdfast.model.errors import SourceError
from holdfast.model.records import Table
from holdfast.sources.records import LiveTransaction
from holdfast.sources.sqlite.names import printable, quoted, uri
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.book import SqliteBook
from holdfast.sources.sqlite.records.schema import Unreadable, read_schema
from holdfast.sources.sqlite.records.transaction import SqliteTransaction

_COUNTED = 100_000
_LACKS = ("no such module", "no such function", "unknown function", "no such collation", "unknown tokenizer", "unsafe")


class SqliteLiveBook(SqliteBook):
    """LiveBook (sources.records) over the application's file.

    The library is Python's own, so that an application in this process and we share its locks. Reading holds one
    state; a transaction ends that, and what is read afterwards is the state then.
    """

    def __init__(self, path: bytes, wait: float) -> None:
        self.path = path
        self._connection = _connect(path, wait)
        try:
            encoding = next(self.run(Statement("PRAGMA encoding")))[0]
            super().__init__(read_schema(lambda sql: self.run(Statement(sql))), encoding)
        except BaseException:
            self._connection.close()
            raise

    def run(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        """See SqliteBook. SourceError for what the database refuses."""
        if not self._connection.in_transaction:
            self._begin()
        try:
            yield from self._connection.execute(statement.sql, statement.values)
        except sqlite3.Error as error:
            if any(word in str(error) for word in _LACKS):
                raise Unreadable(str(error)) from error
            raise _refused(error, self.path) from error

    def about(self, table: Table) -> tuple[int, bool]:
        """See Estimating: what the numbers of the rows span, where there are more than can be counted at once."""
        shape = self.schema.shapes[table.name]
        name = f"main.{quoted(table.name)}"
        asked = f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {_COUNTED + 1})"
        counted = int(next(self.run(Statement(asked)))[0])
        if counted <= _COUNTED or not shape.rowid or shape.virtual:
            if counted > _COUNTED:
                counted = int(next(self.run(Statement(f"SELECT count(*) FROM {name}")))[0])
            return counted, True
        # one by one: only so does the last row cost nothing to find
        low, high = (int(next(self.run(Statement(f"SELECT {end}({shape.rowid}) FROM {name}")))[0] or 0)
                     for end in ("min", "max"))  # fmt: skip
        return max(counted, high - low + 1), False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[LiveTransaction]:
        """See sources.records.LiveBook: the only writer from its first moment on."""
        self._end()
        with SqliteTransaction(self, self._connection, self.path) as transaction:
            yield transaction

    def close(self) -> None:
        """See sources.records.LiveBook."""
        self._connection.close()

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM main.sqlite_schema").fetchall()
        except sqlite3.Error as error:
            raise _refused(error, self.path) from error

    def _end(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("COMMIT")  # streams that are being read go on


def _connect(path: bytes, wait: float) -> sqlite3.Connection:
    if not os.path.isfile(path):
        raise SourceError(
            "The database file does not exist",
            where=printable(path),
            hint="Correct the path of this source; holdfast never creates a database it should look into",
        )
    try:
        connection = sqlite3.connect(
            uri(path, "rw"), uri=True, timeout=wait, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise _refused(error, path) from error
    connection.text_factory = _text
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _refused(error: sqlite3.Error, path: bytes) -> SourceError:
    busy = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return SourceError(
        "The database is locked by somebody else" if busy else "The database cannot be read",
        where=printable(path),
        why=str(error),
        hint="Let that program finish its transaction, then run again" if busy else "",
        retryable=busy,
    )
