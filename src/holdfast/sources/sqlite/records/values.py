"""Values of SQLite: typed by a person, and shown as JSON."""

from __future__ import annotations

import base64
import math
import re
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.model.records import Value
from holdfast.sources.sqlite.records.schema import Shape

_BLOB = re.compile(r"x'((?:[0-9a-f]{2})*)'", re.IGNORECASE)
_LARGEST = 1 << 63
_KEPT = 1 << 53
_BROKEN = re.compile("[\udc80-\udcff]")


def affinity(declared: str) -> str:
    """What SQLite makes of a declared type (https://www.sqlite.org/datatype3.html, section 3.1)."""
    told = declared.upper()
    if "INT" in told:
        return "integer"
    if any(word in told for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if "BLOB" in told or not told:
        return "blob"
    return "real" if any(word in told for word in ("REAL", "FLOA", "DOUB")) else "numeric"


def parse(shape: Shape, column: str, text: str) -> Value:
    """A value typed by a person, as the column would hold it: ``x'00ff'`` is bytes wherever bytes may stand."""
    declared = next((each.type for each in shape.table.columns if each.name == column), None)
    if declared is None:
        return text
    kind = affinity(declared)
    if kind != "text" and (blob := _BLOB.fullmatch(text)):
        return bytes.fromhex(blob[1])
    number = number_in(text) if kind != "text" else None
    if number is None and (column == shape.alias or (shape.strict and kind not in ("text", "blob"))):
        raise UsageError(
            f"{text} cannot stand in {shape.table.name}.{column}", why=f"the column is {declared}", hint="give a number"
        )
    return text if number is None else number


def plain(value: Value) -> Any:
    """For JSON; bytes as extended JSON writes them."""
    if isinstance(value, bytes):
        return {"$binary": {"base64": base64.b64encode(value).decode(), "subType": "00"}}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value


def told(value: Value) -> Any:
    """For readers of JSON, without loss: extended JSON for what they could not keep or tell apart."""
    if isinstance(value, int) and abs(value) > _KEPT:
        return {"$numberLong": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$numberDouble": "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, str) and _BROKEN.search(value):
        data = value.encode("utf-8", "surrogateescape")
        return {"$text": {"base64": base64.b64encode(data).decode()}}
    return plain(value)


def number_in(text: str) -> int | float | None:
    """The number that a text is; None for any other text."""
    try:
        whole = int(text)
    except ValueError:
        whole = None
    if whole is not None and -_LARGEST <= whole < _LARGEST and "_" not in text:
        return whole
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
