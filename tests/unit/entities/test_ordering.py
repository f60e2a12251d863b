"""The order rows are written in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tests.contracts.memory_book import MemoryLiveBook, table_of

from holdfast.entities.applying import apply, require_nothing_else, require_order
from holdfast.entities.ordering import order_of, rows_in_order, strongly_connected
from holdfast.entities.writes import writes_of
from holdfast.model.errors import TargetError
from holdfast.model.records import Did, Difference, Reference, Row


def reference(table: str, column: str, to: str, **more: Any) -> Reference:
    return Reference(name=f"{table}.{column}", table=table, columns=(column,), to=to, to_columns=("id",), **more)


def added(table: str, **values: Any) -> Difference:
    return Difference(table=table, did=Did.ADDED, key=(values["id"],), after=Row(values))


def test_parents_come_first() -> None:
    """Whatever the names and the order of the references."""
    references = [reference("a", "b", "b"), reference("b", "c", "c"), reference("a", "c", "c")]
    assert order_of({"a", "b", "c"}, references).tables == ("c", "b", "a")


def test_a_ring_gives_way_where_it_is_weakest() -> None:
    """A deferrable reference is deferred, else one that may be NULL is set late, else the ring is named."""
    hard = reference("a", "b", "b", nullable=False)
    soft, late = reference("b", "a", "a"), reference("b", "a", "a", nullable=False, deferrable=True)
    assert order_of({"a", "b"}, [hard, soft]).late == (soft,)
    assert order_of({"a", "b"}, [hard, late]).deferred == (late,)
    with pytest.raises(TargetError, match=r"a\.b -> b\.id"):
        order_of({"a", "b"}, [hard, reference("b", "a", "a", nullable=False)])


def test_rows_go_before_what_they_name_by_what_restricts() -> None:
    """A reference that restricts is never put off, deferrable or not: the ring opens where it may be NULL."""
    tables = [table_of("a", "id int key", "b int"), table_of("b", "id int key", "c int not null"),
              table_of("c", "id int key", "a int not null")]  # fmt: skip
    fixed = reference("c", "a", "a", nullable=False, deferrable=True, on_delete="restrict")
    ring = [reference("a", "b", "b"), reference("b", "c", "c", nullable=False, on_delete="cascade"), fixed]
    rows = {"a": Row({"id": 1, "b": 1}), "b": Row({"id": 1, "c": 1}), "c": Row({"id": 1, "a": 1})}
    gone = [Difference(table=name, did=Did.REMOVED, key=(1,), before=row) for name, row in rows.items()]
    plan = writes_of(MemoryLiveBook(tables, {}, ring), gone)
    assert [(each.verb, each.table, each.columns) for each in plan.writes] == [
        ("update", "a", ("b",)), ("delete", "b", ()), ("delete", "c", ()), ("delete", "a", ())
    ]  # fmt: skip
    come = [Difference(table=name, did=Did.ADDED, key=(1,), after=row) for name, row in rows.items()]
    assert {each.verb for each in writes_of(MemoryLiveBook(tables, {}, ring), come).writes} == {"insert"}


def test_a_long_chain_of_tables_needs_no_recursion() -> None:
    """Ten thousand tables in a row."""
    names = [f"t{number:05}" for number in range(10_000)]
    found = strongly_connected(names, [reference(a, "x", b) for a, b in itertools.pairwise(names)])
    assert [ring[0] for ring in found] == names[::-1]


def test_rows_that_name_one_another_are_put_in_order() -> None:
    """A chain of thousands backwards; a ring waits."""
    own = [reference("t", "after", "t")]
    rows = [Row({"id": n, "after": n + 1 if n < 5000 else None}) for n in range(1, 5001)]
    ordered, rings = rows_in_order(rows, own)
    assert [row.values["id"] for row in ordered] == list(range(5000, 0, -1)) and not rings
    ordered, rings = rows_in_order([Row({"id": 1, "after": 2}), Row({"id": 2, "after": 1})], own)
    assert len(ordered) == 2 and len(rings) == 1


def book() -> MemoryLiveBook:
    tables = [table_of("events", "id int key", "main int"), table_of("venues", "id int key", "event int not null")]
    references = [
        reference("events", "main", "venues", on_delete="set null"),
        reference("venues", "event", "events", nullable=False, on_delete="cascade"),
    ]
    return MemoryLiveBook(tables, {}, references)


def test_rings_are_written_and_taken_away_again() -> None:
    """NULL first, set at the end; and the other way round."""
    application = book()
    changes = [added("venues", id=1, event=7), added("events", id=7, main=1)]
    with application.transaction() as transaction:
        applied = apply(application, transaction, changes)
    assert application.data == {"events": [{"id": 7, "main": 1}], "venues": [{"id": 1, "event": 7}]}
    back = [Difference(table=each.table, did=Did.REMOVED, key=each.key, before=each.after) for each in applied.changes]
    with application.transaction() as transaction:
        undone = apply(application, transaction, back)
        require_nothing_else(transaction, undone)
    assert application.data == {"events": [], "venues": []}


def test_what_would_be_deleted_along_is_named() -> None:
    """A row that came later, below one that is taken away."""
    application = book()
    application.data["events"] = [{"id": 7, "main": None}]
    application.data["venues"] = [{"id": 9, "event": 7}]
    gone = Difference(table="events", did=Did.REMOVED, key=(7,), before=Row({"id": 7, "main": None}))
    with pytest.raises(TargetError, match="1 of venues"), application.transaction() as transaction:
        require_nothing_else(transaction, apply(application, transaction, [gone]))
    assert len(application.data["venues"]) == 1


def test_a_row_that_reads_back_otherwise_is_refused() -> None:
    """A trigger changed it: nothing stays."""
    application = book()
    with pytest.raises(TargetError, match="other values in main"), application.transaction() as transaction:  # noqa: PT012
        write = transaction.write

        def changing(writes: Any) -> int:
            count = write(writes)
            application.data["events"][0]["main"] = None
            return count

        transaction.write = changing  # type: ignore[method-assign]
        application.data["venues"] = [{"id": 1, "event": 7}]
        apply(application, transaction, [added("events", id=7, main=1)])
    assert application.data["events"] == []


def test_what_a_trigger_counted_meanwhile_is_set_again() -> None:
    """A counter that every row below moves is what it was in the end."""
    application = book()
    with application.transaction() as transaction:
        write = transaction.write
        again: list[Any] = []

        def counting(writes: Any) -> int:
            count = write(writes)
            if not again:
                application.data["events"][0]["main"] = None
            again.append(writes)
            return count

        transaction.write = counting  # type: ignore[method-assign]
        application.data["venues"] = [{"id": 1, "event": 7}]
        applied = apply(application, transaction, [added("events", id=7, main=1)])
    assert application.data["events"] == [{"id": 7, "main": 1}]
    assert len(again) == 2 and applied.changes[0].after == Row({"id": 7, "main": 1})


def test_a_plan_refuses_the_ring_that_the_restore_would_refuse() -> None:
    """Nothing has to be written to know it."""
    tables = [table_of("a", "id int key", "b int not null"), table_of("b", "id int key", "a int not null")]
    ring = [reference("a", "b", "b", nullable=False), reference("b", "a", "a", nullable=False)]
    application = MemoryLiveBook(tables, {}, ring)
    with pytest.raises(TargetError, match="ring that cannot be opened"):
        require_order(application, [added("a", id=1, b=1), added("b", id=1, a=1)])
