"""Which tables belong to an entity, and what stops a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.contracts.memory_book import MemoryBook, table_of

from holdfast.entities.closure import Limits, reasons
from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.entities.graph import graph_of
from holdfast.entities.naming import split_column, table_named
from holdfast.entities.searching import closure_of
from holdfast.entities.suggesting import suggestions
from holdfast.model.errors import UsageError
from holdfast.model.records import Reference, Row

EVENT = Declaration(source="s", root="event")
MANY = Limits(rows=100_000, depth=50)


def reference(table: str, column: str, to: str, *, nullable: bool = False, on_delete: str = "no action") -> Reference:
    return Reference(
        name=f"{table}.{column}", table=table, columns=(column,), to=to, to_columns=("id",), nullable=nullable,
        on_delete=on_delete,
    )  # fmt: skip


def book(**rows: Sequence[dict[str, object]]) -> MemoryBook:
    """Employees and departments, the classic that runs away, around an event."""
    tables = [
        table_of("app.users", "id int key", "email text", unique=[("email",)]),
        table_of("app.event", "id int key", "owner int", "place int"),
        table_of("app.places", "id int key", "name text", unique=[("name",)]),
        table_of("app.shifts", "id int key", "event int not null", "worker int not null"),
        table_of("app.workers", "id int key", "department int not null"),
        table_of("app.departments", "id int key", "boss int"),
        table_of("app.meetings", "id int key", "place int"),
        table_of("app.payments", "id int key", "shift int"),
        table_of("app.logs", "id int key", "payload json"),
    ]
    references = [
        reference("app.event", "owner", "app.users", nullable=True),
        reference("app.event", "place", "app.places", nullable=True),
        reference("app.meetings", "place", "app.places", nullable=True),
        reference("app.shifts", "event", "app.event"),
        reference("app.shifts", "worker", "app.workers"),
        reference("app.workers", "department", "app.departments"),
        reference("app.departments", "boss", "app.users", nullable=True),
        reference("app.payments", "shift", "app.shifts", nullable=True, on_delete="set null"),
    ]
    return MemoryBook(tables, {f"app.{name}": each for name, each in rows.items()}, references)


def kinds(declaration: Declaration) -> dict[str, str]:
    return {edge.reference.name: edge.kind for edge in graph_of(book(), declaration).edges}


def test_kinds_are_inferred() -> None:
    """Down along what cannot be without it, up to what it needs, never down again from there."""
    assert kinds(EVENT) == {
        "app.event.owner": "reference", "app.event.place": "shared", "app.shifts.event": "owned",
        "app.shifts.worker": "parent", "app.workers.department": "parent", "app.departments.boss": "reference",
        "app.payments.shift": "reference",
    }  # fmt: skip


def test_what_is_declared_wins() -> None:
    """Over the same columns, and what it makes owned brings its own."""
    edge = DeclaredEdge(from_=("payments.shift",), to=("shifts",), kind="owned")
    graph = graph_of(book(), replace(EVENT, edges=(edge,)))
    (found,) = [each for each in graph.edges if each.reference.table == "app.payments"]
    assert (found.kind, found.declared, found.reference.on_delete) == ("owned", True, "set null")
    stop = DeclaredEdge(from_=("shifts.event",), to=("event",), kind="reference")
    assert "app.shifts.worker" not in kinds(replace(EVENT, edges=(stop,)))


def test_mistakes_are_told_with_the_nearest_name() -> None:
    """Tables, columns, keys that do not fit."""
    for edge, told in (
        (DeclaredEdge(from_=("loggs.payload.event",), to=("event",)), "logs"),
        (DeclaredEdge(from_=("logs.paylod.event",), to=("event",)), "payload"),
        (DeclaredEdge(from_=("logs.payload.event",), to=("event.idd",)), "id"),
        (DeclaredEdge(from_=("logs.payload.a", "logs.payload.b"), to=("event",)), "do not fit"),
        (DeclaredEdge(from_=("logs",), to=("event",)), "no column"),
    ):
        with pytest.raises(UsageError, match=told):
            graph_of(book(), replace(EVENT, edges=(edge,)))
    tables = book().tables
    assert table_named(tables, "EVENT").name == "app.event"
    assert split_column(tables, "app.logs.payload.x.y") == (tables["app.logs"], "payload.x.y")


def many(count: int) -> MemoryBook:
    return book(
        users=[{"id": 1, "email": "a"}], event=[{"id": n, "owner": 1, "place": 1} for n in (1, 2)],
        places=[{"id": 1, "name": "hall"}], departments=[{"id": 1, "boss": 1}],
        workers=[{"id": n, "department": 1} for n in range(1, 501)], meetings=[{"id": 1, "place": 1}],
        shifts=[{"id": n, "event": 1, "worker": n % 500 + 1} for n in range(1, count + 1)],
        payments=[{"id": n, "shift": n} for n in range(1, 4)],
        logs=[{"id": n, "payload": f'{{"eventId": {n}}}'} for n in (1, 2)],
    )  # fmt: skip


def root(application: MemoryBook) -> Row:
    return next(application.find(application.tables["app.event"], ("id",), [(1,)]))


def test_parents_are_rows_only() -> None:
    """The department comes along, not everybody who works there."""
    application = many(3)
    found = closure_of(application, graph_of(application, EVENT), root(application), MANY)
    assert found.counts("owned") == {"app.event": 1, "app.shifts": 3}
    assert found.counts("parent") == {"app.workers": 3, "app.departments": 1}
    assert found.counts("linked") == {"app.payments": 3} and found.counts("shared") == {"app.places": 1}
    assert {each.key for each in found.users} == {(1,)}
    department = next(member for member in found.members.values() if member.table == "app.departments")
    assert [text.split(" ")[0] for text in reasons(department)] == [
        "app.event", "app.shifts", "app.workers", "app.departments"]  # fmt: skip


def test_limits_name_the_edge() -> None:
    """Rows, depth, and the share of a large table; a small table may be taken whole."""
    application = many(10_050)
    graph = graph_of(application, EVENT)
    closure_of(application, graph, root(application), MANY)
    for limits in (Limits(rows=500, depth=50), Limits(rows=100_000, depth=50, share=0.5)):
        with pytest.raises(UsageError, match=r"app\.shifts\.event -> app\.event\.id"):
            closure_of(application, graph, root(application), limits)
    with pytest.raises(UsageError, match=r"workers\.department"):
        closure_of(application, graph, root(application), Limits(rows=100_000, depth=2))
    closure_of(many(100), graph, root(application), Limits(rows=100_000, depth=50, share=0.5))


def test_ids_inside_json_are_suggested() -> None:
    """Small numbers only where the name speaks of the table."""
    application = many(3)
    found = suggestions(application, graph_of(application, EVENT))
    assert [(each.from_, each.to) for each in found] == [("app.logs.payload.eventId", "app.event")]


def test_a_snapshot_of_some_tables_has_the_edges_among_them() -> None:
    """References that lead out of it are none there."""
    whole = book()
    some = MemoryBook([whole.tables["app.event"], whole.tables["app.shifts"]], {}, whole.references)
    assert [edge.reference.name for edge in graph_of(some, EVENT).edges] == ["app.shifts.event"]
