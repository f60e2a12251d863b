"""What the database would touch along with rows that are taken away."""

from __future__ import annotations

from tests.contracts.memory_book import MemoryLiveBook, table_of

from holdfast.entities.reaching import reached_too
from holdfast.model.records import Did, Difference, Reference, Row


def reference(table: str, on_delete: str, to: str = "events") -> Reference:
    return Reference(
        name=f"{table}.e", table=table, columns=("e",), to=to, to_columns=("id",), on_delete=on_delete
    )


def test_rows_of_others_that_lose_their_reference_are_told_before() -> None:
    """Emptied, set to a default, or deleted, at any depth; what the changes deal with themselves is not told."""
    others = [table_of(name, "id int key", "e int") for name in ("notes", "promos", "ch", "g")]
    book = MemoryLiveBook(
        [table_of("events", "id int key"), *others],
        {
            "events": [{"id": 1}, {"id": 2}],
            "notes": [{"id": 7, "e": 1}, {"id": 8, "e": 1}, {"id": 9, "e": 2}],
            "promos": [{"id": 5, "e": 1}],
            "ch": [{"id": 3, "e": 1}, {"id": 4, "e": 1}],
            "g": [{"id": 6, "e": 4}],
        },
        [reference("notes", "set null"), reference("promos", "set default"), reference("ch", "cascade"),
         reference("g", "cascade", "ch")],
    )  # fmt: skip
    changes = [
        Difference(table="events", did=Did.REMOVED, key=(1,), before=Row({"id": 1})),
        Difference(table="ch", did=Did.REMOVED, key=(3,), before=Row({"id": 3, "e": 1})),
        Difference(
            table="notes", did=Did.CHANGED, key=(8,), before=Row({"id": 8, "e": 1}), after=Row({"id": 8, "e": 2})
        ),
    ]
    told = [each.told for each in reached_too(book, book.find, changes)]
    assert [each.split(" ", 2)[:2] for each in told] == [["notes", "7"], ["promos", "5"], ["ch", "4"], ["g", "6"]]
    assert "becomes NULL" in told[0] and "its default" in told[1] and "deleted along" in told[2]
