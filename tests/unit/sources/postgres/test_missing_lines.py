"""Lines that a text has and its own remainder has not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.sources.postgres.records.explaining import Explaining
from holdfast.sources.postgres.records.subsequence import NotASubsequence, missing_lines
from holdfast.sources.postgres.records.text import Form

_LINES = st.lists(st.sampled_from([b"", b"a", b"ab", b"b", b"ab\tc", b"x" * 70_000]), max_size=12)


def _text(lines: list[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in lines])


@given(_LINES, st.data())
def test_what_was_taken_away_is_what_is_missing(lines: list[bytes], data: st.DataObject) -> None:
    """Whichever lines were taken away, equal ones among them, and whichever way they are looked for."""
    kept = [data.draw(st.booleans()) for _ in lines]
    standing = [line for line, stays in zip(lines, kept, strict=True) if stays]
    for expected in (len(lines) - len(standing), 10_000):
        missing = missing_lines(_text(lines), _text(standing), expected)
        assert Counter(missing.split(b"\n")[:-1]) == Counter(lines) - Counter(standing)


@pytest.mark.parametrize("expected", [1, 10_000])
@pytest.mark.parametrize("standing", [["other"], ["a", "a"], ["a", "b", "c", "d"], ["a", "b", "cc"]])
def test_a_text_with_lines_of_its_own_is_refused(standing: list[str], expected: int) -> None:
    """It is no remainder, so nothing may be concluded from it."""
    with pytest.raises(NotASubsequence):
        missing_lines(_text([b"a", b"b", b"c"]), _text([line.encode() for line in standing]), expected)


_FORM = Form(names=("id", "note"), types=("bigint", "text"))


def _rows(*numbers: int) -> bytes:
    return b"".join(b"%d\told %d\n" % (number, number) for number in numbers)


@pytest.mark.parametrize("stored", [(1, 5, 9, 20, 33), (9, 33, 1, 5, 20)])
def test_replaced_rows_are_found_under_the_keys_of_their_successors(stored: tuple[int, ...]) -> None:
    """In any order; a row that has no successor leaves the stretch unexplained."""
    explaining = Explaining(_FORM, ("id",))
    explaining.note(0, b"9\tnew\n20\tnew\n77\tnew\n")
    found = explaining.explained(0, _rows(*stored), 2)
    assert found is not None
    assert sorted(found.splitlines()) == sorted(_rows(9, 20).splitlines())
    assert explaining.explained(0, _rows(*stored), 3) is None


def test_equal_keys_written_differently_explain_nothing() -> None:
    """1.0 and 1.00 are one key to the server: then lines are compared instead."""
    explaining = Explaining(Form(names=("id",), types=("numeric",)), ("id",))
    explaining.note(0, b"1.0\n")
    assert explaining.explained(0, b"1.0\n", 1) is None
