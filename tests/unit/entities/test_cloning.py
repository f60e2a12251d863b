"""New ids of a copy."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contracts.memory_book import MemoryLiveBook, table_of

from holdfast.entities.cloning import CloneWishes, copies_of
from holdfast.entities.closure import Limits
from holdfast.entities.declared import Declaration
from holdfast.entities.graph import graph_of
from holdfast.entities.searching import closure_of
from holdfast.model.records import Reference, Table


@pytest.mark.parametrize("as_", [None, (77,)])
def test_a_root_that_names_its_own_row_by_a_key_with_its_id_is_copied(as_: Any) -> None:
    """The id is the root's, and what it names has it from there."""
    number = Table(name="s", columns=table_of("s", "ev int", "no int").columns, key=("ev", "no"))
    references = [
        Reference(name="s.ev", table="s", columns=("ev",), to="ev", to_columns=("id",), on_delete="cascade"),
        Reference(name="ev.first", table="ev", columns=("id", "first"), to="s", to_columns=("ev", "no")),
    ]
    rows: dict[str, list[dict[str, Any]]] = {
        "ev": [{"id": 1, "first": 1}], "s": [{"ev": 1, "no": 1}, {"ev": 1, "no": 2}]
    }  # fmt: skip
    book = MemoryLiveBook([table_of("ev", "id int key", "first int"), number], rows, references)
    graph = graph_of(book, Declaration(source="s", root="ev"))
    found = closure_of(book, graph, next(book.rows(graph.root)), Limits(rows=100, depth=9))
    with book.transaction() as transaction:
        copies = copies_of(found, book.tables, CloneWishes(as_=as_), transaction.next_id, transaction.find)
    new = next(row.values["id"] for table, _, row in copies.ids() if table == "ev")
    assert new == (77 if as_ else new) and new != 1
    assert sorted(row.values["no"] for table, _, row in copies.ids() if table == "s") == [1, 2]
    assert {row.values["ev"] for table, _, row in copies.ids() if table == "s"} == {new}
