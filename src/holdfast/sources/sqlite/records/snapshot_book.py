"""The rows of a snapshot: SQLite itself reads them, out of the snapshot's pages, and can do nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import apsw

from holdfast.model.errors import HoldfastError, SourceError
from holdfast.model.events import Reporter, Warned, silent
from holdfast.model.records import Row, Table
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.records import Book, SnapshotView
from holdfast.sources.sqlite import header
from holdfast.sources.sqlite.names import KIND
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.book import SqliteBook
from holdfast.sources.sqlite.records.differing import Differing, Range
from holdfast.sources.sqlite.records.filesystem import snapshot_files
from holdfast.sources.sqlite.records.pages import Pages
from holdfast.sources.sqlite.records.schema import Schema, Shape, Unreadable, read_schema
from holdfast.sources.sqlite.records.trees import Trees

# Modules prepare writes that they never run; the file is read-only whatever is asked of it.
_HARMLESS = frozenset((apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE))
_READS = _HARMLESS | {apsw.SQLITE_READ, apsw.SQLITE_SELECT, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}
_PRAGMAS = frozenset(
    ("table_list", "table_xinfo", "index_list", "index_info", "index_xinfo", "foreign_key_list", "encoding",
     "data_version", "application_id", "user_version")
)  # fmt: skip
_FUNCTIONS_REFUSED = frozenset(("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"))
_STEPS = 1_000_000
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
    """Book and Comparing (sources.records) over the pages of a snapshot."""

    def __init__(
        self, pages: Pages, connection: apsw.Connection, failures: list[HoldfastError], item: Item, report: Reporter
    ) -> None:
        self._trees = Trees(pages)
        self._compared: tuple[SnapshotBook, Differing] | None = None
        self._connection = connection
        self._failures = failures
        counts = {table["name"]: table["rows"] for table in (item.notes or {}).get("tables", [])}
        try:
            encoding = next(self.run(Statement("PRAGMA encoding")))[0]
            schema = read_schema(lambda sql: self.run(Statement(sql)), counts)
        except UnicodeDecodeError as error:
            what = "the database in the snapshot cannot be read"
            raise SourceError(what, where=item.label, why="its schema is not text") from error
        super().__init__(schema, encoding)
        for name, why in schema.unreadable.items():
            report(Warned(source=item.label, text=f"table {name} cannot be looked at: {why}"))

    def run(self, statement: Statement) -> Iterator[tuple[Any, ...]]:
        """See SqliteBook. Damaged when the snapshot's own chunks cannot be had."""
        try:
            yield from self._connection.execute(statement.sql, statement.values)
        except apsw.Error as error:
            raise _in_words(error, self._failures) from error

    def rows_not_shared(self, table: Table, other: Book) -> Iterator[Row]:
        """See sources.records.Comparing: what stands in the same bytes at the same place in both is not read."""
        if not isinstance(other, SnapshotBook) or not self._is_alike(table, other):
            yield from self.rows(table)
            return
        shape = self.shape(table)
        differing = self._differing(other)
        roots = self.root(table.name), other.root(table.name)

        def owners(pages: set[int]) -> Iterator[tuple[int, ...]]:
            return self._owners(table.name, pages)

        if not all(roots):  # virtual: it keeps its rows in tables of its own
            yield from self.rows(table) if differing.pages else ()
        elif not shape.rowid:
            yield from () if differing.is_same_tree(*roots, owners) else self.rows(table)
        else:
            for low, high in _joined(differing.ranges(*roots, owners)):
                yield from self._between(shape, low, high)

    def _differing(self, other: SnapshotBook) -> Differing:
        if self._compared is None or self._compared[0] is not other:
            back = other._compared
            mirror = back[1] if back is not None and back[0] is self else None
            self._compared = (other, Differing(self._trees, other._trees, mirror))
        return self._compared[1]

    def _is_alike(self, table: Table, other: SnapshotBook) -> bool:
        """Whether equal bytes are equal rows."""
        mine, theirs = self._trees, other._trees
        if (self.encoding, mine.page_size, mine.usable) != (other.encoding, theirs.page_size, theirs.usable):
            return False
        shape = other.schema.shapes.get(table.name)
        return shape is not None and shape.sql == self.shape(table).sql

    def _between(self, shape: Shape, low: int | None, high: int | None) -> Iterator[Row]:
        tests = [(f"t.{shape.rowid} > ?", low), (f"t.{shape.rowid} <= ?", high)]
        used = [(test, value) for test, value in tests if value is not None]
        where = Statement(" AND ".join(test for test, _ in used), tuple(value for _, value in used))
        for _, *found in self._lossless(shape, shape.names, where, whole=True):
            yield Row(dict(zip(shape.names, found, strict=True)))

    def root(self, table: str) -> int:
        """The first page of a table's tree; 0 for one that has none."""
        asked = Statement("SELECT rootpage FROM main.sqlite_schema WHERE type = 'table' AND name = ?", (table,))
        return int(next(self.run(asked))[0] or 0)

    def _owners(self, table: str, pages: set[int]) -> Iterator[tuple[int, ...]]:
        """Ways down to the leaves whose rows go on in one of ``pages``; SQLite looks through the whole table."""
        asked = Statement("SELECT pageno, path FROM dbstat WHERE name = ? AND pagetype = 'overflow'", (table,))
        ways = {path.rpartition("/")[0] for page, path in self.run(asked) if page in pages}
        return (tuple(int(part, 16) for part in way.split("/") if part) for way in ways)


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
    with open_pages(item, view.content, view.report) as book:
        yield book


@contextlib.contextmanager
def open_pages(item: Item, content: Content, report: Reporter = silent) -> Iterator[Book]:
    """Look into any database whose bytes ``content`` gives."""
    pages = Pages(item, content)
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
        try:
            connection = _connect(name)
        except apsw.Error as error:
            raise _in_words(error, failures) from error
        with contextlib.closing(connection):
            yield SnapshotBook(pages, connection, failures, item, report)
    finally:
        files.remove(name)


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """Neighbours as one: fewer questions, and no row twice."""
    held: Range | None = None
    for low, high in ranges:
        if held is not None and (held[1] is None or (low is not None and low < held[1])):
            if held[1] is not None and (high is None or high > held[1]):
                held = (held[0], high)
        elif held is not None and held[1] == low:
            held = (held[0], high)
        else:
            if held is not None:
                yield held
            held = (low, high)
    if held is not None:
        yield held


def _in_words(error: apsw.Error, failures: list[HoldfastError]) -> Exception:
    """What kept SQLite from answering: chunks that cannot be had, code it lacks, or the database itself."""
    if failures:
        return failures.pop()
    if isinstance(error, apsw.SQLError | apsw.AuthError):
        return Unreadable(str(error))
    return SourceError(
        "the database in the snapshot is damaged in itself",
        why=str(error),
        hint="it was so when it was saved: holdfast show tells; look into an older snapshot",
    )


def _connect(name: str) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_NOMUTEX
    connection = apsw.Connection(f"file:{name}?mode=ro&immutable=1", flags=flags, vfs=snapshot_files().name)
    with contextlib.ExitStack() as stack:
        stack.callback(connection.close)
        _close_in(connection)
        stack.pop_all()
    return connection


def _close_in(connection: apsw.Connection) -> None:
    """Leave it nothing but reading."""
    for setting, value in _SETTINGS:
        connection.config(setting, value)
    for limit, value in _LIMITS:
        connection.limit(limit, value)
    for pragma in ("temp_store = MEMORY", "mmap_size = 0", "query_only = ON", f"cache_size = -{_CACHE_KIB}",
                   "cell_size_check = ON"):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    connection.authorizer = _allow
    connection.set_progress_handler(_go_on, _STEPS)


def _go_on() -> bool:
    """Called now and then, so that Ctrl-C is heard in the midst of a long statement."""
    return False


def _allow(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """Reading, and the questions we ask ourselves; no statement of ours needs more."""
    if action == apsw.SQLITE_PRAGMA:
        return int(apsw.SQLITE_OK if first in _PRAGMAS else apsw.SQLITE_DENY)
    if action == apsw.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS_REFUSED:
        return int(apsw.SQLITE_DENY)
    return int(apsw.SQLITE_OK if action in _READS else apsw.SQLITE_DENY)
