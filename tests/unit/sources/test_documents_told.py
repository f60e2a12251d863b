"""Documents, and values of SQLite, in the JSON of find, log and diff."""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime

import bson
import pytest
from bson import Code, DatetimeMS, Int64

from holdfast.sources.mongodb.records import typing_in
from holdfast.sources.mongodb.records.book import row_of
from holdfast.sources.mongodb.records.telling import told_row
from holdfast.sources.sqlite.records.values import told


def _raw(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def test_types_that_json_has_are_its_own_and_others_extended() -> None:
    """Numbers of 64 bits where JSON's hold them; all exactly where that is asked."""
    row = row_of(bson.encode({"_id": 1, "long": Int64(5), "huge": Int64(2**60), "code": Code("f()", {"x": 1}),
                              "late": DatetimeMS(2**50)}))  # fmt: skip
    assert told_row(row, exact=False) == {
        "_id": 1, "long": 5, "huge": {"$numberLong": str(2**60)},
        "code": {"$code": "f()", "$scope": {"x": {"$numberInt": "1"}}}, "late": {"$date": {"$numberLong": str(2**50)}},
    }  # fmt: skip
    assert told_row(row, exact=True)["long"] == {"$numberLong": "5"}


@pytest.mark.parametrize(
    "element",
    [
        b"\x02a\0\x02\0\0\0x\0\x02a\0\x02\0\0\0y\0", b"\x06u\0", b"\x0es\0\x04\0\0\0sym\0",
        b"\x0cp\0\x02\0\0\0n\0" + bytes(12), b"\x01n\0" + struct.pack("<Q", 0x7FF8000000000123),
        b"\x02b\0\x03\0\0\0\xff\xfe\0", b"\x04r\0" + _raw(b"\x105\0\x01\0\0\0"),
    ],
    ids=["twice", "undefined", "symbol", "pointer", "nan", "letters", "array"],
)  # fmt: skip
def test_what_no_json_tells_comes_with_the_bytes_of_the_document(element: bytes) -> None:
    """A name that stands twice, undefined, symbols, pointers, odd NaN, broken letters, odd arrays."""
    raw = _raw(b"\x10_id\0\x01\0\0\0", element)
    found = told_row(row_of(raw), exact=False)
    assert found["_id"] == 1
    assert base64.b64decode(found["$bson"]) == raw


def test_values_of_sqlite_are_kept_by_every_reader() -> None:
    """Large numbers, endless ones, bytes, and text that is no UTF-8 are extended JSON; all else is itself."""
    assert [told(each) for each in (1, 1.5, "a", None, 2**53)] == [1, 1.5, "a", None, 2**53]
    assert told(2**53 + 1) == {"$numberLong": "9007199254740993"}
    assert told(float("-inf")) == {"$numberDouble": "-Infinity"}
    assert told(b"\0") == {"$binary": {"base64": "AA==", "subType": "00"}}
    assert told(b"a\xff".decode("utf-8", "surrogateescape")) == {"$text": {"base64": "Yf8="}}


def test_a_date_typed_without_a_zone_is_in_utc() -> None:
    """A day is one too."""
    seen = [datetime(2026, 1, 1, tzinfo=UTC)]
    for text in ("2026-01-02", "2026-01-02 00:00:00", "2026-01-02T01:00:00+01:00"):
        assert typing_in.parse(text, "at", seen) == datetime(2026, 1, 2, tzinfo=UTC)
