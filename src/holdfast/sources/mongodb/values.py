"""BSON values for looking at, and the order and equality the server gives them; raw bytes are what is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import bson
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.json_util import CANONICAL_JSON_OPTIONS, JSONMode, JSONOptions, default
from bson.raw_bson import RawBSONDocument

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Document(dict[str, Any]):
    """A document inside a row; can be a key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self.items()))


class Array(list[Any]):
    """An array inside a row; can be a key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))


class HashedDecimal(Decimal128):
    """A decimal that can be a key."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.bid)


class HashedRegex(Regex[str]):
    """A regular expression that can be a key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.pattern, self.flags))


class HashedCode(Code):
    """Code that can be a key."""

    def __hash__(self) -> int:
        return hash(str(self))


LOOKING: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    unicode_decode_error_handler="backslashreplace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    tz_aware=True,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    unicode_decode_error_handler="backslashreplace",
    datetime_conversion=DatetimeConversion.DATETIME_MS,
)
_PLAIN = JSONOptions(json_mode=JSONMode.CANONICAL, tz_aware=True, uuid_representation=UuidRepresentation.UNSPECIFIED)


def look(raw: bytes) -> dict[str, Any]:
    """A document decoded for looking: of fields with one name the last shows. ValueError when it is no BSON."""
    try:
        decoded = bson.decode(raw, LOOKING)
    except (bson.errors.BSONError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return {name: hashable(value) for name, value in decoded.items()}


def raw_of(document: RawBSONDocument) -> bytes:
    """Its bytes."""
    raw = document.raw
    return raw if isinstance(raw, bytes) else bytes(raw)


def raw_document(raw: bytes) -> RawBSONDocument:
    """The bytes as something the driver sends as they are."""
    return RawBSONDocument(raw, RAW)


def plain(value: Any) -> Any:
    """For JSON: null, bool, number, string, list, object; extended JSON for BSON's own types."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, int):
        return int(value) if abs(value) < 1 << 53 else {"$numberLong": str(int(value))}
    if isinstance(value, float):
        return value if math.isfinite(value) else default(value, CANONICAL_JSON_OPTIONS)
    if isinstance(value, datetime):
        return {"$date": value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    return plain_special(value)


def plain_special(value: Any) -> Any:
    """Extended JSON of a type JSON does not know."""
    try:
        return default(value, _PLAIN)
    except TypeError:
        return repr(value)


def identity(value: Any) -> bytes:
    """The same bytes for what the server calls equal: 1, 1.0 and Decimal128("1.00"); other bytes for anything else."""
    quick = _QUICK.get(type(value))
    if quick is not None:
        return quick(value)
    if isinstance(value, bool):
        return b"b1" if value else b"b0"
    if isinstance(value, int | float | Decimal128):
        return b"n" + str(_number(value)).encode()
    if value is None:
        return b"0"
    if isinstance(value, Mapping) and not isinstance(value, DBRef):
        return b"d" + b"".join(_framed(str(name).encode(errors="surrogatepass")) + _framed(identity(each))
                               for name, each in value.items())  # fmt: skip
    if isinstance(value, list | tuple):
        return b"a" + b"".join(_framed(identity(each)) for each in value)
    if isinstance(value, str) and not isinstance(value, Code):
        return b"s" + value.encode(errors="surrogatepass")
    if isinstance(value, datetime | DatetimeMS):
        return b"t" + str(_milliseconds(value)).encode()
    return b"r" + bson.encode({"": value}, codec_options=LOOKING)[4:]


_QUICK: dict[type, Callable[[Any], bytes]] = {
    int: lambda value: b"n%d" % value,
    str: lambda value: b"s" + value.encode(errors="surrogatepass"),
    ObjectId: lambda value: b"o" + value.binary,
}


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def _number(value: Any) -> Any:
    """A number that compares and prints the same for equal values of any type."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
        if value.is_nan():
            return math.nan
        if value.is_infinite():
            return math.inf if value > 0 else -math.inf
    elif isinstance(value, float):
        if not math.isfinite(value):
            return value
        value = Decimal(value)
    else:
        value = Decimal(int(value))
    if value == 0:
        return Decimal(0)
    if value == value.to_integral_value() and abs(value.adjusted()) < 400:
        return Decimal(int(value))
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    return Decimal((sign, tuple(map(int, text)), int(exponent) + len(digits) - len(text)))


def _milliseconds(value: datetime | DatetimeMS) -> int:
    if isinstance(value, DatetimeMS):
        return int(value)
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)


def order(value: Any) -> tuple[Any, ...]:
    """A key that sorts values as the server's ``_id`` index does without collation."""
    for kinds, place, key in _ORDER:
        if isinstance(value, kinds):
            return (place, *key(value))
    return (99, repr(value))


def _of_number(value: Any) -> tuple[Any, ...]:
    number = _number(value)
    if isinstance(number, float):
        return (0, 0) if math.isnan(number) else ((1, 0) if number < 0 else (3, 0))
    return (2, number)


def _of_mapping(value: Any) -> tuple[Any, ...]:
    return tuple((order(each)[0], name.encode(errors="surrogatepass"), order(each)) for name, each in value.items())


_ORDER: tuple[tuple[Any, int, Callable[[Any], tuple[Any, ...]]], ...] = (
    (MinKey, 0, lambda _: ()),
    (type(None), 2, lambda _: ()),
    (bool, 9, lambda value: (value,)),
    ((int, float, Decimal128, Int64), 3, _of_number),
    (Code, 14, lambda value: (str(value).encode(errors="surrogatepass"), order(value.scope or {}))),
    (str, 4, lambda value: (value.encode(errors="surrogatepass"),)),
    (DBRef, 5, lambda value: _of_mapping(value.as_doc())),
    (Mapping, 5, _of_mapping),
    ((list, tuple), 6, lambda value: tuple(order(each) for each in value)),
    (Binary, 7, lambda value: (len(value), value.subtype, bytes(value))),
    (bytes, 7, lambda value: (len(value), 0, value)),
    (ObjectId, 8, lambda value: (value.binary,)),
    ((datetime, DatetimeMS), 10, lambda value: (_milliseconds(value),)),
    (Timestamp, 11, lambda value: (value.time, value.inc)),
    (Regex, 12, lambda value: (str(value.pattern), value.flags)),
    (MaxKey, 127, lambda _: ()),
)


def hashable(value: Any) -> Any:
    """A decoded value that can be a key, or part of one."""
    change = _HASHED.get(type(value))
    return change(value) if change is not None else value


_HASHED: dict[type, Callable[[Any], Any]] = {
    dict: lambda value: Document((name, hashable(each)) for name, each in value.items()),
    list: lambda value: Array(map(hashable, value)),
    Decimal128: lambda value: HashedDecimal.from_bid(value.bid),
    Regex: lambda value: HashedRegex(value.pattern, value.flags),
    Code: lambda value: HashedCode(str(value), hashable(value.scope)),
    DBRef: lambda value: DBRef(
        value.collection, hashable(value.id), value.database,
        {name: hashable(each) for name, each in value.as_doc().items() if name not in ("$ref", "$id", "$db")},
    ),
}  # fmt: skip
