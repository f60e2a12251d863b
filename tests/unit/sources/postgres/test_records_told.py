"""Values of PostgreSQL in the JSON of find, log and diff: typed where nothing is lost by that, else as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.model.records import Column, Row, Table
from holdfast.sources.postgres.records.telling import told, told_row

TOLD: list[tuple[str, str, Any]] = [
    ("integer", "-5", -5), ("bigint", "9007199254740992", 9007199254740992),
    ("bigint", "9007199254740993", "9007199254740993"), ("oid", "4294967295", 4294967295),
    ("boolean", "t", True), ("boolean", "f", False), ("real", "0.1", 0.1), ("real", "NaN", "NaN"),
    ("double precision", "5e-324", 5e-324), ("double precision", "-Infinity", "-Infinity"),
    ("numeric(10,2)", "12.50", 12.5), ("numeric(20,0)", "123456789012345678", "123456789012345678"),
    ("numeric", "1000", 1000), ("numeric", "1.5", 1.5), ("numeric", "1.50", "1.50"), ("numeric", "NaN", "NaN"),
    ("numeric", "0.1234567890123456", "0.1234567890123456"),
    ("numeric(1000,500)", f"0.{0:0400}1", f"0.{0:0400}1"),
    ("jsonb", '{"b": [1, null, 1.50]}', {"b": [1, None, 1.5]}), ("jsonb", '"x"', "x"),
    ("jsonb", "null", {"$json": "null"}), ("json", '{"a":  1, "a": 2}', {"$json": '{"a":  1, "a": 2}'}),
    ("jsonb", "[12345678901234567890]", {"$json": "[12345678901234567890]"}),
    ("jsonb", "0.12345678901234567890", {"$json": "0.12345678901234567890"}),
    ("json", "1e400", {"$json": "1e400"}), ("jsonb", '{"$json": 1}', {"$json": '{"$json": 1}'}),
    ("json", '"\\ud83d\\ude00"', "\U0001f600"), ("json", '"\\ud83d"', {"$json": '"\\ud83d"'}),
    ("integer[]", "{1,NULL,3}", [1, None, 3]), ("integer[]", "{{1,2},{3,4}}", [[1, 2], [3, 4]]), ("text[]", "{}", []),
    ("text[]", '{"a,b","NULL",NULL,""}', ["a,b", "NULL", None, ""]), ("boolean[]", "{t,f}", [True, False]),
    ("integer[]", "[0:1]={5,6}", "[0:1]={5,6}"), ("box[]", "{(1,1),(0,0);(2,2),(1,1)}", "{(1,1),(0,0);(2,2),(1,1)}"),
    ("jsonb[]", '{"{\\"a\\": 1}"}', [{"a": 1}]), ("numeric(5,2)[]", "{1.50,NaN}", [1.5, "NaN"]),
    ("timestamp with time zone", "2026-11-21 10:00:00.5+00", "2026-11-21T10:00:00.5+00:00"),
    ("timestamp without time zone", "2026-11-21 10:00:00", "2026-11-21T10:00:00"), ("date", "2026-11-21", "2026-11-21"),
    ("timestamp without time zone", "0044-03-15 10:00:00 BC", "0044-03-15 10:00:00 BC"),
    ("timestamp(3) with time zone", "infinity", "infinity"), ("bytea", "\\x00ff", "\\x00ff"), ("text", "5", "5"),
    ("interval", "1 day", "1 day"), ("public.mood", "sad", "sad"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), TOLD)
def test_a_value_is_told_by_its_type(kind: str, text: str, expected: Any) -> None:
    """And what a reader of JSON gets is just that, of that type."""
    found = json.loads(json.dumps(told(text, kind)))
    assert (found, type(found)) == (expected, type(expected))


def test_null_is_null_and_no_json_null() -> None:
    """Of every type."""
    assert [told(None, kind) for kind in ("integer", "jsonb", "text[]", "boolean")] == [None] * 4


def test_deep_documents_stay_text_and_wide_ones_do_not() -> None:
    """What readers of JSON cannot follow is no document for them."""
    deep = "[" * 500 + "]" * 500
    assert told(deep, "json") == {"$json": deep}
    assert told("[" + "{}, " * 500 + "1]", "jsonb") == [*([{}] * 500), 1]


def test_people_see_the_digits_the_database_wrote() -> None:
    """12.50 stays 12.50 for them."""
    assert repr(told("12.50", "numeric(10,2)")) == "12.50"


def test_exactly_told_rows_differ_when_their_letters_do() -> None:
    """Blanks of a json, zeros of a numeric."""
    table = Table(name="t", columns=(Column(name="d", type="json"), Column(name="n", type="numeric(5,2)")))
    one, two = Row({"d": '{"a":1}', "n": "1.5"}), Row({"d": '{"a": 1}', "n": "1.50"})
    assert told_row(table, one, exact=True) == {"d": {"$json": '{"a":1}'}, "n": "1.5"}
    assert told_row(table, two, exact=True) == {"d": {"$json": '{"a": 1}'}, "n": "1.50"}
    assert told_row(table, one, exact=False) == told_row(table, two, exact=False)
