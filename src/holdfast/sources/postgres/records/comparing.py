"""How PostgreSQL compares values: what it calls equal, and in which order, out of the text it writes them in."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from holdfast.sources.postgres.records.spans import length

Measure = Callable[[str], Any]
"""Makes of a value something that Python compares as the server compares the value."""

_NUMBERS = ("numeric", "real", "double precision")
_AS_WRITTEN = (
    "smallint", "integer", "bigint", "oid", "boolean", "uuid", "bytea", "bit", "text", "name", "time(", "time ",
    "character varying", '"char"', "xid", "pg_lsn",
)  # fmt: skip
_MOMENT = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d+)?))?(?:[+-]\d\d(?::\d\d){0,2})?( BC)?")
_ZONED = re.compile(r"(\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?")
_ENDLESS = {"-infinity": -1, "infinity": 1}


def is_as_written(kind: str) -> bool:
    """Whether values of the type may be compared by their text, or as whole numbers."""
    return kind == "" or (kind.startswith(_AS_WRITTEN) and not kind.endswith("[]") and "with time zone" not in kind)


def measure(kind: str, labels: list[str] | None) -> Measure | None:
    """For a type whose text does not tell; ``labels`` of an enum. None: nobody but the server can tell the order."""
    if labels is not None:
        return {label: place for place, label in enumerate(labels)}.get
    if kind.endswith("[]"):
        return None
    if kind.startswith(_NUMBERS):
        return _number
    if kind.startswith("interval"):
        return _interval
    if kind.startswith(("date", "timestamp")) and "range" not in kind:
        return _moment
    if kind.startswith("time"):
        return _zoned
    if kind.startswith(("character", "bpchar")):
        return str.rstrip
    return str.lower if kind.rpartition(".")[2] == "citext" else None


def _number(text: str) -> Any:
    """NaN is equal to itself and greater than all."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return (1, Decimal(0)) if number.is_nan() else (0, number)


def _interval(text: str) -> Any:
    if text in _ENDLESS:
        return (_ENDLESS[text], 0)
    return (0, int(length(text.encode("utf-8", "surrogateescape"))))


def _moment(text: str) -> Any:
    """In UTC, as snapshots keep them; the year before 1 is 1 BC."""
    if text in _ENDLESS:
        return (_ENDLESS[text], 0, 0, 0, "")
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year = int(found[1])
    return (0, 1 - year if found[5] else year, int(found[2]), int(found[3]), found[4] or "")


def _zoned(text: str) -> Any:
    """By the moment, then by the zone: east of Greenwich comes first."""
    found = _ZONED.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = (int(each) for each in found.groups()[:3])
    east = int(found[6]) * 3600 + int(found[7] or 0) * 60 + int(found[8] or 0)
    east = east if found[5] == "+" else -east
    at = Decimal(hours * 3600 + minutes * 60 + seconds) + Decimal(f"0{found[4] or '.0'}")
    return (at - east, -east)
