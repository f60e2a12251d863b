"""One statement over the rows of one or two books, in a DuckDB that can read nothing else and keep nothing."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

from holdfast.model.errors import HoldfastError, MissingTool, UsageError
from holdfast.records.sql.feeding import Feed
from holdfast.records.sql.reading import MACRO, quoted, reading
from holdfast.sources.records import Book

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_RESERVED = frozenset(("main", "temp", "system", "information_schema", "pg_catalog"))
_CONFIG = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "1GB",
    "threads": "2",
}
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_CATALOG = re.compile(r"\b(show|describe|information_schema|duckdb_\w+|pg_catalog)\b", re.IGNORECASE)
_NAME = re.compile(r'("(?:[^"]|"")*"|[^".]+)\.("(?:[^"]|"")*"|.+)', re.DOTALL)
_BATCH = 1000
_ATTEMPTS = 3


@dataclass(slots=True)
class Answer:
    """``columns``: (name, type in DuckDB). ``rows`` come while they are drained. ``notes``: what is not as it seems."""

    columns: list[tuple[str, str]]
    rows: Iterator[tuple[Any, ...]]
    notes: list[str] = field(default_factory=list)


class Session:
    """Tables of ``books`` by schema: "" for one book alone, "a" and "b" for two. Close it."""

    def __init__(self, books: Mapping[str, Book]) -> None:
        duckdb = _duckdb()
        from holdfast.records.sql.copied import CopiedFiles  # needs what has just been found to be installed

        self._error: type[Exception] = duckdb.Error
        self._conversion: type[Exception] = duckdb.ConversionException
        self._unreadable: type[Exception] = duckdb.InvalidInputException
        self._files = CopiedFiles()
        self._urls: list[str] = []
        self._select = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
        self._feeds: dict[str, Feed] = {}
        self._views: dict[str, list[tuple[str, str]]] = {}
        self._db: DuckDBPyConnection = duckdb.connect(":memory:", config=_CONFIG)
        self._db.register_filesystem(self._files)
        self._db.execute(MACRO)
        for schema, book in books.items():
            if schema:
                self._db.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            self._add(schema, book, RLock())

    def close(self) -> None:
        """Nothing is left of it."""
        self._db.close()

    def ask(self, sql: str) -> Answer:
        """The answer to one SELECT. UsageError for anything else, and for what DuckDB does not understand."""
        self._require_question(sql)
        names = [name for name, feed in self._feeds.items() if _CATALOG.search(sql) or _mentions(sql, feed)]
        for name in names:
            self._open(name)
        urls = ", ".join(f"'{url}'" for url in self._urls)
        for setting in (f"SET allowed_paths = [{urls}]", *_SETTINGS):
            self._db.execute(setting)
        for attempt in itertools.count(1):
            try:
                return self._run(sql, names)
            except self._conversion as error:
                # views are made anew with what does not fit as text; a cast of the question's own stays wrong
                if attempt == _ATTEMPTS or not self._demote(names):
                    raise self._wrong(sql, error) from error
            except self._unreadable as error:
                # lines longer than DuckDB takes, say: rows can always be decoded
                if "CSV" not in str(error) or not self._decode(names):
                    raise self._wrong(sql, error) from error
        raise AssertionError

    def _run(self, sql: str, names: Sequence[str]) -> Answer:
        try:
            cursor = self._db.execute(sql)
            first = cursor.fetchmany(_BATCH)
        except (self._conversion, self._unreadable):
            self._raise_failure()
            raise
        except self._error as error:
            self._raise_failure()
            raise self._wrong(sql, error) from error
        columns = [(str(each[0]), str(each[1])) for each in cursor.description or ()]
        notes = [note for name in names for note in self._feeds[name].notes]
        return Answer(columns=columns, rows=self._rows(sql, cursor, first), notes=notes)

    def _rows(self, sql: str, cursor: Any, batch: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        hidden = self._feeds if _CATALOG.search(sql) else {}
        while batch:
            yield from (row for row in batch if not any(type(each) is str and each in hidden for each in row))
            try:
                batch = cursor.fetchmany(_BATCH)
            except self._error as error:
                self._raise_failure()
                raise self._wrong(sql, error) from error

    def _raise_failure(self) -> None:
        """What went wrong while rows were read, in its own words."""
        streams = [feed.stream for feed in self._feeds.values() if feed.stream is not None]
        for failed in (self._files.failed, *(stream.failed for stream in streams)):
            if isinstance(failed, HoldfastError | KeyboardInterrupt):
                raise failed

    def _require_question(self, sql: str) -> None:
        try:
            statements = self._db.extract_statements(sql)
        except self._error as error:
            raise self._wrong(sql, error) from error
        if len(statements) != 1 or statements[0].type not in self._select:
            raise UsageError("one SELECT is expected", where=sql[:200], hint="a snapshot can be asked, not changed")

    def _wrong(self, sql: str, error: Exception) -> UsageError:
        told = " ".join(str(error).split("LINE ")[0].split())
        return UsageError("the statement cannot be carried out", where=sql[:200], why=told, hint=self._hint())

    def _hint(self) -> str:
        names = [view if schema == "main" else f"{schema}.{view}" for (schema, view), *_ in self._views.values()]
        return f"tables: {', '.join(names[:20])}{' …' if names[20:] else ''}"

    # -- tables

    def _add(self, schema: str, book: Book, lock: RLock) -> None:
        tables = list(book.tables.values())
        parts = {table.name: _parts(table.name) for table in tables}
        bare = [each[-1] for each in parts.values()]
        for table in tables:
            *inner, last = parts[table.name]
            names = [(schema or "main", table.name)]
            if inner and not schema and inner[0].lower() not in _RESERVED:
                names.insert(0, (inner[0], last))
            if inner and bare.count(last) == 1:
                names.append((schema or "main", last))
            raw = f"holdfast_rows_{len(self._feeds)}"
            self._feeds[raw] = Feed(book, table, lock)
            self._views[raw] = names

    def _open(self, name: str) -> None:
        feed = self._feeds[name]
        feed.describe()
        texts = feed.copied()
        if texts:
            urls = [self._files.add(text) for text in texts]
            self._urls += urls
            parts = [reading(url, text.columns) for url, text in zip(urls, texts, strict=True)]
            self._db.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
        else:
            feed.decoded = True
            self._db.register(name, feed.open())
        self._make_views(name)

    def _make_views(self, name: str) -> None:
        feed = self._feeds[name]
        columns = [f"{cast.sql.format(quoted(column))} AS {quoted(column)}" for column, cast in feed.casts.items()]
        for schema, view in self._views[name]:
            self._db.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            place = f"{quoted(schema)}.{quoted(view)}"
            self._db.execute(f"CREATE OR REPLACE VIEW {place} AS SELECT {', '.join(columns) or '1'} FROM {name}")

    def _decode(self, names: Sequence[str]) -> bool:
        """Tables that were read as text are decoded from now on; whether there were any."""
        copied = [name for name in names if not self._feeds[name].decoded]
        for name in copied:
            self._feeds[name].decoded = True
            self._db.execute(f"DROP VIEW {name}")
            self._db.register(name, self._feeds[name].open())
            self._make_views(name)
        return bool(copied)

    def _demote(self, names: Sequence[str]) -> bool:
        """Columns with values that do not fit become text; whether there were any."""
        found = False
        for name in names:
            feed = self._feeds[name]
            casts = {column: cast for column, cast in feed.casts.items() if cast.type != "VARCHAR"}
            if not casts:
                continue
            misfits = [
                f"{quoted(column)} IS NOT NULL AND TRY({cast.sql.format(quoted(column))}) IS NULL"
                for column, cast in casts.items()
            ]
            counts = ", ".join(f"count(*) FILTER (WHERE {misfit})" for misfit in misfits)
            odd = self._db.execute(f"SELECT {counts} FROM {name}").fetchone() or ()
            for column, count in zip(casts, odd, strict=True):
                if count:
                    feed.as_text(column)
                    found = True
            self._make_views(name)
        return found


@contextlib.contextmanager
def open_session(books: Mapping[str, Book]) -> Iterator[Session]:
    """A session, closed at the end. MissingTool where DuckDB is not installed."""
    with contextlib.closing(Session(books)) as session:
        yield session


def _duckdb() -> Any:
    try:
        import duckdb

        for name in ("fsspec", "pytz"):  # DuckDB needs them for files and times of ours, and says so only then
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingTool(
            f"SQL over snapshots needs the package {error.name}, which is not installed",
            hint="pip install 'holdfast[sql]'",
        ) from error
    return duckdb


def _parts(name: str) -> list[str]:
    """Schema and table of a name in which either may be quoted; the name alone where it has no schema."""
    found = _NAME.fullmatch(name)
    if found is None:
        return [name]
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in found.groups()]


def _mentions(sql: str, feed: Feed) -> bool:
    """Only tables that may be meant are opened: documents are looked at for their columns."""
    name = re.escape(_parts(feed.table.name)[-1].lower())
    return re.search(rf"(?<!\w){name}(?!\w)", sql.lower().replace('""', '"')) is not None
