"""One application on SQLite and on PostgreSQL, with what a delete can meet: cascades, links, triggers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.faults.world import World, cheap, room
from tests.servers.postgres import fresh_database, shared_server

from holdfast.entities.declared import Declaration
from holdfast.sources.base import Source
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.sqlite import SqliteSource
from holdfast.usecases.entity_finding import Subject

__all__ = ["application", "cheap", "room", "world"]

EVENT = Declaration(source="shop", root="events", title="title")
_TABLES = (
    "CREATE TABLE events (id integer PRIMARY KEY, title text UNIQUE, parent integer REFERENCES events (id))",
    ("CREATE TABLE regs (id integer PRIMARY KEY, event integer NOT NULL REFERENCES events (id) ON DELETE CASCADE,"
    " x text)"),
    ("CREATE TABLE lines (reg integer NOT NULL REFERENCES regs (id) ON DELETE CASCADE, no integer,"
    " PRIMARY KEY (reg, no))"),
    "CREATE TABLE notes (id integer PRIMARY KEY, event integer REFERENCES events (id) ON DELETE SET NULL)",
    "CREATE TABLE payments (id integer PRIMARY KEY, event integer REFERENCES events (id))",
    "CREATE TABLE audit (id integer PRIMARY KEY, event integer)",
)
TABLES = ("events", "regs", "lines", "notes", "payments", "audit")


@dataclass
class Application:
    """``place`` of the database; ``source`` as the configuration makes it."""

    kind: str
    place: Any
    source: Source

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection of the application's own, that commits when told to."""
        if self.kind == "sqlite":
            with closing(sqlite3.connect(self.place)) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        else:
            with closing(psycopg.connect(self.place, application_name="shop")) as connection:
                yield connection

    def run(self, *statements: str) -> None:
        """One transaction."""
        with self.connected() as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything there is."""
        with self.connected() as connection:
            return {
                name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in TABLES
            }

    def table(self, name: str) -> str:
        """As books name it."""
        return name if self.kind == "sqlite" else f"public.{name}"

    def subject(self, key: int = 1) -> Subject:
        return Subject(name="event", key=str(key), declaration=EVENT, source=self.source)


@pytest.fixture(params=["sqlite", "postgres"])
def application(request: pytest.FixtureRequest, world: World) -> Iterator[Application]:
    """Three events, 20 registrations each, notes that let go of an event, and payments that hold it."""
    if request.param == "sqlite":
        place = world.root / "app.db"
        with closing(sqlite3.connect(place)):
            made = Application("sqlite", place, SqliteSource(place))
        fill(made)
        yield made
        return
    server = shared_server("18")
    with fresh_database(server) as name:
        made = Application("postgres", server.url(name), PostgresSource(server.url(name)))
        fill(made)
        yield made


@pytest.fixture
def world(room: Path, cheap: None) -> World:
    (room / "w").mkdir()
    return World(room / "w").create()


def fill(made: Application) -> None:
    """The tables and what is in them."""
    made.run(
        *_TABLES,
        "INSERT INTO events VALUES (1, 'One', NULL), (2, 'Two', NULL), (3, 'Three', NULL)",
        "INSERT INTO regs VALUES " + ", ".join(f"({n}, {1 + n % 3}, 'reg {n}')" for n in range(60)),
        "INSERT INTO lines VALUES " + ", ".join(f"({n}, {no})" for n in range(60) for no in range(2)),
        "INSERT INTO notes VALUES (1, 1), (2, 1), (3, 2)",
        "INSERT INTO payments VALUES (1, 2)",
    )
