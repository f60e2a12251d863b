"""What would become of chosen rows is known before anything is written, with the reason."""

from __future__ import annotations

from typing import Any

from tests.contracts.memory_book import MemoryBook, table_of

from holdfast.model.records import Reference, Row
from holdfast.records.preview import Fate, RowPreview, Wish, preview

EVENTS = table_of("events", "id int key", "parent int", "title text", unique=[("title",)])
REFERENCE = Reference(name="p", table="events", columns=("parent",), to="events", to_columns=("id",))


def event(number: int, title: str | None = None, parent: int | None = None) -> dict[str, Any]:
    return {"id": number, "parent": parent, "title": title}


def fates(
    rows: list[dict[str, Any]], now: list[dict[str, Any]], newest: list[dict[str, Any]] | None = None, **more: Any
) -> list[RowPreview]:
    live = MemoryBook([EVENTS], {"events": now}, [REFERENCE])
    backup = None if newest is None else (MemoryBook([EVENTS], {"events": newest}), EVENTS)
    given = {"source": EVENTS, "target": EVENTS, "live": live, "newest": backup, **more}
    return preview(Wish(rows=[Row(row) for row in rows], **given), live.find)


def test_every_fate_has_its_reason() -> None:
    """Create, unchanged, conflict; with overwriting update; the newest backup tells whether the present is saved."""
    rows = [event(1, "a"), event(2, "b"), event(3, "c"), event(4, "d")]
    now = [event(2, "b"), event(3, "C"), event(4, "D")]
    found = fates(rows, now, [event(3, "C"), event(4, "d")])
    assert [each.fate for each in found] == [Fate.CREATE, Fate.UNCHANGED, Fate.CONFLICT, Fate.CONFLICT]
    assert "newest backup has it as it is now" in found[2].reason
    assert "not saved since" in found[3].reason
    again = fates(rows, now, overwrite=True)
    assert [each.fate for each in again] == [Fate.CREATE, Fate.UNCHANGED, Fate.UPDATE, Fate.UPDATE]
    assert again[2].after == Row(event(3, "c"))


def test_a_missing_parent_blocks_its_children_and_theirs() -> None:
    """Unless the parent is among the rows."""
    found = fates([event(1, parent=9), event(2, parent=1), event(3, parent=3), event(4, parent=5)], [event(5)])
    assert [each.fate for each in found] == [Fate.BLOCKED, Fate.BLOCKED, Fate.CREATE, Fate.CREATE]
    assert "parent refers to events 9" in found[0].reason


def test_a_taken_unique_value_blocks() -> None:
    """The row that holds it now is named."""
    found = fates([event(1, "a")], [event(7, "a")])
    assert (found[0].fate, found[0].reason) == (Fate.BLOCKED, "its title belongs to row 7 now")


def test_a_column_that_is_gone_blocks_unless_it_may_be_dropped() -> None:
    """A value that is NULL is nothing to lose."""
    wider = table_of("events", "id int key", "parent int", "title text", "note text")
    rows = [{**event(1, "a"), "note": "x"}, {**event(2, "b"), "note": None}]
    assert [each.fate for each in fates(rows, [], source=wider)] == [Fate.BLOCKED, Fate.CREATE]
    found = fates(rows, [], source=wider, drop_columns=True)
    assert [each.fate for each in found] == [Fate.CREATE, Fate.CREATE]
    assert found[0].after == Row(event(1, "a"))


def test_columns_that_came_later_keep_their_values() -> None:
    """An update writes what the snapshot knows, and nothing else."""
    older = table_of("events", "id int key", "title text")
    found = fates([{"id": 1, "title": "a"}], [event(1, "b", parent=1)], source=older, overwrite=True)
    assert found[0].after == Row(event(1, "a", parent=1))


def test_equal_rows_without_a_key_are_counted() -> None:
    """Three in the snapshot and one in the application: two are created."""
    plain = table_of("plain", "a int", "b text")
    live = MemoryBook([plain], {"plain": [{"a": 1, "b": None}, {"a": 2, "b": "y"}]})
    rows = [Row({"a": 1, "b": None}) for _ in range(3)]
    found = preview(Wish(rows=rows, source=plain, target=plain, live=live), live.find)
    assert sorted(each.fate for each in found) == [Fate.CREATE, Fate.CREATE, Fate.UNCHANGED]


def test_a_unique_value_that_is_taken_blocks_without_a_key_too() -> None:
    """Nobody else can be told, but that it cannot be written can."""
    plain = table_of("plain", "a int", "b text", unique=[("a",)])
    live = MemoryBook([plain], {"plain": [{"a": 1, "b": "now"}, {"a": None, "b": "x"}]})
    rows = [Row({"a": 1, "b": "then"}), Row({"a": None, "b": "x"}), Row({"a": None, "b": "y"})]
    found = preview(Wish(rows=rows, source=plain, target=plain, live=live), live.find)
    assert [each.fate for each in found] == [Fate.BLOCKED, Fate.UNCHANGED, Fate.CREATE]
    assert found[0].reason == "its a belongs to another row now"


def test_rows_that_swapped_a_unique_value_do_not_block_each_other() -> None:
    """The holder gives its value up in the same restore; one that stays as it is blocks, and so on down the line."""
    rows, now = [event(1, "a"), event(2, "b")], [event(1, "b"), event(2, "a")]
    assert [each.fate for each in fates(rows, now, overwrite=True)] == [Fate.UPDATE, Fate.UPDATE]
    found = fates([event(1, "a"), event(2, "b")], [event(1, "b"), event(2, "c"), event(3, "a")], overwrite=True)
    assert [each.fate for each in found] == [Fate.BLOCKED, Fate.BLOCKED]
    assert found[1].reason == "its title belongs to row 1 now"
