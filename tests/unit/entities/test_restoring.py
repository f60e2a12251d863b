"""What is decided of each row: from an application in memory, row by row."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from tests.contracts.memory_book import MemoryLiveBook, table_of

from holdfast.entities.applying import apply
from holdfast.entities.closure import Closure, Limits
from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.entities.graph import graph_of
from holdfast.entities.restoring import Decision, Wishes, decide
from holdfast.entities.searching import closure_of
from holdfast.model.records import Reference

_EDGES = (
    DeclaredEdge(from_=("members.events[]",), to=("events",), kind="reference"),
    DeclaredEdge(from_=("members.profile.favourite",), to=("events",), kind="reference"),
)
_ROWS: dict[str, list[dict[str, Any]]] = {
    "events": [{"id": 1, "title": "a"}, {"id": 2, "title": "b"}],
    "members": [
        {"id": 1, "events": "[1, 2]", "profile": '{"favourite": 1, "size": 1.50}', "first": 1, "second": 1},
        {"id": 2, "events": "[2]", "profile": None, "first": 2, "second": 1},
    ],
}


def application() -> MemoryLiveBook:
    tables = [
        table_of("events", "id int key", "title text"),
        table_of("members", "id int key", "events json", "profile json", "first int", "second int"),
    ]
    references = [
        Reference(name=f"members.{name}", table="members", columns=(name,), to="events", to_columns=("id",),
                  on_delete="set null", nullable=True)
        for name in ("first", "second")
    ]  # fmt: skip
    return MemoryLiveBook(tables, copy.deepcopy(_ROWS), references)


def event(book: MemoryLiveBook) -> Closure:
    graph = graph_of(book, Declaration(source="s", root="events", edges=_EDGES))
    return closure_of(book, graph, next(book.rows(graph.root)), Limits(rows=100, depth=9))


def forget(book: MemoryLiveBook) -> None:
    """As the application deletes an event: out of the lists it keeps, too."""
    book.data["events"] = book.data["events"][1:]
    first, second = book.data["members"]
    first |= {"events": "[2]", "profile": '{"favourite": null, "size": 1.50}', "first": None, "second": None}
    second |= {"second": None}


def restored(book: MemoryLiveBook, found: Closure, **wishes: Any) -> Decision:
    with book.transaction() as transaction:
        decision = decide(found, book, transaction.find, Wishes(**wishes))
        if not decision.refusals:
            apply(book, transaction, decision.changes)
    return decision


def test_rows_outside_name_the_entity_again_everywhere() -> None:
    """In columns, in lists, inside values; the rest of those rows is as it is now."""
    book = application()
    found = event(book)
    forget(book)
    book.data["members"][0]["events"] = "[2, 3]"
    restored(book, found)
    assert book.data["events"] == [{"id": 2, "title": "b"}, {"id": 1, "title": "a"}]
    first, second = book.data["members"]
    assert (first["events"], first["profile"]) == ("[2, 3, 1]", '{"favourite": 1, "size": 1.50}')
    assert (first["first"], first["second"], second["first"], second["second"]) == (1, 1, 2, 1)


def test_what_names_another_row_by_now_is_left_alone() -> None:
    """Somebody chose another one meanwhile."""
    book = application()
    found = event(book)
    forget(book)
    book.data["members"][0] |= {"first": 2, "profile": '{"favourite": 2}'}
    decision = restored(book, found)
    assert (book.data["members"][0]["first"], book.data["members"][0]["profile"]) == (2, '{"favourite": 2}')
    assert book.data["members"][0]["second"] == 1 and not decision.refusals


def test_gone_rows_outside_are_not_made_again() -> None:
    """They did not belong to the entity."""
    book = application()
    found = event(book)
    forget(book)
    del book.data["members"][0]
    decision = restored(book, found)
    assert [each["id"] for each in book.data["members"]] == [2]
    assert any("gone too" in step.reason for step in decision.steps)


@pytest.mark.parametrize(
    ("existing", "title"), [("skip", None), ("overwrite", "a"), ("merge", "a"), ("refuse", None)]
)  # fmt: skip
def test_rows_that_differ_follow_the_wish(existing: str, title: str | None) -> None:
    """Left alone, made as they were, filled, or refused."""
    book = application()
    found = event(book)
    book.data["events"][0]["title"] = None
    decision = restored(book, found, existing=existing)
    assert book.data["events"][0]["title"] == title
    assert bool(decision.refusals) == (existing == "refuse")


def test_a_table_or_column_that_is_gone_is_told() -> None:
    """The table by name; the column unless it is to be left out."""
    book = application()
    found = event(book)
    changed = MemoryLiveBook([table_of("events", "id int key", "name text"), book.tables["members"]], {}, [])
    assert "events.title" in decide(found, changed, changed.find, Wishes()).refusals[0]
    decision = restored(changed, found, drop_columns=True)
    assert changed.data["events"] == [{"id": 1, "name": None}] and decision.warnings
    without = MemoryLiveBook([book.tables["members"]], {}, [])
    assert "does not exist" in decide(found, without, without.find, Wishes()).refusals[0]


def meeting() -> MemoryLiveBook:
    tables = [
        replace(table_of("users", "id int key", "email text"), unique=(("email",),)),
        table_of("venues", "id int key", "name text"),
        table_of("meetings", "id int key", "venue int", "owner int"),
        table_of("others", "user int"),
    ]
    edges = (("meetings", "venue", "venues"), ("meetings", "owner", "users"), ("others", "user", "users"))
    references = [
        Reference(name=f"{table}.{name}", table=table, columns=(name,), to=to, to_columns=("id",))
        for table, name, to in edges
    ]
    rows: dict[str, list[dict[str, Any]]] = {
        "users": [{"id": 2, "email": "b@x"}], "venues": [{"id": 2, "name": "Hall B"}],
        "meetings": [{"id": 1, "venue": 2, "owner": 2}], "others": [],
    }  # fmt: skip
    return MemoryLiveBook(tables, rows, references)


def test_nobody_is_linked_to_a_stranger_without_a_word() -> None:
    """A parent that is another row now is told; a user who is somebody else counts as gone, or is found again."""
    book = meeting()
    graph = graph_of(book, Declaration(source="s", root="meetings"))
    found = closure_of(book, graph, next(book.rows(graph.root)), Limits(rows=100, depth=9))
    book.data |= {"meetings": [], "users": [{"id": 2, "email": "c@x"}], "venues": [{"id": 2, "name": "Car park"}]}
    decision = restored(book, found)
    assert book.data["meetings"] == [{"id": 1, "venue": 2, "owner": None}]
    told = "; ".join(decision.warnings)
    assert "venues 2 is another row now: 'Car park' instead of 'Hall B'" in told and "owner becomes NULL" in told
    book.data |= {"meetings": [], "users": [{"id": 2, "email": "c@x"}, {"id": 9, "email": "b@x"}]}
    assert "users 2 is users 9 now" in "; ".join(restored(book, found).warnings)
    assert book.data["meetings"] == [{"id": 1, "venue": 2, "owner": 9}]
