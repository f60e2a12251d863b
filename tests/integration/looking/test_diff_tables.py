"""Which tables a comparison tells of, and how many rows of those that only one side has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.world import World
from tests.servers import postgres

from holdfast.sources.postgres import PostgresSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.diff import DiffOrder, diff


@pytest.fixture
def database() -> Iterator[tuple[postgres.PostgresServer, str]]:
    server = postgres.shared_server("18")
    with postgres.fresh_database(server) as name:
        yield server, name


def test_rows_are_told_once_and_those_of_new_tables_are_counted(
    world: World, database: tuple[postgres.PostgresServer, str]
) -> None:
    """Partitions are listed only when they are asked for by name; a new table of the application has its rows."""
    source = PostgresSource(database[0].url(database[1]))
    with database[0].connect(database[1]) as connection, world.opened() as repository:
        connection.execute("CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)")
        connection.execute("CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10)")
        connection.commit()
        assert not backup(repository, BackupRequest(sources={"shop": source})).failures
        connection.execute("INSERT INTO parts VALUES (1)")
        connection.execute("CREATE TABLE fresh AS SELECT generate_series(1, 9) AS id")
        connection.commit()
        assert not backup(repository, BackupRequest(sources={"shop": source})).failures
        oldest = repository.snapshots()[0].info.id

        def told(after: str, *items: str) -> dict[str, tuple[str, int]]:
            order = DiffOrder(
                before=oldest, after=after, items=items, source=lambda _info: source, live=lambda _name: source
            )
            return {each.table: (each.status, each.added) for each in diff(repository, order).tables}

        for after in ("live", "latest"):
            assert told(after) == {"public.parts": ("changed", 1), "public.fresh": ("new", 9)}
            assert told(after, "public.*") == told(after)
            assert told(after, "public.low") == told(after, "low") == {"public.low": ("changed", 1)}
