"""A source of chosen rows: a small database with the schema they come from, captured like any other."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.model.errors import SourceError, UsageError
from holdfast.model.records import Row, Table
from holdfast.model.snapshot import Notes
from holdfast.sources.base import Capture, CaptureNotes, CaptureRequest, Finding, Piece, RestoreRequest, Source, Target
from holdfast.sources.records import Book, Write
from holdfast.sources.sqlite.names import printable, quoted
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.book import SqliteBook
from holdfast.sources.sqlite.records.schema import Schema, Shape, read_schema
from holdfast.sources.sqlite.records.writing import statement_of
from holdfast.sources.sqlite.scratch import scratch_folder
from holdfast.sources.sqlite.settings import Settings

MakeSource = Callable[[bytes, Settings], Source]

_STAND_INS = 100
_NO_COLLATION = re.compile("no such collation sequence: (.+)")
_NO_FUNCTION = re.compile(r"(?:no such|unknown) function: (.+?)(?:\(\))?$")
_CODE_MISSING = ("no such module", "no such function", "unknown function", "no such collation", "unknown tokenizer")
_ORDER = {"table": 0, "index": 1, "view": 2, "trigger": 3}
_REFUSED = frozenset((sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH))
_ENCODINGS = ("UTF-8", "UTF-16le", "UTF-16be")


class ChosenRows:
    """Source (sources.base) of ``rows`` of ``book``. What it is called and where it stands are the database's own."""

    kind = "sqlite"

    def __init__(
        self, path: bytes, settings: Settings, book: Book, rows: Mapping[str, Sequence[Row]], make_source: MakeSource
    ) -> None:
        self._path = path
        self._settings = settings
        self._book = book
        self._rows = rows
        self._make_source = make_source

    @property
    def url(self) -> str:
        """Where the rows come from."""
        return self._make_source(self._path, self._settings).url

    @contextlib.contextmanager
    def capture(self, request: CaptureRequest) -> Iterator[Capture]:
        """The small database, made now; nothing of an earlier snapshot is kept or compared."""
        with scratch_folder(self._settings.scratch) as folder:
            path = os.path.join(os.fsencode(folder), os.path.basename(self._path))
            make_database(path, self._book, self._rows)
            source = self._make_source(path, self._settings)
            with source.capture(dataclasses.replace(request, previous=None, only=())) as capture:
                yield _Told(capture, "sqlite:" + printable(os.path.realpath(self._path)))

    def target(self, request: RestoreRequest) -> Target:
        """That of the database."""
        return self._make_source(self._path, self._settings).target(request)

    def examine(self) -> list[Finding]:
        """Nothing to examine."""
        return []


class _Told:
    """A capture that tells where its rows really come from."""

    ordered = False

    def __init__(self, capture: Capture, origin: str) -> None:
        self._capture = capture
        self._origin = origin

    @property
    def estimate(self) -> int | None:
        return self._capture.estimate

    def opening_notes(self) -> Notes:
        return self._capture.opening_notes()

    def lanes(self) -> Sequence[Iterator[Piece]]:
        return self._capture.lanes()

    def finish(self) -> CaptureNotes:
        return dataclasses.replace(self._capture.finish(), origin=self._origin, source_changed_at=None)


def make_database(path: bytes, book: Book, rows: Mapping[str, Sequence[Row]]) -> None:
    """A new database at ``path`` with the schema of ``book`` and these rows. SourceError when it cannot be made."""
    unknown = [name for name in rows if name not in book.tables]
    if unknown:
        raise UsageError(f"there is no table {', '.join(unknown)}", hint="it has " + ", ".join(book.tables))
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _fill(connection, book, rows)
    except sqlite3.Error as error:
        raise SourceError("the chosen rows could not be put together", where=printable(path), why=str(error)) from error


def _fill(connection: sqlite3.Connection, book: Book, rows: Mapping[str, Sequence[Row]]) -> None:
    encoding = book.encoding if isinstance(book, SqliteBook) else "UTF-8"
    for pragma in (f"encoding = '{encoding if encoding in _ENCODINGS else 'UTF-8'}'", "journal_mode = OFF",
                   "synchronous = OFF", "foreign_keys = OFF", "ignore_check_constraints = ON"):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    connection.set_authorizer(_allow)
    first, later = _definitions(book)
    for sql in first:
        _define(connection, sql)
    schema = _schema_of(connection)
    for name, chosen in rows.items():
        if name not in schema.shapes:
            raise UsageError(f"table {name} needs code that only the application has", where=name)
        _insert(connection, schema.shapes[name], chosen)
    for sql in later:
        _define(connection, sql)
    connection.execute("COMMIT")


def _definitions(book: Book) -> tuple[list[str], list[str]]:
    """(what rows need, what would only disturb while they are put in: indexes, views, triggers)."""
    if not isinstance(book, SqliteBook):
        return [_described(table, book) for table in book.tables.values()], []
    found = book.run(Statement("SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL"))
    wanted = [
        (_ORDER[kind], sql)
        for kind, name, table, sql in found
        if kind in _ORDER and not name.lower().startswith("sqlite_") and (kind != "table" or table in book.tables)
    ]
    return [sql for order, sql in wanted if not order], [sql for order, sql in sorted(wanted) if order]


def _described(table: Table, book: Book) -> str:
    """A definition for a table that does not come from SQLite."""
    parts = [
        f"{quoted(column.name)} {quoted(column.type) if column.type else ''}{'' if column.nullable else ' NOT NULL'}"
        for column in table.columns
    ]
    if table.key:
        parts.append(f"PRIMARY KEY ({_list(table.key)})")
    parts += [f"UNIQUE ({_list(columns)})" for columns in table.unique]
    parts += [
        f"FOREIGN KEY ({_list(each.columns)}) REFERENCES {quoted(each.to)} ({_list(each.to_columns)})"
        f" ON DELETE {each.on_delete.upper()}"
        for each in book.references
        if each.table == table.name
    ]
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)})"


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))


def _define(connection: sqlite3.Connection, sql: str) -> None:
    """Tables are made, with stand-ins for code of the application that rows do not need; the rest may be left out."""
    for _ in range(_STAND_INS):
        try:
            connection.execute(sql)
        except sqlite3.OperationalError as error:
            if not sql.lstrip()[:12].upper().startswith("CREATE TABLE") or not _stand_in(connection, str(error)):
                if any(word in str(error) for word in _CODE_MISSING):
                    return
                raise
        else:
            return


def _stand_in(connection: sqlite3.Connection, told: str) -> bool:
    """For one function or collation; what it would compute is never written anywhere."""
    if (missing := _NO_COLLATION.search(told)) is not None:
        connection.create_collation(missing[1], lambda one, two: (one > two) - (one < two))
    elif (missing := _NO_FUNCTION.search(told)) is not None:
        connection.create_function(missing[1], -1, _nothing, deterministic=True)
    else:
        return False
    return True


def _nothing(*_: object) -> None:
    """NULL satisfies every check."""


def _schema_of(connection: sqlite3.Connection) -> Schema:
    def ask(sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql).fetchall()

    return read_schema(ask)


def _insert(connection: sqlite3.Connection, shape: Shape, rows: Sequence[Row]) -> None:
    made = (statement_of(Write(verb="insert", table=shape.table.name, row=row), shape) for row in rows)
    for sql, group in itertools.groupby(made, lambda statement: statement.sql):
        connection.executemany(sql, (statement.values for statement in group))


def _allow(action: int, *_: object) -> int:
    """Definitions come from a snapshot: they may define, and reach nothing outside."""
    return sqlite3.SQLITE_DENY if action in _REFUSED else sqlite3.SQLITE_OK
