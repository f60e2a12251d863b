"""Values inside values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.entities.paths import keys_at, texts_in, values_at, with_added, with_key_replaced, with_replaced
from holdfast.model.records import Row

ROW = Row({
    "id": 1, "a.b": "plain", "tags": '{1,"t,wo",NULL}', "empty": "{}", "nothing": None, "broken": "{not json",
    "payload": '{"eventId": 42, "price": 1.10, "to": [{"user": 7}, {"user": "8"}, 9], "text": "ü"}',
})  # fmt: skip


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("id", [1]), ("a.b", ["plain"]), ("payload.eventId", ["42"]), ("payload.to[].user", ["7", "8"]),
        ("tags[]", ["1", "t,wo", None]), ("empty[]", []), ("nothing.x", []), ("broken.x", []), ("payload.none", []),
        ("unknown.x", []), ("payload.to", []),
    ],
)  # fmt: skip
def test_paths_lead_to_values(path: str, found: list[Any]) -> None:
    """In JSON, in arrays of PostgreSQL; nowhere without an error."""
    assert values_at(ROW, path) == found


def test_keys_of_several_columns_are_combined() -> None:
    """None where one of them is NULL."""
    assert keys_at(ROW, ("id", "payload.to[].user")) == [(1, "7"), (1, "8")]
    assert keys_at(ROW, ("id", "nothing")) == []


def test_what_is_not_replaced_stays_as_it_was_written() -> None:
    """Numbers keep their digits and their kind, texts theirs."""
    row = with_replaced(ROW, "payload.eventId", lambda value: 43 if value == "42" else value)
    assert row.values["payload"] == (
        '{"eventId": 43, "price": 1.10, "to": [{"user": 7}, {"user": "8"}, 9], "text": "ü"}'
    )
    assert with_replaced(ROW, "payload.eventId", lambda value: value) is ROW
    row = with_replaced(ROW, "payload.to[].user", lambda value: {"7": "70", "8": "80"}[value])
    assert '"to": [{"user": 70}, {"user": "80"}, 9]' in str(row.values["payload"])
    row = with_replaced(ROW, "tags[]", lambda value: {"1": 'o"ne'}.get(value, value))
    assert row.values["tags"] == '{"o\\"ne","t,wo",NULL}'


def test_documents_are_looked_into_as_well() -> None:
    """And become new ones, without the bytes they were."""
    row = Row({"_id": 1, "a": {"b": [{"c": 5}]}}, b"raw")
    assert values_at(row, "a.b[].c") == [5]
    changed = with_replaced(row, "a.b[].c", lambda _value: 6)
    assert changed.values["a"] == {"b": [{"c": 6}]} and changed.raw == b"" and row.values["a"] == {"b": [{"c": 5}]}
    assert sorted(texts_in({"x": [1, {"y": "z"}], "n": None})) == ["1", "z"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_json, st.text(alphabet="ab.[]", max_size=8))
def test_nothing_in_a_value_or_path_breaks_it(value: Any, path: str) -> None:
    """Whatever stands there: replaced by itself it means the same."""
    row = Row({"v": json.dumps({"a": value, "b": [value]})})
    values_at(row, f"v.{path}")
    changed = with_replaced(row, f"v.{path}", lambda found: found)
    assert json.loads(str(changed.values["v"])) == json.loads(str(row.values["v"]))


def test_arrays_keep_their_dimensions_and_their_bounds() -> None:
    """Every element is read and replaced where it stands; nothing is added where its place is not known."""
    new = {"1": "3", "2": "4"}
    for was, is_ in (
        ("{{1,2},{2,1}}", "{{3,4},{4,3}}"), ("[0:1]={1,2}", "[0:1]={3,4}"), ('{1,NULL,"a b",2}', '{3,NULL,"a b",4}'),
        ("[1:1][-2:-1]={{1,2}}", "[1:1][-2:-1]={{3,4}}"), ("{}", "{}"), ("{9,8}", "{9,8}"),
    ):  # fmt: skip
        row = Row({"refs": was})
        assert with_replaced(row, "refs[]", lambda value: new.get(value, value)).values["refs"] == is_
    assert values_at(Row({"refs": "[0:1]={1,2}"}), "refs[]") == ["1", "2"]
    for each in ("{{1,2},{2,1}}", "[0:1]={1,2}"):
        row = Row({"refs": each})
        assert with_added(row, Row({"refs": "{1,2,7}"}), "refs[]", lambda _: True) is row


def test_values_of_one_element_go_together() -> None:
    """Several columns through one array name pairs, and are replaced as pairs; what is not named stays."""
    row = Row({"event": 7, "lines": '[{"e": 1, "n": "A"}, {"e": 2, "n": "B"}, {"n": "C"}]', "at": '{"e": 1, "n": "A"}'})
    columns = ("lines[].e", "lines[].n")
    assert keys_at(row, columns) == [("1", "A"), ("2", "B")]
    new = {("1", "A"): (2, "B"), ("2", "B"): (1, "A"), ("7", "B"): (8, "X")}
    done = with_key_replaced(row, columns, lambda key: new.get(tuple(map(str, key))))
    assert done is not None
    assert done.values["lines"] == '[{"e": 2, "n": "B"}, {"e": 1, "n": "A"}, {"n": "C"}]'
    done = with_key_replaced(row, ("at.e", "at.n"), lambda key: new.get(tuple(map(str, key))))
    assert done is not None and done.values["at"] == '{"e": 2, "n": "B"}'
    done = with_key_replaced(row, ("event", "lines[].n"), lambda key: new.get(tuple(map(str, key))))
    assert done is not None and done.values["event"] == 8 and '"e": 2, "n": "X"' in str(done.values["lines"])
    assert with_key_replaced(row, ("lines[].e", "other[].n"), lambda key: key) is None
