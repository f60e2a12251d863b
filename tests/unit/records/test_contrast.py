"""Two books are told apart row by row, whatever they share and however much differs."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.memory_book import MemoryBook, table_of

from holdfast.model.records import Did, Row, Table
from holdfast.records import cancelling
from holdfast.records.contrast import Contrast, Pair
from holdfast.sources.records import Book

KEYED = table_of("t", "id int key", "value text")
KEYLESS = table_of("t", "id int", "value text")


class Lavish(MemoryBook):
    """A book that leaves unread as little as the contract allows, at the oddest places."""

    def __init__(self, table: Table, rows: Sequence[Mapping[str, Any]], *, generous: int) -> None:
        super().__init__([Table(name="t", columns=table.columns, key=table.key, rows=len(rows))], {"t": rows})
        self.generous = generous

    def rows_not_shared(self, table: Table, other: Book) -> Iterator[Row]:
        held = Counter(tuple(row.values.items()) for row in other.rows(other.tables["t"]))
        for number, row in enumerate(self.rows(table)):
            same = tuple(row.values.items())
            held[same] -= 1
            if held[same] < 0 or (number + self.generous) % 3 == 0:
                yield row
                if number % 5 == 0 and table.key:
                    yield row  # twice is allowed


def contrast(one: MemoryBook, two: MemoryBook) -> Contrast:
    return Contrast(Pair(books=(one, two), before=one.tables["t"], after=two.tables["t"]))


rows = st.dictionaries(st.integers(0, 12), st.sampled_from("abc"), max_size=12)


@given(rows, rows, st.integers(0, 2))
def test_keyed_rows_are_told_exactly(before: dict[int, str], after: dict[int, str], generous: int) -> None:
    """Added, removed and changed are those of the plain comparison, also when shared rows come along."""
    one, two = (
        Lavish(KEYED, [{"id": key, "value": value} for key, value in each.items()], generous=generous)
        for each in (before, after)
    )
    with contextlib.closing(contrast(one, two)) as found:
        told = {(each.did, *each.key) for each in found.differences()}
        counts = (found.added, found.removed, found.changed)
        assert found.same == sum(before.get(key) == value for key, value in after.items())
    expected = {(Did.ADDED, key) for key in after.keys() - before.keys()}
    expected |= {(Did.REMOVED, key) for key in before.keys() - after.keys()}
    expected |= {(Did.CHANGED, key) for key in before.keys() & after.keys() if before[key] != after[key]}
    assert told == expected
    assert counts == tuple(sum(did is each for did, _ in expected) for each in (Did.ADDED, Did.REMOVED, Did.CHANGED))


lists = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=12)


@given(lists, lists, st.integers(0, 2))
def test_rows_without_key_are_counted(before: list[Any], after: list[Any], generous: int) -> None:
    """Equal rows cancel one by one."""
    one, two = (
        Lavish(KEYLESS, [dict(zip(("id", "value"), row, strict=True)) for row in each], generous=generous)
        for each in (before, after)
    )
    with contextlib.closing(contrast(one, two)) as found:
        told = Counter((each.did, *(each.after or each.before).values.values()) for each in found.differences())  # type: ignore[union-attr]
    expected = Counter((Did.ADDED, *row) for row in (Counter(after) - Counter(before)).elements())
    expected += Counter((Did.REMOVED, *row) for row in (Counter(before) - Counter(after)).elements())
    assert told == expected


def test_a_new_column_is_a_difference_of_the_definition_not_of_every_row() -> None:
    """Rows are compared by the columns both have."""
    one = MemoryBook([KEYED], {"t": [{"id": 1, "value": "a"}, {"id": 2, "value": "b"}]})
    wider = table_of("t", "id int key", "value text", "note text")
    two = MemoryBook([wider], {"t": [{"id": 1, "value": "a", "note": "x"}, {"id": 2, "value": "c", "note": None}]})
    with contextlib.closing(contrast(one, two)) as found:
        assert (found.schema.added, found.added, found.removed, found.changed) == (("note",), 0, 0, 1)


def test_values_of_other_type_are_other_values() -> None:
    """1 and 1.0, text and bytes: SQLite keeps them apart, and so is it told."""
    one = MemoryBook([KEYED], {"t": [{"id": 1, "value": 1}, {"id": 2, "value": "x"}]})
    two = MemoryBook([KEYED], {"t": [{"id": 1, "value": 1.0}, {"id": 2, "value": b"x"}]})
    with contextlib.closing(contrast(one, two)) as found:
        assert found.changed == 2


@given(lists, lists, st.integers(1, 3), st.integers(1, 4))
def test_equal_rows_cancel_in_pairs_only(before: list[Any], after: list[Any], turn: int, most: int) -> None:
    """However little is held at a time, what is left differs by exactly what the streams differ by."""
    streams = tuple(iter([Row({"id": key, "value": value}) for key, value in each]) for each in (before, after))
    left: tuple[Counter[Any], Counter[Any]] = (Counter(), Counter())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cancelling, "_TURN", turn)
        patch.setattr(cancelling, "_HELD", most)
        for side, rows_left in cancelling.cancelled(streams, ("id", "value")):  # type: ignore[arg-type]
            left[side].update(tuple(row.values.values()) for row in rows_left)
    assert left[0] - left[1] == Counter(before) - Counter(after)
    assert left[1] - left[0] == Counter(after) - Counter(before)
