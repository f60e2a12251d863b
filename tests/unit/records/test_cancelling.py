"""Rows that both sides give cancel, as rows or as the lines they are stored in, whatever the order."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.records import Row
from holdfast.records import cancelling
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.records import Lines

FORM = Form(names=("id", "text"), types=("integer", "text"))
KEYED = st.dictionaries(st.integers(0, 60), st.sampled_from(["a", "b", "\t", "\n", "\\", ""]), max_size=60)


def _lines(rows: dict[int, str], step: int) -> Lines:
    def blocks() -> Generator[bytes, None, None]:
        held = [Row({"id": str(key), "text": text}) for key, text in rows.items()]
        for at in range(0, len(held), step):
            yield FORM.lines(held[at : at + step])

    return Lines(meaning=FORM.names, blocks=blocks(), decoded=FORM.rows)


def _left(portions: Iterator[tuple[int, list[Row]]]) -> tuple[dict[int, str], dict[int, str]]:
    sides: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for side, rows in portions:
        for row in rows:
            sides[side][int(str(row.values["id"]))] = str(row.values["text"])
    return sides


@settings(max_examples=200)
@given(KEYED, KEYED, st.integers(1, 9), st.integers(1, 9))
def test_lines_that_both_have_cancel_and_others_are_left(
    one: dict[int, str], two: dict[int, str], step: int, other: int
) -> None:
    """However they are cut into blocks."""
    left = _left(cancelling.cancelled_lines((_lines(one, step), _lines(two, other))))
    assert left[0] == {key: text for key, text in one.items() if two.get(key) != text}
    assert left[1] == {key: text for key, text in two.items() if one.get(key) != text}


def test_lines_too_far_apart_come_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays flat, and nothing that differs is lost."""
    monkeypatch.setattr(cancelling, "_HELD_LINES", 10)
    one = dict.fromkeys(range(100), "a")
    two = {number: "b" if number == 50 else "a" for number in reversed(range(100))}
    left = _left(cancelling.cancelled_lines((_lines(one, 7), _lines(two, 5))))
    assert (left[0][50], left[1][50]) == ("a", "b")
    assert set(left[0]) == set(left[1])
