"""Successive states of a row become versions."""

from __future__ import annotations

from holdfast.model.records import Row
from holdfast.records.history import Sighting, versions


def seen(*states: dict[str, object] | None) -> list[Sighting[int]]:
    return [
        Sighting(place=number, row=None if state is None else Row(state), plain=state)  # type: ignore[arg-type]
        for number, state in enumerate(states)
    ]


def test_equal_neighbours_are_one_version() -> None:
    """Appeared, same, changed, gone, back: each told once, with how long it lasted."""
    one, two = {"id": 1, "name": "a"}, {"id": 1, "name": "b"}
    found = versions(seen(None, one, one, one, two, None, None, two))
    assert [(each.status, each.first, each.last, each.count) for each in found] == [
        ("added", 1, 3, 3), ("changed", 4, 4, 1), ("removed", 5, 6, 2), ("added", 7, 7, 1),
    ]  # fmt: skip
    assert found[1].changed == {"name": ("a", "b")}


def test_a_column_that_came_is_a_change() -> None:
    """From nothing to NULL as well: the definition changed, and the row with it."""
    found = versions(seen({"id": 1}, {"id": 1, "note": None}))
    assert found[1].changed == {"note": (None, None)}


def test_what_was_never_there_has_no_versions() -> None:
    """Absence alone is no history."""
    assert versions(seen(None, None)) == []
