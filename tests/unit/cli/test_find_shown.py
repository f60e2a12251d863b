"""Values found are shown so that people can read them."""

from __future__ import annotations

from holdfast.cli.verbs import find


def test_a_long_value_is_cut_for_people() -> None:
    """It tells how long it is, and how to have it whole."""
    assert find._cut("x" * 4000) == "x" * 4000
    assert find._cut("x" * 3_000_000) == "x" * 4000 + "… (3,000,000 characters; --json gives all)"
