"""The rows of a table for which a condition holds, reading only what it cannot rule out by a key."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from holdfast.model.records import Key, Row, Table, Value
from holdfast.records.where.evaluating import candidates, compiled, declared
from holdfast.records.where.expression import Both, Compare, Expression, Literal, OneOf
from holdfast.sources.records import Book

_EXACT = ("", "smallint", "integer", "bigint", "int", "text", "character varying", "varchar", "uuid", "boolean")
_MOST = 10_000


def chosen(book: Book, table: Table, expression: Expression) -> Iterator[Row]:
    """Rows for which the condition is true. UsageError before the first row when it does not fit the table."""
    test = compiled(book, table, expression)
    asked = _by_equality(book, table, expression)
    rows = book.rows(table) if asked is None else book.find(table, *asked)
    return (row for row in rows if test(row))


def _by_equality(book: Book, table: Table, expression: Expression) -> tuple[tuple[str, ...], list[Key]] | None:
    """Columns and their values that every row sought must have; None when nothing is said about equality."""
    equal = _equalities(book, table, expression)
    for columns in (table.key, *table.unique):
        covered = bool(columns) and all(column in equal for column in columns)
        if covered and math.prod(len(equal[column]) for column in columns) <= _MOST:
            return columns, _product(equal, columns)
    single = min(equal, key=lambda name: len(equal[name]), default=None)
    return None if single is None else ((single,), _product(equal, (single,)))


def _product(equal: dict[str, list[Value]], columns: tuple[str, ...]) -> list[Key]:
    return list(itertools.product(*(equal[column] for column in columns)))


def _equalities(book: Book, table: Table, expression: Expression) -> dict[str, list[Value]]:
    found: dict[str, list[Value]] = {}
    for part in expression.parts if isinstance(expression, Both) else (expression,):
        match part:
            case Compare(column, "=", value):
                values: tuple[Literal, ...] = (value,)
            case OneOf(column, values) if len(values) <= _MOST:
                pass
            case _:
                continue
        if _is_exact(table, column.name):
            found[column.name] = [each for value in values for each in candidates(book, table, column, value)]
    return found


def _is_exact(table: Table, name: str) -> bool:
    """Whether equal values of the column are written in one way only; paths are read by the condition alone."""
    if not table.columns:
        return "." not in name and "[" not in name
    kind = declared(table, name).partition("(")[0]
    return any(each.name == name for each in table.columns) and kind in _EXACT
