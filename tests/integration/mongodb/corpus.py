"""Documents that tools are known to change or refuse, after the published BSON corpus; each with an ``_id`` first."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import bson
from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from holdfast.sources.mongodb.documents import made

_OBJECT_ID = bytes(range(12))


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<i", len(raw) + 1) + raw + b"\0"


def _by_hand(*fields: tuple[int, bytes, bytes]) -> bytes:
    """A document no driver would write."""
    return made([(0x10, b"_id", struct.pack("<i", 1)), *fields])


def _double(bits: int) -> bytes:
    return struct.pack("<Q", bits)


_DECIMALS = [
    "0", "-0", "1E+6144", "9.999999999999999999999999999999999E+6144", "1E-6176", "NaN", "-NaN", "sNaN", "Infinity",
    "-Infinity", "0.10", "1.0E+3", "-0E+3",
]  # fmt: skip

ORDINARY: dict[str, dict[str, Any]] = {
    "decimals": {f"d{number}": Decimal128(text) for number, text in enumerate(_DECIMALS)},
    "regex": {"r": Regex("^a/b\\d$", "imx"), "empty": Regex("", ""), "all": Regex("x", 127)},
    "keys at the ends": {"min": MinKey(), "max": MaxKey()},
    "dates beyond": {
        "10000": DatetimeMS(253402300800000), "last": DatetimeMS(2**63 - 1), "first": DatetimeMS(-(2**63)),
        "before 1970": datetime(1900, 1, 1, tzinfo=UTC), "year 0": DatetimeMS(-62167219200000),
    },
    "code": {"c": Code("return 1"), "scoped": Code("return x", {"x": 1, "y": {"z": MinKey()}})},
    "timestamps": {"t": Timestamp(4294967295, 4294967295), "nested": {"zero": Timestamp(0, 0)}},
    "dbref": {"ref": {"$ref": "c", "$id": ObjectId(_OBJECT_ID), "$db": "d", "extra": 1}, "odd": {"$ref": 5}},
    "names": {"": 1, "a.b": 2, "$dollar": 3, "ключ": 4, "a\nb": 5, "0": 6},
    "binary": {f"b{kind}": Binary(b"\x00\x01\xff", kind) for kind in (0, 1, 3, 4, 5, 6, 7, 8, 128, 255)},
    "numbers": {"i": 1, "l": Int64(1), "d": 1.0, "least": -(2**31), "most": Int64(2**63 - 1)},
    "nothing": {"n": None, "e": {}, "a": [], "deep": {"a": [{"b": [None, []]}]}},
    "texts": {"nul": "a\0b", "emoji": "🎫", "combining": "e\u0301"},
}  # fmt: skip

BY_HAND: dict[str, bytes] = {
    "negative zero": _by_hand((0x01, b"d", _double(0x8000000000000000))),
    "quiet nan with payload": _by_hand((0x01, b"d", _double(0x7FF8000000000123))),
    "negative nan": _by_hand((0x01, b"d", _double(0xFFF8000000000000))),
    "signaling nan": _by_hand((0x01, b"d", _double(0x7FF0000000000001))),
    "undefined": _by_hand((0x06, b"u", b"")),
    "symbol": _by_hand((0x0E, b"s", _string("sym"))),
    "pointer": _by_hand((0x0C, b"p", _string("db.c") + _OBJECT_ID)),
    "old binary": _by_hand((0x05, b"b", struct.pack("<i", 7) + b"\x02" + struct.pack("<i", 3) + b"abc")),
    "array with odd keys": _by_hand((0x04, b"a", made([(0x10, b"7", b"\x01\0\0\0"), (0x10, b"x", b"\x02\0\0\0")]))),
    "empty timestamp": _by_hand((0x11, b"t", bytes(8)), (0x10, b"after", b"\x01\0\0\0")),
    "duplicate fields": _by_hand((0x10, b"a", b"\x01\0\0\0"), (0x02, b"a", _string("two"))),
    "duplicate fields inside": _by_hand((0x03, b"d", made([(0x0A, b"a", b""), (0x08, b"a", b"\x01")]))),
    "text that is no utf-8": _by_hand((0x02, b"s", struct.pack("<i", 3) + b"\xff\xfe\0")),
}

# what the test server changes or refuses by itself; MongoDB stores it as it is
NOT_FOR_THE_TEST_SERVER = {
    "duplicate fields", "duplicate fields inside", "undefined", "symbol", "pointer", "array with odd keys",
    "dates beyond", "text that is no utf-8",
}  # fmt: skip

# what decoding and encoding again does not give back: why only raw bytes are written
CHANGED_BY_DECODING = {
    "duplicate fields", "duplicate fields inside", "undefined", "symbol", "pointer", "array with odd keys",
    "text that is no utf-8", "dbref",
}  # fmt: skip


def everything() -> dict[str, bytes]:
    """All cases by name, with ``_id`` numbered from 1."""
    cases = {name: bson.encode({"_id": 0, **document}) for name, document in ORDINARY.items()} | BY_HAND
    return {
        name: raw[:9] + struct.pack("<i", number) + raw[13:] for number, (name, raw) in enumerate(cases.items(), 1)
    }
