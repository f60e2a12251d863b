"""A whole database, or some of its tables, as a script that the ``sqlite3`` program runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from holdfast.model.records import Table, Value
from holdfast.sources.sqlite.names import quoted
from holdfast.sources.sqlite.records.asking import Statement
from holdfast.sources.sqlite.records.book import SqliteBook

_BLOCK = 256 << 10
_LATER = {"index": 0, "view": 1, "trigger": 2}


def script(book: SqliteBook, tables: Sequence[Table] | None) -> Iterator[bytes]:
    """UTF-8 in blocks: definitions, rows, then indexes, views and triggers; all in one transaction."""
    block: list[str] = []
    size = 0
    for statement in _statements(book, tables):
        block.append(statement)
        size += len(statement)
        if size > _BLOCK:
            yield "".join(block).encode()
            block, size = [], 0
    yield "".join(block).encode()


def _statements(book: SqliteBook, tables: Sequence[Table] | None) -> Iterator[str]:
    chosen = list(book.tables.values()) if tables is None else list(tables)
    names = {table.name for table in chosen}
    yield "PRAGMA foreign_keys = OFF;\n"
    if tables is None:
        yield from _settings(book)
    yield "BEGIN TRANSACTION;\n"
    later: list[tuple[int, str]] = []
    sql = "SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
    for kind, name, owner, text in list(book.run(Statement(sql))):
        if name.lower().startswith("sqlite_"):
            continue
        if kind == "table" and name in names:
            yield text + ";\n"
        elif kind in _LATER and (owner in names or (kind == "view" and tables is None)):
            later.append((_LATER[kind], text + ";\n"))
    for table in chosen:
        yield from _rows(book, table)
    yield from _numbers(book, names)
    for _, text in sorted(later, key=lambda each: each[0]):
        yield text
    yield "COMMIT;\n"


def _settings(book: SqliteBook) -> Iterator[str]:
    if book.encoding != "UTF-8":
        yield f"PRAGMA encoding = '{book.encoding}';\n"
    for name in ("application_id", "user_version"):
        for (value,) in book.run(Statement(f"PRAGMA main.{name}")):
            if value:
                yield f"PRAGMA {name} = {int(value)};\n"


def _rows(book: SqliteBook, table: Table) -> Iterator[str]:
    names = book.shape(table).written
    head = f"INSERT INTO {quoted(table.name)} ({', '.join(map(quoted, names))}) VALUES ("
    for row in book.rows(table):
        yield head + ", ".join([_literal(row.values[name], book.encoding) for name in names]) + ");\n"


def _numbers(book: SqliteBook, names: set[str]) -> Iterator[str]:
    """What AUTOINCREMENT has given out."""
    found = list(book.run(Statement("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'")))
    if not found:
        return
    for name, number in list(book.run(Statement("SELECT name, seq FROM main.sqlite_sequence"))):
        if name in names:
            yield f"DELETE FROM sqlite_sequence WHERE name = {_literal(name, book.encoding)};\n"
            values = f"{_literal(name, book.encoding)}, {_literal(number, book.encoding)}"
            yield f"INSERT INTO sqlite_sequence (name, seq) VALUES ({values});\n"


def _literal(value: Value, encoding: str) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ("9e999" if value > 0 else "-9e999")
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if not isinstance(value, str):
        return str(value)
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        errors = "surrogateescape" if encoding == "UTF-8" else "surrogatepass"
        return f"CAST(X'{value.encode(encoding.lower(), errors).hex()}' AS TEXT)"
    return "'" + value.replace("'", "''") + "'"
