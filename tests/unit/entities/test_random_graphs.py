"""Random applications, random deletes: what is restored equals what was; a clone shares no id of its own."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.contracts.memory_book import MemoryLiveBook, table_of

from holdfast.entities.applying import apply
from holdfast.entities.cloning import CloneWishes, copies_of
from holdfast.entities.closure import Closure, Limits
from holdfast.entities.declared import Declaration
from holdfast.entities.graph import graph_of
from holdfast.entities.proving import closure_of_copies, left_behind
from holdfast.entities.relinking import pointing
from holdfast.entities.restoring import Wishes, decide
from holdfast.entities.searching import closure_of
from holdfast.model.errors import TargetError
from holdfast.model.records import Did, Difference, Reference, Row
from holdfast.sources.records import LiveBook
from holdfast.sources.sqlite.records.live_book import SqliteLiveBook

_LIMITS = Limits(rows=10_000, depth=50)
_ROOT = "t0"


@st.composite
def applications(draw: st.DrawFn) -> tuple[list[Reference], dict[str, list[dict[str, Any]]]]:
    """Up to six tables t0 (the root) to t5 of an id and some references, each owned, loose or upwards, and rows."""
    count = draw(st.integers(2, 6))
    references: list[Reference] = []
    for number in range(1, count):
        for column in range(draw(st.integers(1, 2))):
            to = draw(st.integers(0, number))  # to itself at the most: those before are there first
            nullable = to == number or draw(st.booleans())
            action = draw(st.sampled_from(["cascade", "set null", "no action"] if nullable else ["cascade"]))
            references.append(_reference(number, column, to, action, nullable=nullable))
    if draw(st.booleans()):  # a ring: the root names one of those that belong to it
        references.append(_reference(0, 0, draw(st.integers(1, count - 1)), "set null", nullable=True))
    rows: dict[str, list[dict[str, Any]]] = {f"t{number}": [] for number in range(count)}
    for number in range(count):
        own = [each for each in references if each.table == f"t{number}"]
        for identity in range(1, draw(st.integers(2, 7))):
            row: dict[str, Any] = {"id": identity, "text": draw(st.sampled_from(["a", "", None]))}
            for each in own:
                there = [other["id"] for other in rows[each.to]]
                choices = [*there, *([None] if each.nullable else [])]
                row[each.columns[0]] = draw(st.sampled_from(choices)) if choices else None
            rows[f"t{number}"].append(row)
    for each in references:
        if each.table == _ROOT:
            for row in rows[_ROOT]:
                row[each.columns[0]] = draw(st.sampled_from([None, *(other["id"] for other in rows[each.to])]))
    return references, rows


def _reference(number: int, column: int, to: int, action: str, *, nullable: bool) -> Reference:
    name = f"r{column}"
    return Reference(
        name=f"t{number}.{name}", table=f"t{number}", columns=(name,), to=f"t{to}", to_columns=("id",),
        on_delete=action, deferrable=False, nullable=nullable,
    )  # fmt: skip


def memory(references: Sequence[Reference], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> MemoryLiveBook:
    """The application in memory."""
    tables = []
    for name in rows:
        own = [each for each in references if each.table == name]
        columns = [f"{each.columns[0]} int{'' if each.nullable else ' not null'}" for each in own]
        tables.append(table_of(name, "id int key", "text text", *columns))
    return MemoryLiveBook(tables, rows, references)


def database(path: Path, references: Sequence[Reference], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """The application in a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for name in rows:
            own = [each for each in references if each.table == name]
            columns = [
                f"{each.columns[0]} INTEGER {'' if each.nullable else 'NOT NULL '}REFERENCES {each.to} (id)"
                f" ON DELETE {each.on_delete.upper()}"
                for each in own
            ]
            connection.execute(f"CREATE TABLE {name} ({', '.join(['id INTEGER PRIMARY KEY', 'text TEXT', *columns])})")
        for name, each in rows.items():
            for row in each:
                marks = ", ".join("?" for _ in row)
                connection.execute(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
        connection.commit()


def content(book: Any) -> dict[str, list[str]]:
    """Every row, in order."""
    tables = book.tables.items()
    return {name: sorted(repr(sorted(row.values.items())) for row in book.rows(table)) for name, table in tables}


def closure(book: Any, key: int) -> Closure | None:
    """What belongs to a row of the root table."""
    graph = graph_of(book, Declaration(source="s", root=_ROOT))
    for row in book.find(graph.root, ("id",), [(key,)]):
        return closure_of(book, graph, row, _LIMITS)
    return None


def delete(book: LiveBook, found: Closure) -> bool:
    """As an application would: the root, else its rows one by one; False when something else still needs them."""
    removed = [
        Difference(table=member.table, did=Did.REMOVED, key=member.identity[1], before=member.row)
        for member in found.members.values()
        if member.role == "owned"
    ]
    linked = []
    for member in found.members.values():
        edges = [] if member.role == "owned" else list(pointing(found, member))
        columns = [column for edge in edges for column in edge.reference.columns]
        if columns:
            after = Row({**member.row.values, **dict.fromkeys(columns)})
            linked.append(
                Difference(table=member.table, did=Did.CHANGED, key=member.identity[1], before=member.row, after=after)
            )
    try:
        with book.transaction() as transaction:
            apply(book, transaction, [*linked, *removed])
    except TargetError:
        return False
    return True


def check_restore(book: Any, key: int) -> None:
    """Delete it, bring it back: all as before."""
    found = closure(book, key)
    if found is None:
        return
    before = content(book)
    owned = sum(1 for member in found.members.values() if member.role == "owned")
    if not delete(book, found):
        event("the database refused the delete")
        assert content(book) == before
        return
    event(f"rows: {owned}")
    with book.transaction() as transaction:
        decision = decide(found, book, transaction.find, Wishes())
        assert not decision.refusals, decision.refusals
        assert sum(1 for step in decision.steps if step.action == "create") == owned
        apply(book, transaction, decision.changes)
    assert content(book) == before


def check_clone(book: Any, key: int) -> None:
    """Copy it: as many rows, none of its ids shared, nothing else touched."""
    found = closure(book, key)
    if found is None:
        return
    before = content(book)
    with book.transaction() as transaction:
        copies = copies_of(found, book.tables, CloneWishes(), transaction.next_id, transaction.find)
        made = closure_of_copies(copies, book.tables)
        decision = decide(made, book, transaction.find, Wishes())
        assert not decision.refusals, decision.refusals
        applied = apply(book, transaction, decision.changes)
        rows = [(change.table, change.after) for change in applied.changes if change.after is not None]
        assert left_behind(found.graph, copies, rows) == []
    after = content(book)
    owned = {identity for identity, member in found.members.items() if member.role == "owned"}
    assert all(set(before[name]) <= set(after[name]) for name in before)
    assert sum(map(len, after.values())) - sum(map(len, before.values())) == len(owned)
    assert not {(each[0], each[1].key(("id",))) for each in rows} & owned


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(applications(), st.integers(1, 6))
def test_in_memory_what_is_restored_equals_what_was(application: Any, key: int) -> None:
    """Over random graphs, with self references and rings."""
    check_restore(memory(*application), key)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(applications(), st.integers(1, 6))
def test_in_memory_a_clone_shares_no_id_of_its_own(application: Any, key: int) -> None:
    """Over random graphs, with self references and rings."""
    check_clone(memory(*application), key)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(applications(), st.integers(1, 6))
def test_in_a_database_what_is_restored_equals_what_was(tmp_path_factory: Any, application: Any, key: int) -> None:
    """The database itself watches over every reference."""
    path = tmp_path_factory.mktemp("random") / "app.db"
    database(path, *application)
    with contextlib.closing(SqliteLiveBook(str(path).encode(), 1.0)) as book:
        check_restore(book, key)
        check_clone(book, key)
