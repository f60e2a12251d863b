"""A condition on the rows of one table: true, false, or unknown where a value is NULL."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from holdfast.model.errors import AmbiguousValue, UsageError
from holdfast.model.records import Row, Table, Value
from holdfast.records.naming import columns_hint, has_column
from holdfast.records.paths import values_at
from holdfast.records.where.expression import (
    Both,
    Column,
    Compare,
    Either,
    Expression,
    IsNull,
    Like,
    Literal,
    Not,
    OneOf,
)
from holdfast.sources.records import Book, Judging, Typed

Truth = bool | None
Test = Callable[[Row], Truth]

_NUMBERS = ("int", "smallint", "bigint", "serial", "numeric", "decimal", "real", "double", "float", "money", "oid")
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_LIKE = re.compile(r"\\(.)|([%_])|([^\\%_]+)|(\\)\Z", re.DOTALL)


def compiled(book: Book, table: Table, expression: Expression) -> Test:
    """A test for rows of ``table``. UsageError for columns it has not and values they cannot hold."""
    match expression:
        case Both(parts):
            return _all([compiled(book, table, part) for part in parts])
        case Either(parts):
            return _any([compiled(book, table, part) for part in parts])
        case Not(part):
            return _not(compiled(book, table, part))
        case IsNull(column):
            name = known(table, column)
            values = _values(book, table, name)
            return lambda row: all(value is None for value in values(row))
        case Like(column, pattern):
            return _like(book, table, known(table, column), pattern)
        case OneOf(column, values):
            return _any([_compare(book, table, Compare(column, "=", value)) for value in values])
        case Compare():
            return _compare(book, table, expression)


def known(table: Table, column: Column) -> str:
    """The column's name. UsageError with its place when the table has none of that name."""
    if not has_column(table, column.name):
        raise UsageError(
            f"{table.name} has no column {column.name}",
            where=f"character {column.at + 1} of the condition",
            hint=columns_hint(table),
        )
    return column.name


def candidates(book: Book, table: Table, column: Column, literal: Literal) -> list[Value]:
    """Every value of the column that equals what was written. UsageError with its place when there can be none."""
    try:
        found = [book.parse(table, known(table, column), literal.text)]
    except AmbiguousValue as error:
        # a condition says by its quotes which of them is meant
        return [value for value in error.values if isinstance(value, str) is (literal.kind == "text")]
    except UsageError as error:
        if literal.kind == "text" and not table.columns:
            return [literal.text]
        if not error.where:
            error.where = f"character {literal.at + 1} of the condition"
        raise
    if literal.kind == "truth" and found[0] == literal.text and not _is_text(table, column.name):
        found.append(literal.text == "true")
    if literal.text not in found and (not isinstance(found[0], str) if table.columns else literal.kind == "text"):
        found.append(literal.text)  # a column of SQLite may hold the text of a number
    return found


def declared(table: Table, name: str) -> str:
    """The type of a column in small letters; "" for paths and documents."""
    return next((each.type.lower() for each in table.columns if each.name == name), "")


def _is_text(table: Table, name: str) -> bool:
    return any(word in declared(table, name) for word in ("char", "text", "clob"))


def _compare(book: Book, table: Table, comparison: Compare) -> Test:
    column, literal, sign = comparison.column, comparison.value, comparison.sign
    name = known(table, column)
    judged = _judged(book, table, comparison)
    if judged is not None:
        return judged
    is_path = not any(each.name == name for each in table.columns) and bool(table.columns)
    number = _number(literal.text) if literal.kind != "truth" and not (is_path and literal.kind == "text") else None
    number = None if number is not None and number.is_nan() else number
    numeric = declared(table, name).startswith(_NUMBERS)
    if is_path:
        wanted: list[Value] = [] if number is not None and literal.kind == "number" else [
            literal.text == "true" if literal.kind == "truth" else literal.text
        ]
    elif numeric and number is not None and sign not in ("=", "<>"):
        wanted = []  # compared as a number, which need not be one the column can hold
    else:
        wanted = candidates(book, table, column, literal)

    def one(value: Any) -> Truth:
        if value is None:
            return None
        if number is not None and not isinstance(value, bool) and (numeric or not isinstance(value, str)):
            mine = _number(value)
            if mine is not None:
                # a float means what its digits are read as, not every digit of its power of two
                return _signed(sign, mine, _number(float(number)) or number if isinstance(value, float) else number)
        if is_path and literal.kind == "text" and not isinstance(value, bool):
            value = str(value)
        if sign in ("=", "<>"):
            return any(_same(value, each) for each in wanted) is (sign == "=")
        told = next((each for each in wanted if type(each) is type(value)), None)
        if told is None:
            return None
        try:
            return _SIGNS[sign](value, told)
        except TypeError:
            return None

    return lambda row: _any_of(one(value) for value in values_at(row.values, name))


def _judged(book: Book, table: Table, comparison: Compare) -> Test | None:
    """As the database itself compares, where the book knows how."""
    if not isinstance(book, Judging):
        return None
    literal, sign = comparison.value, comparison.sign
    ordered = sign not in ("=", "<>")
    try:
        found = book.judged(table, comparison.column.name, Typed(literal.text, literal.kind == "text"), ordered=ordered)
    except UsageError as error:
        error.where = error.where or f"character {literal.at + 1} of the condition"
        raise
    if found is None:
        return None

    def one(value: Any) -> Truth:
        if value is None:
            return None
        return bool(_SIGNS[sign](value, found.wanted)) if ordered else (value == found.wanted) is (sign == "=")

    return lambda row: _any_of(one(value) for value in found.values(row))


def _signed(sign: str, one: Decimal, two: Decimal) -> bool:
    if sign in ("=", "<>"):
        return (one == two) is (sign == "=")
    return False if one.is_nan() or two.is_nan() else _SIGNS[sign](one, two)


def _number(value: Any) -> Decimal | None:
    """A number, exactly; None for what is none."""
    if isinstance(value, bool | bytes) or value is None:
        return None
    try:
        return Decimal(value) if isinstance(value, int | Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None


def _like(book: Book, table: Table, name: str, pattern: Literal) -> Test:
    parts = []
    for escaped, wild, plain, lone in _LIKE.findall(pattern.text):
        parts.append({"%": ".*", "_": "."}[wild] if wild else re.escape(escaped or plain or lone))
    matches = re.compile("".join(parts), re.DOTALL).fullmatch

    def one(value: Any) -> Truth:
        told = book.plain(value)
        return None if told is None else matches(told if isinstance(told, str) else str(told)) is not None

    values = _values(book, table, name)
    return lambda row: _any_of(one(value) for value in values(row))


def _same(one: Any, two: Any) -> bool:
    """Truth is no number."""
    return bool(one == two) and isinstance(one, bool) == isinstance(two, bool)


def _values(book: Book, table: Table, name: str) -> Callable[[Row], Iterable[Any]]:
    """What rows have at a column or path."""
    if any(each.name == name and each.generated for each in table.columns):
        return lambda row: (_kept(row, table, name),)
    found = book.elements(table, name) if isinstance(book, Judging) else None
    return found or (lambda row: values_at(row.values, name))


def _kept(row: Row, table: Table, name: str) -> Any:
    if name not in row.values:
        raise UsageError(f"{table.name}.{name} is generated, and not kept in snapshots", hint=columns_hint(table))
    return row.values[name]


def _any_of(truths: Iterable[Truth]) -> Truth:
    found: list[Truth] = []
    for truth in truths:
        if truth:
            return True
        found.append(truth)
    return False if found and None not in found else None


def _any(tests: list[Test]) -> Test:
    return lambda row: _any_of(test(row) for test in tests)


def _all(tests: list[Test]) -> Test:
    def every(row: Row) -> Truth:
        found: Truth = True
        for test in tests:
            truth = test(row)
            if truth is False:
                return False
            found = None if truth is None else found
        return found

    return every


def _not(test: Test) -> Test:
    def contrary(row: Row) -> Truth:
        truth = test(row)
        return None if truth is None else not truth

    return contrary
