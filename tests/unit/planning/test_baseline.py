"""What is far from usual: by six times the spread, by enough in its own unit, and against enough of a past."""

from __future__ import annotations

from holdfast.planning.baseline import baseline

SCATTERED = [90, 100, 110, 95, 105, 100, 92, 108, 98]


def test_ordinary_scatter_is_not_unusual_and_what_is_beyond_six_spreads_is() -> None:
    """The spread of these is 7.4: 40 away is not far, 50 is."""
    usual = baseline(SCATTERED)
    assert (usual.usual, round(usual.spread, 1), usual.count) == (100, 7.4, 9)
    assert not usual.far(140, 0) and not usual.far(60, 0)
    assert usual.far(150, 0) and usual.far(50, 0)


def test_far_is_also_far_in_its_own_unit() -> None:
    """What never varies would make a hair's breadth unusual."""
    assert baseline([100] * 9).far(101, 0)
    assert not baseline([100] * 9).far(101, 50)


def test_a_short_past_calls_nothing_unusual() -> None:
    """Five are the least."""
    assert not baseline([100] * 4).far(1, 0)
    assert baseline([100] * 5).far(1, 0)
    assert baseline([]).usual == 0
