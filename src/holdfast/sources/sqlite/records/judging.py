"""Conditions on rows of SQLite, judged as SQLite does: by storage class, then by value; texts by their collation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.model.records import Row, Value
from holdfast.sources.records import Judged, Typed
from holdfast.sources.sqlite.records.schema import Shape
from holdfast.sources.sqlite.records.values import affinity, number_in

_TRUTH = {"true": 1, "false": 0}
_SMALL = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_COLLATIONS: dict[str, Callable[[str], str]] = {
    "BINARY": str, "NOCASE": lambda text: text.translate(_SMALL), "RTRIM": lambda text: text.rstrip(" "),
}  # fmt: skip


def judged(shape: Shape, name: str, typed: Typed, *, ordered: bool) -> Judged | None:
    """See sources.records.Judging."""
    declared = next((column.type for column in shape.table.columns if column.name == name), None)
    if declared is None:
        return None
    collation = _collation(shape.sql, name)
    if collation not in _COLLATIONS and ordered:
        raise UsageError(
            f"texts of {shape.table.name}.{name} have no order here", why=f"only the application has {collation}",
            hint="compare with = or <>",
        )  # fmt: skip
    fold = _COLLATIONS.get(collation, str)

    def values(row: Row) -> Iterable[Any]:
        value = row.values.get(name)
        return (None if value is None else _measured(value, fold),)

    return Judged(values, _measured(_as_compared(typed, affinity(declared)), fold))


def _as_compared(typed: Typed, kind: str) -> Value:
    """What the affinity of the column makes of a literal before it is compared."""
    number = None if typed.quoted else _TRUTH.get(typed.text, number_in(typed.text))
    if kind == "text":
        return str(number) if number is not None and typed.text in _TRUTH else typed.text
    if kind == "blob":
        return typed.text if number is None else number
    converted = number_in(typed.text.strip()) if number is None else number
    return typed.text if converted is None else converted


def _measured(value: Value, fold: Callable[[str], str]) -> tuple[int, Any]:
    """Numbers before texts before bytes."""
    if isinstance(value, int | float):
        return (1, value)
    if isinstance(value, bytes):
        return (3, value)
    return (2, fold(str(value)).encode("utf-8", "surrogateescape"))


def _collation(sql: str, name: str) -> str:
    """That of a column, by the statement that made the table."""
    spelled = rf"(?:[\"\[`]{re.escape(name)}[\"\]`]|(?<!\w){re.escape(name)}(?!\w))"
    found = re.search(rf"[(,]\s*{spelled}(?:\([^)]*\)|[^,()])*?\bCOLLATE\s+[\"'\[`]?(\w+)", sql, re.IGNORECASE)
    return found[1].upper() if found else "BINARY"
