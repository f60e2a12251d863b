"""Values typed by a person, in the form COPY gives them, as far as that can be known without a server."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal, InvalidOperation

from holdfast.model.errors import UsageError
from holdfast.model.records import Table, Value
from holdfast.sources.postgres.records import canonical
from holdfast.sources.postgres.records.paths import path_of

_WHOLE = {"smallint": 15, "integer": 31, "bigint": 63}
_YES = ("t", "true", "y", "yes", "on", "1")
_NO = ("f", "false", "n", "no", "off", "0")
_FLOATS = {"real": 4, "double precision": 8}
_TIMED = re.compile(r"(timestamp|time)(?:\((\d)\))? (with|without) time zone")
_WHOLE_LIST = re.compile(r"\{\s*(-?\d+\s*(,\s*-?\d+\s*)*)?\}")
_NO_DIGITS = {"nan": "NaN", "infinity": "Infinity", "inf": "Infinity", "-infinity": "-Infinity", "-inf": "-Infinity"}
_DAY = re.compile(r"-?\d{4,}-\d\d-\d\d")


def typed(table: Table, column: str, text: str) -> Value:
    """``text`` as ``column`` writes it. UsageError when the column cannot hold it, or is none of the table's."""
    kind = next((one.type for one in table.columns if one.name == column), None)
    if kind is None:
        if path_of(column, [one.name for one in table.columns]) is None:
            raise UsageError(
                f"{table.name} has no column {column}", hint="columns: " + ", ".join(one.name for one in table.columns)
            )
        return text
    found = _read(kind, text)
    if found is None:
        raise UsageError(f"'{text}' is no value of {table.name}.{column}", why=f"the column is of type {kind}")
    return found


def fits(kind: str, text: str) -> bool:
    """Whether a column of a type could hold a value at all: False only where that is certain."""
    return _read(kind, text) is not None if kind in _WHOLE or kind == "uuid" else True


def _read(kind: str, text: str) -> str | None:
    """In canonical form; None when the type cannot hold it."""
    if kind in _WHOLE:
        return _integer(text, _WHOLE[kind])
    if kind == "boolean":
        return "t" if text.lower() in _YES else "f" if text.lower() in _NO else None
    if kind == "uuid":
        return _uuid(text)
    if kind.startswith("numeric"):
        return _numeric(kind, text)
    if kind == "date":
        return canonical.day(text) or (text if _is_odd_day(text) else None)
    if (timed := _TIMED.fullmatch(kind)) is not None:
        places = 6 if timed[2] is None else int(timed[2])
        if timed[1] == "time":
            return text if timed[3] == "with" else canonical.clock(text, places)
        return canonical.moment(text, zoned=timed[3] == "with", places=places)
    if kind in _FLOATS:
        return canonical.floating(text, _FLOATS[kind])
    if kind == "bytea":
        return canonical.binary(text)
    if kind.removesuffix("[]") in _WHOLE and _WHOLE_LIST.fullmatch(text):
        return re.sub(r"\s", "", text)
    if kind.startswith("character(") and kind[10:-1].isdigit():
        return text.ljust(int(kind[10:-1]))
    return text


def _is_odd_day(text: str) -> bool:
    """Dates beyond the calendar that Python knows."""
    far = _DAY.fullmatch(text) is not None and len(text.lstrip("-")) > len("2026-01-01")
    return far or text in ("infinity", "-infinity") or text.endswith(" BC")


def _integer(text: str, bits: int) -> str | None:
    try:
        number = int(text.strip())
    except ValueError:
        return None
    return str(number) if -(1 << bits) <= number < 1 << bits else None


def _uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        return None


def _numeric(kind: str, text: str) -> str | None:
    if text.strip().lower() in _NO_DIGITS:
        return _NO_DIGITS[text.strip().lower()]
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    digits = re.search(r",\s*(\d+)\)", kind)
    if digits and number.is_finite():
        number = round(number, int(digits[1]))
    return format(number, "f")
