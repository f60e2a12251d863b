"""Values typed by a person, in the form COPY gives them, as far as that can be known without a server."""

from __future__ import annotations

import difflib
import ipaddress
import re
import uuid
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

from holdfast.model.errors import UsageError
from holdfast.model.records import Table, Value
from holdfast.sources.postgres.records import canonical, spans
from holdfast.sources.postgres.records.paths import path_of
from holdfast.sources.postgres.records.types_defined import TypesDefined

_WHOLE = {"smallint": 15, "integer": 31, "bigint": 63}
_YES = ("t", "true", "y", "yes", "on", "1")
_NO = ("f", "false", "n", "no", "off", "0")
_FLOATS = {"real": 4, "double precision": 8}
_TIMED = re.compile(r"(timestamp|time)(?:\((\d)\))? (with|without) time zone")
_WHOLE_LIST = re.compile(r"\{\s*(-?\d+\s*(,\s*-?\d+\s*)*)?\}")
_NO_DIGITS = {"nan": "NaN", "infinity": "Infinity", "inf": "Infinity", "-infinity": "-Infinity", "-inf": "-Infinity"}
_MOMENT = re.compile(r"\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d){0,2})?( BC)?")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:\d\d){0,2})?")
_BOUND = r"-?\d*"
_STRICT = {
    "money": re.compile(r"-?\D{0,3}\d{1,3}(,\d{3})*\.\d\d\D{0,3}"),
    "int4range": re.compile(rf"empty|[\[(]{_BOUND},{_BOUND}\)"),
    "int8range": re.compile(rf"empty|[\[(]{_BOUND},{_BOUND}\)"),
    "daterange": re.compile(r"empty|[\[(][^,]*,[^,]*\)"),
}  # fmt: skip
"""Types of which only the form that PostgreSQL itself writes is taken: another might mean the same and not be found."""
_TYPED_SO = (
    ("money", "as PostgreSQL writes it: $1,234.50"), ("int4range", "as PostgreSQL writes it: [1,5)"),
    ("int8range", "as PostgreSQL writes it: [1,5)"),
    ("daterange", "as PostgreSQL writes it: [2026-01-01,2026-02-01)"), ("inet", "10.0.0.1 or 10.0.0.0/8"),
    ("cidr", "10.0.0.0/8"),
    ("boolean", "true or false"), ("uuid", "32 hexadecimal digits: c4ca4238-a0b9-2382-0dcc-509a6f75849b"),
    ("numeric", "a number of no more digits than the type has"), ("real", "a number"), ("double", "a number"),
    ("date", "2026-11-21"), ("timestamp", "2026-11-21 10:00:00, with +02 for another zone than UTC"),
    ("time", "10:00:00, with +02 for another zone than UTC"), ("interval", "1 year 2 mons 3 days 04:05:06"),
    ("bytea", "hexadecimal: \\x00ff"),
)  # fmt: skip
_ENDLESS = 200_000
_LABELS = 30
_DAY = re.compile(r"-?\d{4,}-\d\d-\d\d")


Defined = Callable[[], TypesDefined]
"""Tells, when asked, what types the database defined itself."""


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
        raise misfit(f"{table.name}.{column}", text, kind)
    return found


def read_as(kind: str, text: str, place: str) -> str:
    """``text`` as a type writes it. UsageError when the type cannot hold it."""
    found = _read(kind, text)
    if found is None:
        raise misfit(place, text, kind)
    return found


def typed_in_snapshot(table: Table, column: str, text: str, defined: Defined) -> Value:
    """The same without a server: labels of enums and domains are looked up, and what cannot be read is refused.

    ``defined`` is asked for types that are not PostgreSQL's own. UsageError for columns that snapshots do not hold.
    """
    known = next((one for one in table.columns if one.name == column), None)
    if known is None:
        return typed(table, column, text)
    if known.generated:
        raise UsageError(
            f"{table.name}.{column} is generated, and not kept in snapshots",
            hint="columns: " + ", ".join(one.name for one in table.columns if not one.generated),
        )
    kind = known.type
    if "." in kind:
        kind = defined().below(kind)
        labels = defined().enums.get(kind)
        if labels is not None and text not in labels:
            raise _no_label(f"{table.name}.{column}", text, kind, labels)
    found = _read(kind, text)
    if found is None or not certain(kind, found):
        raise misfit(f"{table.name}.{column}", text, known.type)
    return found


def _no_label(place: str, text: str, kind: str, labels: list[str]) -> UsageError:
    near = difflib.get_close_matches(text, labels, n=1)
    told = ", ".join(labels[:_LABELS]) + (" …" if len(labels) > _LABELS else "")
    return UsageError(
        f"'{text}' is no value of {place}",
        why=f"the column is of the enum {kind}",
        hint=f"did you mean '{near[0]}'? its values: {told}" if near else f"its values: {told}",
    )


def misfit(place: str, text: str, kind: str) -> UsageError:
    """What to say of a value that a column of type ``kind`` cannot hold."""
    return UsageError(
        f"'{text}' is no value of {place}", why=f"the column is of type {kind}", hint=_how(kind)
    )


def certain(kind: str, text: str) -> bool:
    """Whether a value in canonical form is one for certain; False where only a server could read it."""
    if kind.startswith("timestamp"):
        return text in ("infinity", "-infinity") or _MOMENT.fullmatch(text) is not None
    return not kind.startswith("time") or _CLOCK.fullmatch(text) is not None


def _how(kind: str) -> str:
    """How a value of the type is typed."""
    if kind in _WHOLE:
        return f"a whole number from {-(1 << _WHOLE[kind])} to {(1 << _WHOLE[kind]) - 1}"
    return next((told for name, told in _TYPED_SO if kind.startswith(name)), "")


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
    if kind.startswith("numeric") and not kind.endswith("[]"):
        return _numeric(kind, text)
    if kind == "date":
        return canonical.day(text) or (text if _is_odd_day(text) else None)
    if (timed := _TIMED.fullmatch(kind)) is not None:
        places = 6 if timed[2] is None else int(timed[2])
        if timed[1] == "time":
            return spans.zoned_clock(text, places) if timed[3] == "with" else canonical.clock(text, places)
        return canonical.moment(text, zoned=timed[3] == "with", places=places)
    if kind.startswith("interval") and not kind.endswith("[]"):
        return spans.interval(text)
    if kind in _FLOATS:
        return canonical.floating(text, _FLOATS[kind])
    if kind == "bytea":
        return canonical.binary(text)
    if kind in ("inet", "cidr"):
        return _address(text, kind)
    if kind in _STRICT:
        return text if _STRICT[kind].fullmatch(text) else None
    if kind.removesuffix("[]") in _WHOLE and _WHOLE_LIST.fullmatch(text):
        return re.sub(r"\s", "", text)
    if kind.startswith("character(") and kind[10:-1].isdigit():
        return text.ljust(int(kind[10:-1]))
    return text


def _address(text: str, kind: str) -> str | None:
    """A host of inet has no length; every network of cidr has one."""
    try:
        found = ipaddress.ip_interface(text.strip())
    except ValueError:
        return None
    whole = found.network.prefixlen == found.max_prefixlen and kind == "inet"
    return str(found.ip) if whole else found.with_prefixlen


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
    digits = re.search(r"\((\d+),\s*(-?\d+)\)", kind)
    if digits and number.is_finite():
        if number and number.adjusted() >= _ENDLESS:
            return None
        with localcontext(prec=_ENDLESS):
            number = number.quantize(Decimal(1).scaleb(-int(digits[2])), ROUND_HALF_UP)
        if number and number.adjusted() >= int(digits[1]) - int(digits[2]):
            return None
    return format(number, "f") if number.is_finite() and abs(number.adjusted()) < _ENDLESS else None
