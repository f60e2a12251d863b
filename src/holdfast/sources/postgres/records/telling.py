"""Values of PostgreSQL as JSON: numbers, flags, lists and documents where a reader of JSON gets back what was meant."""

from __future__ import annotations

import itertools
import json
import re
from decimal import Decimal
from typing import Any

from holdfast.model.records import Digits, Row, Table, Value
from holdfast.sources.postgres.records import arrays

_WHOLE = ("smallint", "integer", "bigint", "oid")
_FLOATS = ("real", "double precision")
_DOCUMENTS = ("json", "jsonb")
_KEPT_WHOLE = 1 << 53
_KEPT_DIGITS = 15
_SCALE = re.compile(r"numeric\(\d+(?:,\s*(\d+))?\)")
_MOMENT = re.compile(r"(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(:\d\d(?::\d\d)?)?)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_VERBATIM = "$json"
_DEEPEST = 200


def told_row(table: Table, row: Row, *, exact: bool) -> dict[str, Any]:
    """A row by the types of its columns; ``exact``: documents and numerics in the very letters they are kept in."""
    types = {column.name: column.type for column in table.columns}
    return {name: _told_exactly(value, types.get(name, "")) if exact else told(value, types.get(name, ""))
            for name, value in row.values.items()}  # fmt: skip


def _told_exactly(value: Value, kind: str) -> Any:
    if kind in _DOCUMENTS and value is not None:
        return {_VERBATIM: str(value)}
    return value if kind.startswith("numeric") or kind.endswith("[]") else told(value, kind)


def told(value: Value, kind: str) -> Any:
    """A value of a column of type ``kind``; text as PostgreSQL writes it wherever JSON would lose something."""
    if value is None:
        return None
    text = str(value)
    if kind.endswith("[]"):
        return _list(text, kind[:-2])
    if kind in _WHOLE:
        return _whole(text)
    if kind == "boolean":
        return {"t": True, "f": False}.get(text, text)
    if kind in _FLOATS:
        return _floating(text)
    if kind.startswith("numeric"):
        return _number(text, kind)
    if kind in _DOCUMENTS:
        return _document(text)
    if kind.startswith("timestamp"):
        return _moment(text)
    return text


def _whole(text: str) -> Any:
    number = int(text)
    return number if abs(number) <= _KEPT_WHOLE else text


def _floating(text: str) -> Any:
    if text.lstrip("-") in ("NaN", "Infinity"):
        return text
    return Digits(text)


def _number(text: str, kind: str) -> Any:
    """Zeros at the end are told by the type where it has a scale; elsewhere they are kept, as text."""
    number = Decimal(text)
    if not number.is_finite() or len(number.as_tuple().digits) > _KEPT_DIGITS:
        return text
    if "." not in text:
        return _whole(text)
    kept = Decimal(repr(float(number)))
    scaled = _SCALE.fullmatch(kind) is not None
    return Digits(text) if kept == number and (scaled or not text.endswith("0")) else text


def _moment(text: str) -> str:
    """ISO 8601; what has no such form (endless, before Christ) as it is."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    day, clock, zone, minutes = found.groups()
    return f"{day}T{clock}{zone + (minutes or ':00') if zone else ''}"


def _document(text: str) -> Any:
    """The document; its text under ``$json`` where reading it would lose digits or names, or take it for another."""
    try:
        found = json.loads(text, parse_int=_kept_whole, parse_float=_kept_float, object_pairs_hook=_kept_names)
    except (ValueError, RecursionError):
        return {_VERBATIM: text}
    odd = found is None or (isinstance(found, dict) and _VERBATIM in found)
    return {_VERBATIM: text} if odd or _is_torn(text, found) or _is_deep(text, found) else found


def _is_torn(text: str, found: Any) -> bool:
    """Whether it holds half a letter: readers of JSON differ on what that is."""
    whole = json.dumps(found, ensure_ascii=False) if "\\u" in text and not _is_deep(text, found) else text
    return _SURROGATE.search(whole) is not None


def _is_deep(text: str, found: Any) -> bool:
    """Whether it is nested deeper than every reader of JSON can follow."""
    if text.count("{") + text.count("[") <= _DEEPEST:
        return False
    level = [found]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = list(itertools.chain.from_iterable(inner))
    return bool(level)


def _kept_whole(text: str) -> int:
    number = int(text)
    if abs(number) > _KEPT_WHOLE:
        raise ValueError(text)
    return number


def _kept_float(text: str) -> float:
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError(text)
    return number


def _kept_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _list(text: str, kind: str) -> Any:
    """A list of elements; text where it has bounds of its own, or another sign between them."""
    if kind == "box":
        return text
    found = arrays.parsed(text)
    if found is None or arrays.written(found) != text:
        return text
    return arrays.mapped(found, lambda each: told(each, kind))
