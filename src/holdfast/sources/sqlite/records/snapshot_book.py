"""The rows of a snapshot: SQLite itself reads them, out of the snapshot's pages, and can do nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import apsw

from holdfast.model.errors import HoldfastError, SourceError
from holdfast.model.events import Warned
from holdfast.sources.records import Book, SnapshotView
from holdfast.sources.sqlite import header
from holdfast.sources.sqlite.names import KIND
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.book import SqliteBook
from holdfast.sources.sqlite.records.filesystem import snapshot_files
from holdfast.sources.sqlite.records.pages import Pages
from holdfast.sources.sqlite.records.schema import Schema, Unreadable, read_schema

_READS = frozenset((apsw.SQLITE_READ, apsw.SQLITE_SELECT, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE))
_PRAGMAS = frozenset(
    ("table_list", "table_xinfo", "index_list", "index_info", "foreign_key_list", "encoding", "data_version")
)
_FUNCTIONS_REFUSED = frozenset(("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"))
_CACHE_KIB = 16_384
_SETTINGS = (
    (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
    (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0),
)
_LIMITS = (
    (apsw.SQLITE_LIMIT_ATTACHED, 0),
    (apsw.SQLITE_LIMIT_WORKER_THREADS, 0),
    (apsw.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
)


class SnapshotBook(SqliteBook):
    """Book over the pages of a snapshot. ``pages`` and ``root`` are for comparing with another."""

    def __init__(self, pages: Pages, connection: apsw.Connection, failures: list[HoldfastError], view: SnapshotView):
        self.pages = pages
        self._connection = connection
        self._failures = failures
        item = next(view.manifest.items())
        counts = {table["name"]: table["rows"] for table in (item.notes or {}).get("tables", [])}
        try:
            encoding = next(self.run(Statement("PRAGMA encoding")))[0]
            schema = read_schema(lambda sql: self.run(Statement(sql)), counts)
        except (Unreadable, UnicodeDecodeError) as error:
            what = "the database in the snapshot cannot be read"
            raise SourceError(what, where=item.label, why=str(error)) from error
        super().__init__(schema, encoding)
        for name, why in schema.unreadable.items():
            view.report(Warned(source=item.label, text=f"table {name} cannot be looked at: {why}"))

    def run(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        """See SqliteBook. Damaged when the snapshot's own chunks cannot be had."""
        try:
            yield from self._connection.execute(statement.sql, statement.values)
        except apsw.Error as error:
            if self._failures:
                raise self._failures.pop() from error
            if isinstance(error, apsw.SQLError | apsw.AuthError):
                raise Unreadable(str(error)) from error
            raise SourceError(
                "the database in the snapshot is damaged in itself",
                why=str(error),
                hint="it was so when it was saved: holdfast show tells; look into an older snapshot",
            ) from error

    def root_page(self, table: str) -> int:
        """The first page of a table's tree."""
        asked = Statement("SELECT rootpage FROM main.sqlite_schema WHERE type = 'table' AND name = ?", (table,))
        return int(next(self.run(asked))[0])


class EmptyBook(SqliteBook):
    """Book over a database without a single byte: that is a valid one, without tables."""

    def __init__(self) -> None:
        super().__init__(Schema(), "UTF-8")

    def run(self, statement: Statement) -> Iterator[tuple[Any, ...]]:  # noqa: ARG002
        """There is nothing."""
        return iter(())


@contextlib.contextmanager
def open_snapshot(view: SnapshotView) -> Iterator[Book]:
    """Look into a snapshot. SourceError when what was saved is not a database SQLite can read."""
    item = next((each for each in view.manifest.items() if each.kind == KIND), None)
    if item is None or not item.size:
        yield EmptyBook()
        return
    pages = Pages(item, view.content)
    if header.parse(pages.read(0, header.SIZE)) is None:
        raise SourceError(
            "the snapshot holds no database that can be looked into",
            where=item.label,
            why="it is encrypted, or something else, and was kept as bytes",
            hint="restore it and open it with the application",
        )
    failures: list[HoldfastError] = []
    files = snapshot_files()
    name = files.add(pages, failures)
    try:
        with contextlib.closing(_connect(name)) as connection:
            yield SnapshotBook(pages, connection, failures, view)
    finally:
        files.remove(name)


def _connect(name: str) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_NOMUTEX
    connection = apsw.Connection(f"file:{name}?mode=ro&immutable=1", flags=flags, vfs=snapshot_files().name)
    for setting, value in _SETTINGS:
        connection.config(setting, value)
    for limit, value in _LIMITS:
        connection.limit(limit, value)
    for pragma in ("temp_store = MEMORY", "mmap_size = 0", "query_only = ON", f"cache_size = -{_CACHE_KIB}",
                   "cell_size_check = ON"):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    connection.authorizer = _allow
    return connection


def _allow(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """Reading, and the questions we ask ourselves; no statement of ours needs more."""
    if action == apsw.SQLITE_PRAGMA:
        return int(apsw.SQLITE_OK if first in _PRAGMAS else apsw.SQLITE_DENY)
    if action == apsw.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS_REFUSED:
        return int(apsw.SQLITE_DENY)
    return int(apsw.SQLITE_OK if action in _READS else apsw.SQLITE_DENY)
