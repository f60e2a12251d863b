"""A journal in one SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from holdfast.journal.base import JournalBroken, JournalFailed
from holdfast.journal.schema import VERSION, steps
from holdfast.journal.tables import Execute, TableJournal, fill_sources
from holdfast.model.errors import HoldfastError, NewerFormat
from holdfast.system import clock, files

T = TypeVar("T")

_PATIENCE = 5.0
"""Seconds until a file that another process keeps locked is given up."""
_MEND = "move the file away: a new one is begun, no backup is lost with it; holdfast runs rebuild fills it again"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BESIDE = ("", "-wal", "-shm")


class SqliteJournal(TableJournal):
    """See Journal. One connection to write, taken in turns, and one to look, which waits for no writer."""

    def __init__(self, path: Path) -> None:
        self._file = SqliteDatabase(path)
        super().__init__(self._file)

    def check(self) -> None:
        """JournalBroken unless the whole file is sound; costs reading it."""
        self._file.check()


class SqliteDatabase:
    """See Database."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:{path}"
        self._turn, self._looking = threading.Lock(), threading.Lock()
        self._reader: sqlite3.Connection | None = None
        with self._translated("the journal cannot be opened"):
            files.make_directories(path.parent, 0o700)
            self._path = path
            self._connection = self._connect()
            try:
                self._prepare(path)
            except BaseException:
                self._connection.close()
                raise

    def within(self, work: Callable[[Execute], T]) -> T:
        """See Database."""
        with self._turn, self._translated("the journal does not answer"):
            self._connection.execute("begin immediate")
            try:
                result = work(self._execute)
                self._connection.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("rollback")
                raise
            return result

    def read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """See Database."""
        with self._looking, self._translated("the journal does not answer"):
            if self._reader is None:
                self._reader = self._connect()
            return self._reader.execute(statement, values).fetchall()

    def check(self) -> None:
        """JournalBroken unless every page of the file is sound."""
        with self._turn, self._translated("the journal cannot be read"):
            (found,) = self._connection.execute("pragma quick_check(1)").fetchone()
        if found != "ok":
            raise JournalBroken("the journal is damaged", where=self.url, why=found, hint=_MEND)

    def close(self) -> None:
        """See Database."""
        with self._turn, self._looking:
            self._connection.close()
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)

    def _execute(self, statement: str, values: Sequence[Any]) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def _prepare(self, path: Path) -> None:
        # a lost last second of a journal is no harm; waiting for the disk at each entry would be
        self._connection.execute("pragma synchronous = normal")
        version = self._version()
        if version == VERSION:
            return
        if version > VERSION:
            raise NewerFormat(
                "the journal was written by a newer holdfast", where=self.url,
                hint="use that version, or name another place: [journal] url",
            )  # fmt: skip
        _keep_private(path)
        self._patiently("pragma journal_mode = wal")
        self._patiently("begin immediate")
        try:
            version = self._version() or self._has_first_tables()
            for statement in steps(version):
                self._connection.execute(statement)
            if version == 1:
                fill_sources(self._execute)
            self._connection.execute(f"pragma user_version = {VERSION}")
            self._connection.execute("commit")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("rollback")
            raise

    def _version(self) -> int:
        return int(self._connection.execute("pragma user_version").fetchone()[0])

    def _has_first_tables(self) -> int:
        """1 when the tables are there that bore no version."""
        return int(self._connection.execute("select count(*) from sqlite_master where name = 'runs'").fetchone()[0])

    def _patiently(self, statement: str) -> None:
        """Not every change of a file's mode waits its turn by itself."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._connection.execute(statement)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except HoldfastError:
            raise
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            broken = code in _BROKEN
            raise (JournalBroken if broken else JournalFailed)(
                "the journal is damaged" if broken else what, where=self.url, why=str(error),
                hint=_MEND if broken else "see that the file can be written to and its disk has room",
            ) from error  # fmt: skip
        except OSError as error:
            raise JournalFailed(what, where=self.url, why=error.strerror or str(error)) from error


def set_aside(path: Path) -> Path:
    """Move a broken journal out of the way, to a name ending in ``.broken``; returns where it is now."""
    kept = path.with_name(f"{path.name}.broken")
    if kept.exists():
        kept = path.with_name(f"{path.name}.{clock.now():%Y%m%dT%H%M%S%f}.broken")
    for ending in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{kept}{ending}")
    return kept


def _keep_private(path: Path) -> None:
    """Logs may name what only its owner should know."""
    with contextlib.suppress(OSError):
        os.chmod(path, 0o600)
