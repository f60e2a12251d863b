"""New content for a database that others may have open: one transaction, seen by every connection."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass

from holdfast.model.errors import TargetError
from holdfast.sources.sqlite.holders import holders
from holdfast.sources.sqlite.names import printable, uri

_STEP = 256
_COARSEST_TICK = 0.02


class Lock:
    """The write lock of a live database, and the means to tell later that nobody wrote since.

    SQLite's backup interface must take the write lock itself, so ours is let go just before; ``unmoved`` is asked
    once the backup holds it. In log mode another connection's data_version tells of any commit between; with a
    rollback journal, whose writers change the file itself, its size and change times do.
    """

    def __init__(self, path: bytes, wait: float) -> None:
        """sqlite3.Error when it cannot be had."""
        self._path = path
        self._writer = _connect(path, wait)
        self._watch = _connect(path, 0)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            self._log = self._writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            self.page_size = int(self._writer.execute("PRAGMA page_size").fetchone()[0])
            self._version = self._data_version()
            time.sleep(_COARSEST_TICK)  # a write after this cannot have the change time of one before
            self._facts = self._signature()
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> bool:
        """Whether the database is in log mode."""
        return bool(self._log)

    def unmoved(self) -> bool:
        """Whether nobody has written since the lock was taken."""
        if self._log:
            return self._data_version() == self._version
        return self._signature() == self._facts

    def let_go(self) -> None:
        """Release the write lock; others may write from now on."""
        self._writer.close()

    def close(self) -> None:
        """Release everything."""
        self._writer.close()
        self._watch.close()

    def _data_version(self) -> int:
        return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def _signature(self) -> tuple[int, ...]:
        facts = os.stat(self._path)
        return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@dataclass(slots=True)
class Replacement:
    """A replaced database, watched: ``untouched`` tells whether anybody wrote after us."""

    connection: sqlite3.Connection
    version: int

    def untouched(self) -> bool:
        """Whether no other connection has written since the replacement."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0]) == self.version

    def close(self) -> None:
        """Move what is in the log into the file, if nobody is in the way, and let go."""
        self.connection.execute("PRAGMA busy_timeout=1000")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.connection.close()


def replace_content(place: bytes, restored: bytes, lock: Lock, wait: float) -> Replacement:
    """Make the database at ``place`` hold what ``restored`` holds, or leave it exactly as it is.

    Other connections keep working and see the new content from their next transaction on. TargetError when
    somebody wrote since ``lock`` was taken, or keeps the database busy for longer than ``wait`` seconds.
    """
    target = _connect(place, wait)
    source = sqlite3.connect(uri(restored, "ro", immutable=True), uri=True, isolation_level=None)
    try:
        target.execute("PRAGMA synchronous=FULL")
        version = int(target.execute("PRAGMA data_version").fetchone()[0])
        page_size = int(source.execute("PRAGMA page_size").fetchone()[0])
        other_pages = lock.log and page_size != lock.page_size
        if other_pages:
            lock.close()
            _leave_log_mode(target, place, version)
        else:
            lock.let_go()
        watcher = _Watcher(lock, place, wait, checked=other_pages)
        source.backup(target, pages=_step(source), sleep=0.02, progress=watcher)
        if other_pages:
            target.close()  # nothing else gives an exclusive lock back
            target = _connect(place, wait)
            target.execute("PRAGMA journal_mode=WAL").fetchone()
            version = int(target.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error as error:
        target.close()
        raise translated(error, place) from error
    except BaseException:
        target.close()
        raise
    finally:
        source.close()
    return Replacement(target, version)


def _step(source: sqlite3.Connection) -> int:
    """Pages a step: the first must not be the last, which commits. (One page alone is a database without tables.)"""
    return _STEP if int(source.execute("PRAGMA page_count").fetchone()[0]) > _STEP else 1


class _Watcher:
    """Called after each step of the backup: the first that succeeds holds the lock, waiting has a bound."""

    def __init__(self, lock: Lock, place: bytes, wait: float, *, checked: bool) -> None:
        self._lock = lock
        self._place = place
        self._until = time.monotonic() + wait
        self._checked = checked

    def __call__(self, status: int, _remaining: int, _total: int) -> None:
        busy = status & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        if busy and time.monotonic() > self._until:
            raise _busy(self._place)
        if busy or self._checked:
            return
        self._checked = True
        if not self._lock.unmoved():
            raise _moved(self._place)


def _leave_log_mode(target: sqlite3.Connection, place: bytes, version: int) -> None:
    """Pages of another size can only be written without a log; that needs the database for ourselves."""
    target.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
    mode = target.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    if mode != "delete":
        raise TargetError(
            "The snapshot has another page size than the database, which others have open",
            where=printable(place),
            hint="Stop the application, then restore again",
            retryable=True,
        )
    if int(target.execute("PRAGMA data_version").fetchone()[0]) != version:
        raise _moved(place)


def _moved(place: bytes) -> TargetError:
    return TargetError(
        "The database was written to after the pre-restore snapshot was taken",
        where=printable(place),
        hint="Nothing was changed. Stop the application's writers, or just try again",
        retryable=True,
    )


def _connect(path: bytes, wait: float) -> sqlite3.Connection:
    return sqlite3.connect(uri(path, "rw"), uri=True, timeout=wait, isolation_level=None, check_same_thread=False)


def _busy(place: bytes) -> TargetError:
    held = ", ".join(holders(place))
    return TargetError(
        "The database is in use and could not be locked for writing",
        where=printable(place),
        why=f"locked by {held}" if held else "database is locked",
        hint="Nothing was changed. Let that program finish its transaction, then restore again",
        retryable=True,
    )


def translated(error: sqlite3.Error, place: bytes) -> TargetError:
    """SQLite's word in a person's words."""
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return _busy(place)
    return TargetError(
        "The database could not be replaced",
        where=printable(place),
        why=str(error),
        hint="Nothing was changed",
    )
