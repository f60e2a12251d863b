"""Rows for readers of JSON, without loss; and rows that differ never told alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.model.records import Row, Table, Value
from holdfast.sources.records import Book, Telling

Told = dict[str, Any]


def told_row(book: Book, table: Table, row: Row, *, exact: bool = False) -> Told:
    """A row of ``table`` as JSON values, as ``book`` tells them."""
    if isinstance(book, Telling):
        return book.told(table, row, exact=exact)
    return {column: book.plain(value) for column, value in row.values.items()}


def told_key(book: Book, table: Table, columns: Sequence[str], key: Sequence[Value]) -> Told:
    """The columns of a question with what is asked for in them."""
    return told_row(book, table, Row(dict(zip(columns, key, strict=False))))


def told_pair(
    books: tuple[Book, Book], tables: tuple[Table, Table], rows: tuple[Row | None, Row | None]
) -> tuple[Told | None, Told | None]:
    """Both states of a row; in exact form where the ordinary one would not show how they differ."""
    for exact in (False, True):
        before, after = (
            None if row is None else told_row(book, table, row, exact=exact)
            for book, table, row in zip(books, tables, rows, strict=True)
        )
        if repr(before) != repr(after):
            break
    return before, after
