"""Values of PostgreSQL as other systems write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.model.errors import UsageError
from holdfast.model.records import Column, Table
from holdfast.sources.postgres.interchange import PostgresInterchange
from holdfast.sources.postgres.records import arrays

TYPES = ("integer", "numeric(10,2)", "boolean", "text", "text[]", "integer[]", "jsonb", "date",
         "timestamp with time zone", "timestamp without time zone", "bytea")  # fmt: skip
TABLE = Table(name="t", columns=tuple(Column(name=each, type=each) for each in TYPES))


@pytest.mark.parametrize(
    ("kind", "told", "expected"),
    [
        ("integer", 5, "5"), ("integer", "5", "5"), ("numeric(10,2)", Decimal("12.50"), "12.50"),
        ("boolean", True, "t"), ("boolean", "false", "f"), ("text", True, "t"), ("text", 5, "5"),
        ("text[]", ["jazz", "a b", None, ""], '{jazz,"a b",NULL,""}'), ("integer[]", [[1, 2], [3, 4]], "{{1,2},{3,4}}"),
        ("jsonb", {"a": [1, Decimal("2.50"), "é"]}, '{"a": [1, 2.50, "é"]}'), ("jsonb", "x", '"x"'),
        ("jsonb", {"$json": "null"}, "null"), ("date", "2026-11-20T00:00:00.000Z", "2026-11-20"),
        ("timestamp with time zone", "2026-11-20T04:20:00.120Z", "2026-11-20 04:20:00.12+00"),
        ("timestamp without time zone", {"$date": "2026-11-20T04:20:00Z"}, "2026-11-20 04:20:00"),
        ("text", {"$oid": "65a0"}, "65a0"), ("text", None, None),
    ],
)  # fmt: skip
def test_values_of_json_take_the_form_of_the_column(kind: str, told: Any, expected: str | None) -> None:
    """As PostgreSQL itself would print them, so that a diff shows what changed and nothing else."""
    assert PostgresInterchange({}).taken(TABLE, {kind: told}).values[kind] == expected


@pytest.mark.parametrize(("kind", "told"), [("integer", "five"), ("integer", True), ("date", "tomorrow")])
def test_what_a_column_cannot_hold_is_refused(kind: str, told: Any) -> None:
    """Before anything is imported."""
    with pytest.raises(UsageError):
        PostgresInterchange({}).taken(TABLE, {kind: told})


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("text[]", "jazz;live", "{jazz,live}"), ("text[]", '{"a;b",NULL}', '{"a;b",NULL}'), ("text[]", "one", "{one}"),
        ("jsonb", "jazz;live", '["jazz", "live"]'), ("jsonb", '{"a": 1}', '{"a": 1}'),
        ("text", "jazz;live", "jazz;live"),
    ],
)  # fmt: skip
def test_lists_in_cells_are_lists(kind: str, cell: str, value: str) -> None:
    """``jazz;live`` where the column holds several, and text where it holds one."""
    assert PostgresInterchange({}).from_cell(TABLE, kind, cell) == value


@pytest.mark.parametrize("text", ["{}", "{a}", '{"a,b","c\\"d","e\\\\f",NULL,"NULL",""}', "{{1},{NULL}}"])
def test_arrays_are_written_as_they_were_read(text: str) -> None:
    """Quoted where PostgreSQL quotes."""
    assert arrays.written(arrays.parsed(text) or []) == text


@pytest.mark.parametrize("text", ["[0:1]={1,2}", "{a", "a}", '{"a', "{a}}", ""])
def test_what_is_no_plain_array_is_left_alone(text: str) -> None:
    """It stays the text it is."""
    assert arrays.parsed(text) is None
