"""Some tables of a database, with all they are made of and nothing that would need the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.postgres.restore.applying import restore, verify
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer, fresh_database

PARTS = """
CREATE TABLE ev (id int, d int, k text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
CREATE TABLE e1 PARTITION OF ev FOR VALUES FROM (0) TO (10);
CREATE TABLE e2 PARTITION OF ev FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (d);
CREATE TABLE e21 PARTITION OF e2 FOR VALUES FROM (10) TO (20);
CREATE TABLE e22 PARTITION OF e2 FOR VALUES FROM (20) TO (30);
CREATE INDEX ON ev (k); INSERT INTO ev SELECT i, i, 'k' FROM generate_series(0, 29) i;
"""


@pytest.fixture
def copy(server: PostgresServer, shop: str) -> Iterator[str]:
    """The URL of an empty database."""
    with fresh_database(server, f"{shop}_copy") as name:
        yield server.url(name)


@pytest.mark.parametrize(
    ("only", "rows", "tables"),
    [("e1", 10, {"ev", "e1"}), ("e2", 20, {"ev", "e2", "e21", "e22"}), ("e21", 10, {"ev", "e2", "e21"})],
)
def test_one_part_of_a_table_comes_without_the_others(
    server: PostgresServer, shop: str, copy: str, only: str, rows: int, tables: set[str]
) -> None:
    """A partition or a tree of them, with its keys and indexes, under what it is a part of."""
    server.run(PARTS, shop)
    saved = snapshot_of(server, shop)
    outcome = restore(copy, saved, to=copy, only=(f"public.{only}",))
    assert outcome.bad == []
    assert verify(outcome, saved) == []
    assert server.run("SELECT count(*) FROM ev", f"{shop}_copy") == [(rows,)]
    made = server.run(
        "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'e%'", f"{shop}_copy"
    )
    assert {name for (name,) in made} == tables
    assert server.run(
        f"SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid"
        f" WHERE indrelid = '{only}'::regclass AND indisvalid",
        f"{shop}_copy",
    ) == [(2,)]


def test_large_objects_alone_come_to_a_new_place(server: PostgresServer, shop: str, copy: str) -> None:
    """They are chosen by their name, beside tables or alone."""
    server.run("SELECT lo_from_bytea(4711, 'hello'); CREATE TABLE t (id int)", shop)
    saved = snapshot_of(server, shop)
    outcome = restore(copy, saved, to=copy, only=("largeobjects",))
    assert outcome.bad == []
    assert "largeobjects" in outcome.actions()
    assert verify(outcome, saved) == []
    assert server.run("SELECT oid::int, lo_get(oid) FROM pg_largeobject_metadata", f"{shop}_copy") == [(4711, b"hello")]
    assert server.run("SELECT to_regclass('t')", f"{shop}_copy") == [(None,)]


def test_what_cannot_be_chosen_is_refused_with_what_can(server: PostgresServer, shop: str, copy: str) -> None:
    """A view holds no rows: it comes back with the whole, or where it is missing."""
    server.run("CREATE TABLE t (id int); CREATE VIEW v AS SELECT * FROM t", shop)
    saved = snapshot_of(server, shop)
    told = restore(copy, saved, to=copy, only=("public.v",)).plan.refusals
    assert any("public.v" in text and "tables, partitions, sequences, materialized views" in text for text in told)
    server.run("DROP VIEW v", shop)
    assert restore(server.url(shop), saved, in_place=True, only=("public.v",)).bad == []
    assert server.run("SELECT count(*) FROM v", shop) == [(0,)]
