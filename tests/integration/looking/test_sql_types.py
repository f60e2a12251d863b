"""Values of PostgreSQL arrive in SQL over a snapshot as what they are, however oddly they are written."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tests.faults.world import World
from tests.servers import postgres

from holdfast.repository.repository import Repository
from holdfast.sources.postgres import PostgresSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.sql import SqlOrder, sql

TEXTS = [
    "", "\\", "\\\\", "\\n", "\n", "\\\n", "a\tb", "\\N", "\\\\N", "\r", "\b\f\v", "'\"", "\\t\\", '"quoted"',
    "é\U0001f600", "NULL", ",;|", "\\.", "x" * 70_000, None,
]  # fmt: skip


@pytest.fixture
def database() -> Iterator[tuple[postgres.PostgresServer, str]]:
    server = postgres.shared_server("18")
    with postgres.fresh_database(server) as name:
        yield server, name


class Asked:
    """A snapshot of the database as it is now."""

    def __init__(self, repository: Repository, place: tuple[postgres.PostgresServer, str]) -> None:
        self.repository = repository
        self.source = PostgresSource(place[0].url(place[1]))
        made = backup(repository, BackupRequest(sources={"shop": self.source}))
        assert not made.failures
        self.notes: list[str] = []
        self.types: dict[str, str] = {}

    def __call__(self, statement: str) -> list[tuple[Any, ...]]:
        order = SqlOrder(snapshot="latest", sql=statement, source=lambda _info: self.source)
        with sql(self.repository, order) as result:
            rows = list(result.answer.rows)
            self.notes, self.types = result.answer.notes, dict(result.answer.columns)
        return rows


def test_texts_are_what_they_were(world: World, database: tuple[postgres.PostgresServer, str]) -> None:
    """Escapes, NULL and the empty text, in wide tables and in one of a single column; hostile names too."""
    with database[0].connect(database[1]) as connection:
        connection.execute('CREATE TABLE wide (id int PRIMARY KEY, "te""xt\'; --" text, list text[])')
        connection.execute("CREATE TABLE single (text text)")
        for number, text in enumerate(TEXTS):
            connection.execute("INSERT INTO wide VALUES (%s, %s, %s)", (number, text, [text, "z"]))
            connection.execute("INSERT INTO single VALUES (%s)", (text,))
    with world.opened() as repository:
        ask = Asked(repository, database)
        assert [row[0] for row in ask('SELECT "te""xt\'; --" FROM wide ORDER BY id')] == TEXTS
        assert sorted(ask("SELECT text FROM single"), key=repr) == sorted([(text,) for text in TEXTS], key=repr)
        lists = dict(ask("SELECT id, list FROM public.wide"))
        assert [lists[number] for number in range(len(TEXTS))] == [[text, "z"] for text in TEXTS]


def test_types_are_right_and_what_does_not_map_says_so(
    world: World, database: tuple[postgres.PostgresServer, str]
) -> None:
    """Numbers, times, bytes, arrays and JSON as such; an enum, and values DuckDB has not, as text with a note."""
    with database[0].connect(database[1]) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('ok', 'sad')")
        connection.execute(
            "CREATE TABLE t (id bigint, small smallint, price numeric(10,2), free numeric, real_ double precision,"
            " yes boolean, day date, moment timestamptz, local timestamp, clock time, who uuid, doc jsonb, raw bytea,"
            " numbers int[], mood mood, old date, odd numeric(5,2))"
        )
        connection.execute(
            "INSERT INTO t VALUES (9007199254740993, -1, 12.50, 3.14159, 0.1, true, '2026-11-21',"
            " '2026-11-21 12:00:00.25+02', '2026-11-21 12:00:00', '12:34:56', '77a2b527-44e2-4590-8c8c-49111e57437a',"
            " '{\"a\": [1, \"\\u00e9\\n\"]}', '\\xdeadbeef', '{1,NULL,3}', 'sad', '0044-03-15 BC', 'NaN')"
        )
    with world.opened() as repository:
        ask = Asked(repository, database)
        (row,) = ask("SELECT * EXCLUDE (doc) FROM t")
        assert row == (
            9007199254740993, -1, Decimal("12.50"), Decimal("3.14159"), 0.1, True, dt.date(2026, 11, 21),
            dt.datetime(2026, 11, 21, 10, 0, 0, 250000, tzinfo=dt.UTC), dt.datetime(2026, 11, 21, 12),
            dt.time(12, 34, 56), uuid.UUID("77a2b527-44e2-4590-8c8c-49111e57437a"), b"\xde\xad\xbe\xef",
            [1, None, 3], "sad",
            "0044-03-15 BC", "NaN",
        )  # fmt: skip
        told = " ".join(ask.notes)
        assert all(f"t.{name}" in told for name in ("mood", "old", "odd", "free")), ask.notes
        assert ask("SELECT doc->>'$.a[1]', doc->'a'->>0 FROM t") == [("é\n", "1")]


def test_a_line_longer_than_duckdb_takes_is_decoded_instead(
    world: World, database: tuple[postgres.PostgresServer, str]
) -> None:
    """Slower, and right."""
    with database[0].connect(database[1]) as connection:
        connection.execute("CREATE TABLE t (id int, text text)")
        connection.execute("INSERT INTO t VALUES (1, repeat('x', 9000000)), (2, 'y')")
    with world.opened() as repository:
        assert Asked(repository, database)("SELECT id, length(text) FROM t ORDER BY id") == [(1, 9_000_000), (2, 1)]


def test_partitions_and_empty_tables_are_asked_as_one(
    world: World, database: tuple[postgres.PostgresServer, str]
) -> None:
    """The partitioned table holds the rows of its partitions, whatever the order of their columns."""
    with database[0].connect(database[1]) as connection:
        connection.execute("CREATE TABLE empty (id int, text text)")
        connection.execute("CREATE TABLE parts (id int, text text) PARTITION BY RANGE (id)")
        connection.execute("CREATE TABLE low (text text, id int)")
        connection.execute("ALTER TABLE parts ATTACH PARTITION low FOR VALUES FROM (0) TO (10)")
        connection.execute("CREATE TABLE high PARTITION OF parts FOR VALUES FROM (10) TO (20)")
        connection.execute("INSERT INTO parts VALUES (1, 'one'), (11, 'eleven')")
    with world.opened() as repository:
        ask = Asked(repository, database)
        assert ask("SELECT id, text FROM parts ORDER BY id") == [(1, "one"), (11, "eleven")]
        assert ask("SELECT count(*) FROM empty") == [(0,)]
