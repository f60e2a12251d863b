"""Values: equality and order are the server's."""

from datetime import UTC, datetime

import bson
import pytest
from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from holdfast.model.errors import UsageError
from holdfast.sources.mongodb.records.paths import answers, sought, values_at
from holdfast.sources.mongodb.records.typing_in import parse
from holdfast.sources.mongodb.values import identity, look, order, plain

RISING = [
    MinKey(), None, Decimal128("NaN"), Decimal128("-Infinity"), -(2**40), -1.5, 0, Decimal128("0.1"), 1,
    Decimal128("1E+6000"), float("inf"), "", "A", "a", "ä", {}, {"a": 1}, {"a": 2}, {"a": "x"}, [], Binary(b""),
    Binary(b"a"), Binary(b"\0\0"), ObjectId("0" * 24), ObjectId("f" * 24), False, True, DatetimeMS(-(2**60)),
    datetime(1969, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), DatetimeMS(2**60), Timestamp(1, 2),
    Timestamp(2, 1), Regex("a"), Code("x"), MaxKey(),
]  # fmt: skip


def test_values_of_all_types_have_the_order_of_the_server() -> None:
    """Types first, then values within a type."""
    keys = [order(value) for value in RISING]
    assert keys == sorted(keys)
    assert len(set(map(repr, keys))) == len(keys)


def test_numbers_are_equal_whatever_their_type() -> None:
    """1, 1.0, NumberLong(1) and Decimal128("1.00") are one key; true and "1" are others."""
    ones = [1, 1.0, Int64(1), Decimal128("1"), Decimal128("1.00"), Decimal128("100E-2")]
    assert len({identity(value) for value in ones}) == 1
    assert len({identity(value) for value in (1, True, "1", 1.5, None, [1], {"a": 1}, Decimal128("1.1"))}) == 8
    assert identity(-0.0) == identity(0)
    assert len({order(value) for value in ones}) == 1


def test_a_fraction_is_not_the_decimal_it_looks_like() -> None:
    """0.1 is not Decimal128("0.1"), as for the server."""
    assert identity(0.1) != identity(Decimal128("0.1"))
    assert identity(0.5) == identity(Decimal128("0.50"))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a", [{"b": 1}]), ("a.b", [1]), ("a.c", [None]), ("tags[]", ["x", "y"]), ("tags", [["x", "y"]]),
        ("tags.1", ["y"]), ("items[].sku", [1, 2]), ("items[].no", [None, None]), ("empty[]", []), ("gone", [None]),
        ("null", [None]), ("gone.deeper[]", [None]),
    ],
)  # fmt: skip
def test_paths_lead_into_documents_and_arrays(path: str, found: list[object]) -> None:
    """Dots go down, brackets mean every element, a number one of them; what is not there counts as null."""
    document = look(bson.encode({
        "a": {"b": 1}, "tags": ["x", "y"], "items": [{"sku": 1}, {"sku": 2}], "empty": [], "null": None,
    }))  # fmt: skip
    assert list(values_at(document, path)) == found


def test_a_document_answers_to_any_of_its_keys() -> None:
    """Several columns are one key; each element of an array makes one."""
    document = {"a": 1, "tags": ["x", "y"]}
    assert answers(document, ("a", "tags[]"), {sought((1.0, "y"))})
    assert not answers(document, ("a", "tags[]"), {sought((1, "z"))})


def test_typed_text_becomes_what_stands_there() -> None:
    """The same text is a number, a text or an ObjectId by the values of the field; extended JSON says any type."""
    hexadecimal = "6553f1000000000000000001"
    assert parse("42", "n", [7]) == 42
    assert parse("42", "n", ["x"]) == "42"
    assert parse(hexadecimal, "_id", [ObjectId()]) == ObjectId(hexadecimal)
    assert parse(hexadecimal, "_id", []) == ObjectId(hexadecimal)
    assert parse("true", "b", [False]) is True
    assert parse('{"$numberDecimal": "0.10"}', "d", []) == Decimal128("0.10")
    assert parse('"42"', "n", [7]) == "42"
    with pytest.raises(UsageError, match="cannot stand in"):
        parse("x", "_id", [ObjectId()])
    with pytest.raises(UsageError, match="no extended JSON"):
        parse('{"$oid": 5}', "_id", [])


def test_plain_values_are_json() -> None:
    """BSON's own types become extended JSON; numbers that JSON readers round are told as text."""
    assert plain(Int64(2**60)) == {"$numberLong": str(2**60)}
    assert plain(ObjectId("0" * 24)) == {"$oid": "0" * 24}
    assert plain(datetime(2026, 1, 1, tzinfo=UTC)) == {"$date": "2026-01-01T00:00:00.000Z"}
    assert plain(float("nan")) == {"$numberDouble": "NaN"}
    assert plain({"a": [1, "x", None, True]}) == {"a": [1, "x", None, True]}
