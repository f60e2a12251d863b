"""Rows of a snapshot: all of them, exactly, and any of them by any columns."""

from __future__ import annotations

import pytest
from tests.integration.postgres.records.looking import DictShelf, view
from tests.servers.postgres import PostgresServer

from holdfast.sources.postgres import PostgresSource
from holdfast.sources.postgres.records import finding
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook

SCHEMA = r"""
CREATE TABLE venue (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE event (id bigserial PRIMARY KEY, venue_id int REFERENCES venue ON DELETE CASCADE, title text,
  price numeric(10,2), twice numeric GENERATED ALWAYS AS (price * 2) STORED, data jsonb, tags text[]);
INSERT INTO venue SELECT i, 'v ' || i FROM generate_series(1, 50) i;
INSERT INTO event (venue_id, title, price, data, tags)
  SELECT 1 + i * 7 % 50, E'e\t' || i || E'\n\\', i,
  jsonb_build_object('ref', i % 97, 'in', jsonb_build_array('a' || i)), array['t' || i % 10, 'x y']
  FROM generate_series(1, 20000) i;
INSERT INTO event (title) VALUES (NULL), ('\N'), ('\.');
CREATE TABLE part (day date NOT NULL, v int, PRIMARY KEY (day, v)) PARTITION BY RANGE (day);
CREATE TABLE part_a PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE part_b (v int NOT NULL, day date NOT NULL);
ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO part SELECT date '2026-01-01' + i % 59, i FROM generate_series(1, 100) i;
CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
"""


def test_every_row_is_as_the_server_writes_it(pg: PostgresServer, database: str) -> None:
    """Escapes, NULL, generated columns, tables without columns."""
    pg.run(SCHEMA, database)
    book = SnapshotBook(view(PostgresSource(pg.url(database))))
    assert set(book.tables) >= {"public.event", "public.venue", "public.part", "public.part_a", "public.nothing"}
    event = book.tables["event"]
    rows = list(book.rows(event))
    assert len(rows) == event.rows == 20003
    assert rows[9].values["title"] == "e\t10\n\\"
    assert [row.values["title"] for row in rows[-3:]] == [None, r"\N", r"\."]
    assert "twice" not in rows[0].values
    assert len(list(book.rows(book.tables["nothing"]))) == 1
    assert len(list(book.rows(book.tables["part"]))) == 100


def test_rows_are_found_by_any_columns(pg: PostgresServer, database: str, monkeypatch: object) -> None:
    """What find gives is what a scan would give, by key, by reference, by path, by several columns."""
    pg.run(SCHEMA, database)
    monkeypatch.setattr(finding, "_SCANNED", 100)  # type: ignore[attr-defined]
    book = SnapshotBook(view(PostgresSource(pg.url(database)), DictShelf()))
    event = book.tables["event"]
    rows = list(book.rows(event))

    def same(columns: tuple[str, ...], wanted: set[tuple[str | None, ...]]) -> int:
        found = [row.values["id"] for row in book.find(event, columns, wanted)]
        right = [row.values["id"] for row in rows if row.key(columns) in wanted]
        assert sorted(found) == sorted(right)
        return len(found)

    assert same(("id",), {("77",), ("19999",), ("x",)}) == 2
    assert same(("id",), {(str(i),) for i in range(1, 5000, 7)})
    assert same(("venue_id",), {("3",)}) == 400
    assert same(("venue_id", "title"), {("1", "e\t50\n\\"), ("1", "no")}) == 1
    assert same(("venue_id",), {(None,)}) == 3
    assert same(("price",), {("12.00",)}) == 1
    assert len(list(book.find(event, ("data.ref",), [("5",)]))) == len([i for i in range(1, 20001) if i % 97 == 5])
    assert len(list(book.find(event, ("data.in[]",), [("a77",)]))) == 1
    assert len(list(book.find(event, ("tags[]",), [("t3",), ("x y",)]))) == 20000
    part = book.tables["part"]
    assert len(list(book.find(part, ("day", "v"), [("2026-01-02", "1"), ("2026-02-02", "32")]))) == 2


def test_a_key_is_found_in_partitions_without_an_index(
    pg: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the order of keys in each; nothing is read in full while that finds it."""
    pg.run(
        "CREATE TABLE p (id int PRIMARY KEY, t text) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10000);"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10000) TO (20000);"
        "INSERT INTO p SELECT i, repeat('x', 50) FROM generate_series(0, 19999) i", database,
    )  # fmt: skip
    monkeypatch.setattr(finding, "_SCANNED", 1000)
    shelf = DictShelf()
    seen = view(PostgresSource(pg.url(database)), shelf)
    book = SnapshotBook(seen)
    (row,) = book.find(book.tables["p"], ("id",), [("15000",)])
    assert row.values["id"] == "15000" and not shelf
    assert seen.content.read_bytes * 5 < sum(part.item.size for part in book.parts("public.p"))  # type: ignore[attr-defined]
    assert list(book.find(book.tables["p"], ("id",), [("20000",)])) == [] and shelf
