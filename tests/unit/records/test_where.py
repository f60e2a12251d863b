"""Conditions choose what they say, say what they cannot read, and can do nothing else."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.memory_book import MemoryBook, table_of

from holdfast.model.errors import UsageError
from holdfast.records.where import parse_where
from holdfast.records.where.choosing import chosen

PAYLOAD = '{"eventId": 7, "tags": ["a", "b"], "paid": true}'
TABLE = table_of("t", "id int key", "name text", "amount int", "payload json", "odd-name text")
ROWS = [
    {"id": 1, "name": "ada", "amount": 10, "payload": PAYLOAD, "odd-name": "x"},
    {"id": 2, "name": "O'Brien", "amount": None, "payload": '{"eventId": 8, "tags": []}', "odd-name": None},
    {"id": 3, "name": "100%", "amount": -5, "payload": None, "odd-name": "x"},
    {"id": 4, "name": None, "amount": 10, "payload": "not json", "odd-name": ""},
]


def ids(condition: str) -> list[object]:
    book = MemoryBook([TABLE], {"t": ROWS})
    return sorted(row.values["id"] for row in chosen(book, TABLE, parse_where(condition)))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = 2", [2]),
        ("id = 2 OR id = 3", [2, 3]),
        ("id in (1, 3, 99)", [1, 3]),
        ("id not in (1, 3)", [2, 4]),
        ("amount = 10 and name = 'ada'", [1]),
        ("amount > -6 and amount < 10.5", [1, 3, 4]),
        ("amount <> 10", [3]),
        ("not amount = 10", [3]),
        ("amount is null", [2]),
        ("amount IS NOT NULL", [1, 3, 4]),
        ("name = 'O''Brien'", [2]),
        ("name like '%ri%'", [2]),
        ("name like '100\\%'", [3]),
        ("name like '___'", [1]),
        ("name not like 'a%'", [2, 3]),
        ("(id = 1 or id = 2) and not (amount is null)", [1]),
        ("id = 1 or id = 2 and amount is null", [1, 2]),
        ("amount between -5 and 0", [3]),
        ("payload.eventId = 7", [1]),
        ("payload.eventId >= 7 and payload.eventId < 9", [1, 2]),
        ("payload.tags[] = 'b'", [1]),
        ("payload.paid = true", [1]),
        ("\"odd-name\" = ''", [4]),
        ("name = '' or id = 4", [4]),
    ],
)
def test_a_condition_chooses_its_rows(condition: str, expected: list[int]) -> None:
    """NULL is neither equal nor unequal; and binds tighter than or; paths reach into JSON."""
    assert ids(condition) == expected


@pytest.mark.parametrize(
    ("condition", "at"),
    [
        ("", 1), ("id", 3), ("id =", 5), ("id = = 1", 6), ("id = 1 and", 11), ("(id = 1", 8), ("id = 1)", 7),
        ("id = 'x", 6), ("id = name", 6), ("id = null", 6), ("id in ()", 8), ("id in (1,)", 10), ("id ; drop", 4),
        ("id = 1 or or id = 2", 11), ("name like 5x", 11), ("and", 1), ("id is 5", 7), ("nothere = 1", 1),
        ("id = 'x'", 6),
        ("(" * 200 + "id = 1" + ")" * 200, 102),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_pointed_at(condition: str, at: int) -> None:
    """The error names the character."""
    with pytest.raises(UsageError) as caught:
        ids(condition)
    assert caught.value.where.startswith(f"character {at}"), caught.value.where


def test_equality_of_a_key_reads_no_other_row() -> None:
    """A key, alone or with other conditions, is looked up; anything else is one scan."""
    book = MemoryBook([TABLE], {"t": ROWS})
    assert [row.values["id"] for row in chosen(book, TABLE, parse_where("amount > 0 and id in (1, 2)"))] == [1]
    assert book.asked == {"find t": 1}
    assert list(chosen(book, TABLE, parse_where("amount > 100"))) == []
    assert book.asked == {"find t": 1, "rows t": 1}


@given(st.text(alphabet="id=<>!()'\"., \t\n1anotrwliке%_[]-", max_size=40))
def test_no_text_does_anything_but_choose_or_be_refused(text: str) -> None:
    """Whatever is typed ends in rows or in a UsageError."""
    try:
        found = ids(text)
    except UsageError:
        return
    assert set(found) <= {1, 2, 3, 4}


PARTS = ["id = 1", "amount = 10", "amount is null", "name like '%a%'"]


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
def test_not_turns_what_is_known(parts: list[str]) -> None:
    """A condition and its contrary never choose the same row; together they choose what is not unknown."""
    for word in (" and ", " or "):
        condition = word.join(parts)
        assert not set(ids(condition)) & set(ids(f"not ({condition})"))
    for one, two in itertools.pairwise(parts):
        assert set(ids(f"not ({one} or {two})")) == set(ids(f"not {one} and not {two}"))


def test_truth_is_no_number() -> None:
    """``v = 1`` does not mean true, and ``v <> 1`` does not leave it out."""
    table = table_of("d", "id int key", "v any")
    book = MemoryBook([table], {"d": [{"id": 1, "v": True}, {"id": 2, "v": 1}]})
    for condition, expected in (("v = 1", [2]), ("v <> 1", [1]), ("not v = 1", [1])):
        assert [row.values["id"] for row in chosen(book, table, parse_where(condition))] == expected, condition
