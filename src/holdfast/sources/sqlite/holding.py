"""Hold one committed state of a live database, in a process of its own.

This runs in a child process, because closing any descriptor of a file drops every POSIX lock that the process has
on it: read beside the application's own connections (or ours), plain file reads would silently unlock them.

What it costs the application:

- *write-ahead log* (``wal``): nobody waits. While the state is held, checkpoints cannot go past it, so the log
  grows by what is committed meanwhile. Pages are read from the file and the log directly, no copy is made.
- *rollback journal* (``rollback``): a read lock is held. Writers can prepare, but wait with their commit until
  it is released: as long as copying the file to the scratch folder takes (at once where the file system can
  clone), or, when there is no room for a copy, until the last byte was read.
- *not a readable database* (``bytes``: encrypted, or no database at all; ``corrupt``: SQLite refuses it): the same
  byte-range lock that SQLite takes is taken; then as for rollback.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import time
from dataclasses import dataclass

from holdfast.sources.sqlite import header as headers
from holdfast.sources.sqlite import walindex
from holdfast.sources.sqlite.copying import copy_whole
from holdfast.sources.sqlite.image import Image
from holdfast.sources.sqlite.names import uri

_PENDING_BYTE = 0x40000000
_SHARED_FIRST = _PENDING_BYTE + 2
_SHARED_SIZE = 510
_ATTEMPTS = 1000
_UNREADABLE = {"SQLITE_NOTADB": "bytes", "SQLITE_CORRUPT": "corrupt"}


class ReplacedError(Exception):
    """Another file took the name while it was being opened."""


@dataclass(slots=True)
class Held:
    """The state, and what was learned on the way. ``via`` tells how its bytes are read."""

    mode: str
    via: str
    image: Image
    connection: sqlite3.Connection | None
    page_size: int
    facts: os.stat_result
    first: bytes
    log_identity: bytes = b""
    provable: bool = True
    finding: str = ""


def hold(path: bytes, wait: float) -> Held:
    """Open and hold ``path`` as it is now; waits at most ``wait`` seconds for a writer.

    sqlite3.Error and OSError are left to the caller.
    """
    raw = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        connection = _connected(path, wait)
    except sqlite3.DatabaseError as error:
        mode = _UNREADABLE.get(getattr(error, "sqlite_errorname", ""))
        if mode is None:
            raise
        held = _hold_bytes(raw, wait, mode)
        held.finding = str(error)
        return held
    if not os.path.samestat(os.fstat(raw), os.stat(path)):
        raise ReplacedError("the file was replaced while it was being opened")
    _begin(connection)
    first = os.pread(raw, headers.SIZE, 0)
    header = headers.parse(first)
    if header is not None and header.wal:
        connection.execute("ROLLBACK")
        return _hold_log(path, raw, connection)
    facts = os.fstat(raw)
    page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
    return Held("rollback", "file", Image(raw, facts.st_size), connection, page_size, facts, first)


def hold_still(path: bytes) -> Held:
    """A file nobody else has open (a copy, a restore's result): no locks, no side files."""
    raw = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    facts, first = os.fstat(raw), os.pread(raw, headers.SIZE, 0)
    header = headers.parse(first)
    connection = None
    if header is not None or not facts.st_size:
        connection = still_connection(path)
    page_size = header.page_size if header else 0
    return Held("still", "file", Image(raw, facts.st_size), connection, page_size, facts, first)


def still_connection(path: bytes) -> sqlite3.Connection:
    """A connection to a file that does not change: it needs and leaves no side files."""
    return _opened(path, "ro", 0, immutable=True)


def move_to_copy(held: Held, copy: bytes) -> None:
    """Copy the held state to ``copy``, let the application go on, and read from the copy from now on."""
    source = held.image.fd
    before = os.fstat(source)
    target = copy_whole(source, copy)
    after = os.fstat(source)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise OSError(errno.EIO, "the file changed while it was locked: something writes without SQLite's locks")
    readable = held.connection is not None
    let_go(held)
    held.connection = still_connection(copy) if readable else None
    held.via = "copy"
    held.image = Image(target, before.st_size)


def still_valid(held: Held) -> bool:
    """Whether what was read is one state: the locks did what they should, whoever else wrote."""
    if held.image.overlay is not None:
        return held.image.overlay.still_valid()
    if held.mode == "wal" or held.via != "file":
        return True
    now = os.fstat(held.image.fd)
    return (now.st_size, now.st_mtime_ns) == (held.facts.st_size, held.facts.st_mtime_ns)


def let_go(held: Held) -> None:
    """Release every lock on the live database; what is not copied cannot be read any more."""
    if held.connection is not None:
        held.connection.close()
        held.connection = None
    elif held.mode in _UNREADABLE.values():
        with contextlib.suppress(OSError):
            fcntl.lockf(held.image.fd, fcntl.LOCK_UN, _SHARED_SIZE, _SHARED_FIRST)
    held.image.overlay = None


def back_up_to(held: Held, copy: bytes) -> None:
    """Let SQLite itself write the held state to ``copy``: for logs that must not be read directly."""
    if held.connection is None:
        raise OSError(errno.EINVAL, "not a database")
    target = sqlite3.connect(uri(copy, "rwc"), uri=True, isolation_level=None)
    target.execute("PRAGMA journal_mode=OFF")
    target.execute("PRAGMA synchronous=OFF")
    held.connection.backup(target, pages=-1)
    target.close()
    held.connection.close()
    held.connection = still_connection(copy)
    held.via, held.provable = "backup interface", False
    fd = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
    held.image = Image(fd, os.fstat(fd).st_size)


def _connected(path: bytes, wait: float) -> sqlite3.Connection:
    """A connection that has read the database once, so that its side files are open."""
    first, second = _modes(path)
    for mode in (first, second):
        connection = _opened(path, mode, wait, immutable=mode == "ro" and _unwritable_medium(path))
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if mode == second or error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
        else:
            return connection
    raise AssertionError  # the loop returns or raises


def _modes(path: bytes) -> tuple[str, str]:
    """Read-only first, so that a log left by a crashed application stays as it is; a hot journal needs the other.

    Without a log, a read-only connection would leave empty side files behind; a writing one removes them.
    """
    real = os.path.realpath(path)
    with open(real, "rb") as file:
        header = headers.parse(file.read(headers.SIZE))
    if header is not None and header.wal and not os.path.exists(real + b"-wal"):
        return ("rw", "ro")
    return ("ro", "rw")


def _unwritable_medium(path: bytes) -> bool:
    """Nobody can write there, and no log waits to be read: no locks needed (and none possible)."""
    real = os.path.realpath(path)
    log = os.path.exists(real + b"-wal") and os.path.getsize(real + b"-wal") > 0
    return not log and bool(os.statvfs(real).f_flag & os.ST_RDONLY)


def _opened(path: bytes, mode: str, wait: float, *, immutable: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(uri(path, mode, immutable=immutable), uri=True, timeout=wait, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA mmap_size=0")
    return connection


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute("PRAGMA schema_version").fetchone()


def _hold_log(path: bytes, raw: int, connection: sqlite3.Connection) -> Held:
    real = os.path.realpath(path)
    wal = _descriptor(real + b"-wal")
    # An index that we may not write is read by SQLite in a way of its own, with other locks.
    shm = _descriptor(real + b"-shm") if os.access(real + b"-shm", os.W_OK) else -1
    mark, backfill = _begin_at_mark(connection, shm)
    page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
    page_count = int(connection.execute("PRAGMA page_count").fetchone()[0])
    size = page_size * page_count
    facts, first = os.fstat(raw), os.pread(raw, headers.SIZE, 0)
    held = Held("wal", "file", Image(raw, size), connection, page_size, facts, first)
    if mark is None:
        held.via, held.provable = "unknown", False
    elif mark.frames != backfill:
        try:
            held.image = Image(raw, size, walindex.Overlay(wal, mark, page_count))
            held.via, held.log_identity = "file and log", mark.identity
        except walindex.ForeignLogError:
            held.via, held.provable = "unknown", False
    return held


def _begin_at_mark(connection: sqlite3.Connection, shm: int) -> tuple[walindex.Mark | None, int]:
    """Begin a read transaction, and tell which state of the log it sees; (None, 0) when that stays unclear.

    The state before and after is the same, so it is the transaction's too (each commit changes the index header).
    The backfill count is read in between: when it equals the frame count, the file alone is this state and stays
    it, whichever lock the transaction got; otherwise the transaction holds a read mark, and the log stays.
    """
    for attempt in range(_ATTEMPTS if shm >= 0 else 0):
        before = walindex.read_mark(shm)
        _begin(connection)
        backfill = walindex.read_backfill(shm)
        after = walindex.read_mark(shm)
        if before is not None and after is not None and before.raw == after.raw and backfill >= 0:
            return after, backfill
        connection.execute("ROLLBACK")
        time.sleep(0.0002 * (attempt % 10))
    _begin(connection)
    return None, 0


def _descriptor(path: bytes) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1


def _hold_bytes(raw: int, wait: float, mode: str) -> Held:
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.lockf(raw, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
            break
        except (BlockingIOError, PermissionError) as error:
            if time.monotonic() > until:
                raise sqlite3.OperationalError("database is locked") from error
            time.sleep(0.01)
    facts = os.fstat(raw)
    first = os.pread(raw, headers.SIZE, 0)
    return Held(mode, "file", Image(raw, facts.st_size), None, 0, facts, first)
