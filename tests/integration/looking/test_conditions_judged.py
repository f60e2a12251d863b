"""A condition chooses from a snapshot the rows that the server itself would choose, or is refused."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.postgres.records.looking import view
from tests.servers import postgres

from holdfast.model.errors import UsageError
from holdfast.records.where import parse_where
from holdfast.records.where.choosing import chosen
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook
from holdfast.sources.sqlite.source import SqliteSource

TABLE = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE > -100);
CREATE TABLE t (id int PRIMARY KEY, ai int[], at text[], n numeric, m mood, iv interval, mon money, tz timestamptz,
  d date, ip inet, jb jsonb, tt timetz, r int4range, f float8, p price, g bigint GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO t VALUES
(1, '{1,NULL,3}', '{jazz,"a,b",live}', 'NaN', 'happy', '1 day', '$200.00', '0044-03-15 00:00+00 BC', '0044-03-15 BC',
 '10.0.0.2', '{"a": 1.10}', '12:00+05', '[1,5)', 'NaN', 5),
(2, '{}', '{}', 7, 'ok', '10 days', '$1,234.50', '2026-01-01', '2026-01-01', '9.0.0.1', '{"a": "1.1"}', '12:00-05',
 '[10,20)', 'Infinity', 7.5),
(3, NULL, NULL, -1, 'sad', '1 mon', '-$5.00', '12026-01-01', '12026-01-01', '192.168.0.0/16', '{"a": null}',
 '13:00+00', 'empty', '-0', 50)
"""
CONDITIONS = {
    "ai[] = 3": "3 = ANY (ai)", "at[] = 'jazz'": "'jazz' = ANY (at)",
    "at[] like 'j%'": "EXISTS (SELECT FROM unnest(at) x WHERE x LIKE 'j%')", "n > 5": "", "n < 'NaN'": "",
    "f > 1": "", "f = 0": "", "m < 'ok'": "", "m between 'sad' and 'ok'": "", "iv = '24 hours'": "", "iv = '1 day'": "",
    "iv = '30 days'": "", "iv > '9 days'": "", "iv < '30 days'": "", "tz > '2000-01-01'": "", "tz < '2000-01-01'": "",
    "d > '2026-06-01'": "", "d < '0001-01-01'": "", "ip = '10.0.0.2/32'": "", "tt > '12:00:00+00'": "",
    "tt = '17:00+10'": "", "tt = '12:00+5'": "", "jb.a = 1.1": "jb->'a' = '1.1'", "jb.a = '1.1'": "jb->>'a' = '1.1'",
    "jb.a > 1": "jb->'a' > '1'", "p > 6": "", "p = 7.50": "", "n between 6 and 8": "", "r = '[1,5)'": "",
    "mon = '$1,234.50'": "", "tz in ('2026-01-01 02:00+02')": "",
}  # fmt: skip
REFUSED = {
    "mon > '$300'": "no order", "ip > '9.0.0.1'": "no order", "r > '[2,3)'": "no order", "r = '[1,4]'": r"\[1,5\)",
    "mon = '$1234.5'": "1,234.50", "m = 'hapy'": "did you mean 'happy'", "n = 'x'": "numeric", "id = 'x'": "integer",
    "id = 99999999999": "from -2147483648 to 2147483647", "tz = 'yesterday'": "2026-11-21 10:00:00", "p = 'x'": "price",
    "iv = 'soon'": "mons", "p = 123456789012": "price", "g = 2": "generated", "g is null": "generated",
}  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[postgres.PostgresServer, str]]:
    server = postgres.shared_server("18")
    with postgres.fresh_database(server) as name:
        server.run(TABLE, name)
        yield server, name


@pytest.fixture(scope="module")
def book(place: tuple[postgres.PostgresServer, str]) -> SnapshotBook:
    return SnapshotBook(view(PostgresSource(place[0].url(place[1]))))


def _chosen(book: SnapshotBook, condition: str) -> list[int]:
    return sorted(int(str(row.values["id"])) for row in chosen(book, book.tables["t"], parse_where(condition)))


def test_conditions_choose_what_the_server_chooses(
    place: tuple[postgres.PostgresServer, str], book: SnapshotBook
) -> None:
    """NaN, zero with a sign, years far away, intervals, zones, enums, domains, arrays, numbers in JSON."""
    server, name = place
    for condition, asked in CONDITIONS.items():
        rows = server.run(f"SET timezone = 'UTC'; SELECT id FROM t WHERE {asked or condition} ORDER BY id", name)
        assert _chosen(book, condition) == [row[0] for row in rows], condition


@pytest.mark.parametrize("condition", REFUSED)
def test_what_cannot_be_told_is_refused_with_a_hint(book: SnapshotBook, condition: str) -> None:
    """Never other rows, silently: orders only the server knows, spellings that are not its own, no values at all."""
    with pytest.raises(UsageError) as refused:
        _chosen(book, condition)
    told = f"{refused.value.what} {refused.value.why} {refused.value.hint}"
    assert re.search(REFUSED[condition], told), told


SQLITE = (
    "a = '5'", "a = 5", "a > 4", "i > 5", "i = 7", "i = '7'", "name = 'n7'", "name < 'o'", "name <> 'N7'", "t = 5",
    "t = '5'", "r = 1.1", "r > 1", "r = 0.3", "s = 'x'",
)  # fmt: skip


def test_conditions_on_sqlite_choose_what_it_chooses(tmp_path: Path) -> None:
    """Affinity of columns, storage classes in their order, collations, numbers that no decimal hits."""
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, i INT, name TEXT UNIQUE COLLATE NOCASE, t TEXT, r REAL,"
            " s TEXT COLLATE RTRIM);"
            "INSERT INTO t VALUES (1, '5', 'abc', 'N7', 5, 1.1, 'x  '), (2, 5, 7, 'P', '5.0', 0.1 + 0.2, 'X'),"
            "(3, x'35', NULL, 'n8', 'z', 0.3, 'x')"
        )
        with SqliteSource(tmp_path / "a.db").open_live() as book:
            for condition in SQLITE:
                rows = connection.execute(f"SELECT id FROM t WHERE {condition} ORDER BY id").fetchall()
                found = chosen(book, book.tables["t"], parse_where(condition))
                assert sorted(row.values["id"] for row in found) == [each for (each,) in rows], condition
