"""The application in memory keeps the promises of the contract: what is tested with it is tested rightly."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from tests.contracts.application import HOSTILE_COLUMNS, HOSTILE_TABLE, REFERENCES, ROWS
from tests.contracts.book_contract import LiveBookContract, Opener
from tests.contracts.memory_book import MemoryLiveBook, table_of

from holdfast.model.records import Column, Reference, Table

_TABLES = (
    table_of("users", "id int key", "email text not null", "name text", unique=[("email",)]),
    table_of("events", "id int key", "title text", "owner int", "parent int", "main_venue int"),
    table_of("venues", "id int key", "event int not null", "place text"),
    table_of(
        "registrations", "id int key", "event int not null", "user int not null", "note text", "doubled int generated"
    ),
    table_of("tags", "id int key", "name text not null", unique=[("name",)]),
    table_of("event_tags", "event int key", "tag int key"),
    table_of("notifications", "id int key", "payload json"),
    table_of("log", "at int", "said text"),
    Table(
        name=HOSTILE_TABLE,
        columns=tuple(Column(name=each, type="int" if each == "id" else "text") for each in HOSTILE_COLUMNS),
        key=("id",),
    ),
)


def _value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def made() -> MemoryLiveBook:
    """The application."""
    nullable = {(table.name, column.name): column.nullable for table in _TABLES for column in table.columns}
    references = [
        Reference(
            name=f"{table}.{columns[0]}", table=table, columns=columns, to=to, to_columns=("id",), on_delete=action,
            deferrable=True, nullable=nullable[table, columns[0]],
        )
        for table, columns, to, action in REFERENCES
    ]  # fmt: skip
    rows = {
        name: [{**dict.fromkeys(column.name for column in table.columns), **{n: _value(v) for n, v in row.items()}}
               for row in ROWS[name]]
        for name, table in ((table.name, table) for table in _TABLES)
    }  # fmt: skip
    return MemoryLiveBook(_TABLES, rows, references)


class TestMemory(LiveBookContract):
    """All of it."""

    @pytest.fixture
    def opener(self) -> Opener:
        book = made()
        return lambda: contextlib.nullcontext(book)
