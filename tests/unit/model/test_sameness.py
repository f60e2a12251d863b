"""Keys that Python takes for one and a database does not."""

from __future__ import annotations

from holdfast.model.sameness import typed


def test_true_is_not_one() -> None:
    """Alone, beside others, and inside documents; numbers of equal value are one key."""
    assert len({typed((each,)) for each in (True, 1, False, 0, "1")}) == 5
    assert typed((1.0,)) == typed((1,))
    assert typed(({"a": True},)) != typed(({"a": 1},)) and typed(([True],)) != typed(([1],))
    assert hash(typed(({"a": [1]},)))


def test_rows_without_a_key_keep_one_and_one_point_nought_apart() -> None:
    """All of their values are what tells them."""
    assert typed((1, "x"), exact=True) != typed((1.0, "x"), exact=True)
    key = ("a", 1, None)
    assert typed(key, exact=True) is key
