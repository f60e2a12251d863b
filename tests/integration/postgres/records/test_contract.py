"""Books of PostgreSQL keep every promise of the contract."""

from __future__ import annotations

import pytest
from tests.contracts.application import statements
from tests.contracts.book_contract import LiveBookContract, SnapshotBookContract, Spoken, cheap, room  # noqa: F401
from tests.servers.postgres import PostgresServer

from holdfast.model.records import Table
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.records import Book


class Quoted(Spoken):
    """Tables are called what the server calls them: quoted where that is needed."""

    def table(self, book: Book, name: str) -> Table:
        return book.tables[name]


def made(server: PostgresServer, database: str) -> PostgresSource:
    """The application in a database."""
    with server.connect(database) as connection:
        for statement in statements("postgres"):
            connection.execute(statement.encode())
    return PostgresSource(server.url(database))


class TestLive(Quoted, LiveBookContract):
    """The database itself."""

    @pytest.fixture
    def source(self, pg: PostgresServer, database: str) -> PostgresSource:
        return made(pg, database)


class TestSnapshot(Quoted, SnapshotBookContract):
    """Its snapshots."""

    @pytest.fixture
    def source(self, pg: PostgresServer, database: str) -> PostgresSource:
        return made(pg, database)
