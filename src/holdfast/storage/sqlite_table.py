"""A store in one table of a SQLite file: a whole repository as a single file on a local disk."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

from holdfast.model.errors import ObjectExists, ObjectMissing, StorageError, StorageFull, UsageError
from holdfast.storage.address import Address, parse_options
from holdfast.storage.base import Buffer, Stat, Traits
from holdfast.storage.names import bounds, check_name, check_prefix, check_range
from holdfast.storage.pool import Pool
from holdfast.system.files import fsync_directory, make_directories

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_WAIT_SECONDS = 60.0
_PAGE = 1000
_CONNECTIONS = 8
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)
_NOW = "(julianday('now') - 2440587.5) * 86400.0"


class SqliteTable:
    """Objects as rows of ``table`` in the file ``path``, which the first write creates.

    Commits are flushed to disk before put_new and delete return. Not for network file systems: SQLite's
    write-ahead log needs shared memory.
    """

    def __init__(self, path: str | os.PathLike[str], table: str = "holdfast") -> None:
        if not _TABLE.match(table) or table.lower().startswith("sqlite_"):
            raise UsageError("not a table name", where=repr(table), hint="letters, digits and _, such as holdfast")
        self._path = os.path.abspath(path)
        self._table = table
        self._pool: Pool[sqlite3.Connection] = Pool(self._connect, _CONNECTIONS)
        self._writing = threading.Lock()  # waiting here is fair and quick, SQLite's own waiting is polling
        self._created = False
        self._deleted = False

    def __repr__(self) -> str:
        return f"SqliteTable({self._path!r}, {self._table!r})"

    @property
    def url(self) -> str:
        """``sqlite:PATH?table=NAME``."""
        return f"sqlite:{self._path}?table={self._table}"

    @property
    def traits(self) -> Traits:
        """Smaller packs, and local."""
        return Traits(pack_size=1 << 20, local=True, parallel=4)

    def put_new(self, name: str, data: Buffer) -> None:
        """See Storage."""
        check_name(name)
        with self._translated("write", name):
            self._create()
            with self._writing, self._pool.borrow() as connection:
                done = connection.execute(
                    f'INSERT INTO "{self._table}" (name, data, written_at) VALUES (?, ?, {_NOW})'
                    " ON CONFLICT (name) DO NOTHING",
                    (name, memoryview(data)),
                ).rowcount
        if done != 1:
            raise ObjectExists("the object exists already", where=f"{self.url} {name}")

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Storage. A range is read from the pages that hold it, not cut out of the whole."""
        check_name(name)
        check_range(offset, length)
        with self._reading(name) as connection:
            row = connection.execute(f'SELECT id FROM "{self._table}" WHERE name = ?', (name,)).fetchone()
            if row is not None:
                return self._read(connection, row[0], offset, length)
        return self._missing(name)

    def stat(self, name: str) -> Stat:
        """See Storage."""
        check_name(name)
        with self._reading(name) as connection:
            row = connection.execute(
                f'SELECT length(data), written_at FROM "{self._table}" WHERE name = ?', (name,)
            ).fetchone()
        if row is None:
            return self._missing(name)
        return Stat(name, row[0], row[1])

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Storage."""
        check_prefix(prefix)
        return self._pages(prefix)

    def delete(self, name: str) -> None:
        """See Storage."""
        check_name(name)
        with contextlib.suppress(ObjectMissing), self._writing, self._reading(name, "delete") as connection:
            connection.execute(f'DELETE FROM "{self._table}" WHERE name = ?', (name,))
            self._deleted = True

    def free_space(self) -> int | None:
        """Bytes free on the file system; pages free inside the file come on top."""
        folder = os.path.dirname(self._path)
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize

    def close(self) -> None:
        """Close the file, after giving the space of deleted objects back."""
        if self._deleted:
            with contextlib.suppress(StorageError), self._translated("shrink", ""), self._pool.borrow() as connection:
                # A script runs to its end; execute() would stop after the first page.
                connection.executescript("PRAGMA incremental_vacuum")
        self._pool.close()

    def _read(self, connection: sqlite3.Connection, row: int, offset: int, length: int | None) -> bytes:
        with connection.blobopen(self._table, "data", row, readonly=True) as blob:
            rest = max(len(blob) - offset, 0)
            wanted = rest if length is None else min(length, rest)
            if wanted == 0:
                return b""
            blob.seek(offset)
            return blob.read(wanted)

    def _missing(self, name: str) -> NoReturn:
        raise ObjectMissing("there is no such object", where=f"{self.url} {name}")

    @contextlib.contextmanager
    def _reading(self, name: str, verb: str = "read") -> Iterator[sqlite3.Connection]:
        """A connection to what must exist already: reading creates neither file nor table."""
        if not os.path.exists(self._path):
            self._missing(name)
        with self._translated(verb, name), self._pool.borrow() as connection:
            yield connection

    def _pages(self, prefix: str) -> Iterator[Stat]:
        after, end = bounds(prefix)
        query = (
            f'SELECT name, length(data), written_at FROM "{self._table}"'
            f" WHERE name > ? AND name < ? ORDER BY name LIMIT {_PAGE}"
        )
        while True:
            try:
                with self._reading(prefix, "list") as connection:
                    rows = connection.execute(query, (after, end)).fetchall()
            except ObjectMissing:
                return
            yield from (Stat(*row) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            # EXTRA is FULL plus what FULL lacks where the write-ahead log is not available.
            connection.execute("PRAGMA synchronous = EXTRA")
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """Make the file and the table, once; of several clients doing so each finds it done."""
        if self._created:
            return
        folder = os.path.dirname(self._path)
        make_directories(folder)
        if not os.path.exists(self._path):  # readable by nobody else, from the first byte on
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with self._writing, self._pool.borrow() as connection:
            connection.execute("PRAGMA page_size = 32768")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _use_write_ahead_log(connection)
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{self._table}" (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,'
                " data BLOB NOT NULL, written_at REAL NOT NULL)"
            )
        fsync_directory(folder)
        self._created = True

    @contextlib.contextmanager
    def _translated(self, verb: str, name: str) -> Iterator[None]:
        where = f"{self.url} {name}".rstrip()
        try:
            yield
        except sqlite3.Error as error:
            raise _explain(error, verb, where) from error
        except OSError as error:
            raise StorageError(f"cannot {verb}", where=where, why=error.strerror or str(error)) from error


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file over; the one step for which SQLite does not wait by itself while others do the same."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if _primary(error) not in _PASSING or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _primary(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _explain(error: sqlite3.Error, verb: str, where: str) -> StorageError:
    code, why = _primary(error), str(error)
    if verb != "write" and why.startswith(("no such table", "no such rowid")):
        return ObjectMissing("there is no such object", where=where)
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(f"cannot {verb}: no space left", where=where, why=why, hint="free space on that disk")
    if code in _REFUSED:
        hint = "give the user who runs holdfast write access to the file and its folder"
        return StorageError(f"cannot {verb}: not allowed here", where=where, why=why, hint=hint)
    if code == sqlite3.SQLITE_NOTADB:
        return StorageError("this file is not a SQLite database", where=where, why=why, hint="name another file")
    return StorageError(f"cannot {verb}", where=where, why=why, retryable=code in _PASSING)


def open_sqlite(address: Address) -> SqliteTable:
    """``sqlite:PATH?table=NAME``."""
    path, _, query = address.rest.partition("?")
    options = parse_options(query, ("table",), f"sqlite:{path}")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if not path or path.endswith("/") or "\0" in path:
        raise UsageError("a sqlite: URL names a file", where=repr(path), hint="sqlite:/path/to/repository.db")
    return SqliteTable(path, options.get("table", "holdfast"))
