"""Which values are one and the same."""

from __future__ import annotations

import pytest

from holdfast.model.exactness import same_value

NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        (1, 1, True), (1, 1.0, False), (0.0, -0.0, False), (True, 1, False), (NAN, NAN, True), (None, None, True),
        ("1", 1, False), (b"a", b"a", True), ({"a": [1]}, {"a": [1]}, True), ({"a": [1]}, {"a": [1.0]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False), ([1, 2], [1], False),
    ],
)  # fmt: skip
def test_values_are_told_apart_by_their_types_too(one: object, two: object, same: bool) -> None:
    """Also inside documents and lists, whose order counts."""
    assert same_value(one, two) is same
