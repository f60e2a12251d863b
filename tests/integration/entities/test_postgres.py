"""Entities of an application on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.world import cheap, room  # noqa: F401
from tests.integration.entities.event_application import BIG, FORCED_DELETE, TABLES, fill_postgres
from tests.integration.entities.promises import EntityPromises, State
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.sources.postgres import PostgresSource


class PostgresSite:
    """The application in a database."""

    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server, self.database = server, database
        self.source = PostgresSource(server.url(database))

    def run(self, *statements: str) -> None:
        with self.server.connect(self.database) as connection, connection.transaction():
            for statement in statements:
                connection.execute(statement.encode())

    def state(self) -> State:
        with self.server.connect(self.database) as connection:
            return {
                name: sorted(
                    tuple(map(str, row)) for row in connection.execute(f"SELECT * FROM {name}".encode()).fetchall()
                )
                for name in TABLES
            }

    def delete(self, key: int) -> None:
        inside = "payload ->> 'eventId'"
        self.run(*(each.format(event_id=inside).replace(str(BIG), str(key)) for each in FORCED_DELETE))


@pytest.fixture(scope="module", params=["16", "18"])
def template(request: pytest.FixtureRequest) -> Iterator[tuple[PostgresServer, str]]:
    """Made once, copied for each test."""
    server = shared_server(request.param)
    with fresh_database(server) as name:
        fill_postgres(server, name)
        yield server, name


class TestPostgres(EntityPromises):
    """Every promise."""

    @pytest.fixture
    def site(self, template: tuple[PostgresServer, str]) -> Iterator[PostgresSite]:
        server, name = template
        with fresh_database(server, options=f"TEMPLATE {name}") as copy:
            yield PostgresSite(server, copy)
