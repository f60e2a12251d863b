"""Materialized views show what the restored tables hold, after a restore in place and after its undo."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore
from tests.integration.postgres.restore.damaging import saved_before, taken_back
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer, shared_server

SHOP = """
CREATE TABLE event (id int PRIMARY KEY, v int); INSERT INTO event SELECT n, n FROM generate_series(1, 9) n;
CREATE TABLE venue (id int PRIMARY KEY);
CREATE TABLE part (d int NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (10); INSERT INTO part VALUES (1), (2);
CREATE VIEW middle AS SELECT id FROM event WHERE v > 0;
CREATE MATERIALIZED VIEW z_first AS SELECT count(*) AS n FROM middle;
CREATE MATERIALIZED VIEW a_second AS SELECT n FROM z_first;
CREATE MATERIALIZED VIEW parts AS SELECT count(*) AS n FROM part;
CREATE MATERIALIZED VIEW apart AS SELECT count(*) AS n, random() AS r FROM venue;
CREATE MATERIALIZED VIEW unfilled AS SELECT count(*) AS n FROM event WITH NO DATA;
"""
SHOWN = "SELECT (SELECT n FROM z_first), (SELECT n FROM a_second), (SELECT n FROM parts)"


@pytest.fixture
def server() -> PostgresServer:
    return shared_server("16")


def refreshed(server: PostgresServer, shop: str) -> None:
    for view in ("z_first", "a_second", "parts"):
        server.run(f"REFRESH MATERIALIZED VIEW {view}", shop)


def test_views_over_restored_tables_are_refreshed_in_order(server: PostgresServer, shop: str) -> None:
    """Through views, partitions and one another; others keep what they hold, unfilled ones stay so; undo as well."""
    server.run(SHOP, shop)
    saved = saved_before(server, shop, "DELETE FROM event WHERE id < 4; DELETE FROM part WHERE d = 1")
    refreshed(server, shop)
    apart, before = server.run("SELECT * FROM apart", shop), snapshot_of(server, shop)
    done = restore(server.url(shop), saved, in_place=True)
    assert done.bad == []
    actions = done.actions()
    assert [actions[f"public.{name}"] for name in ("z_first", "a_second", "parts")] == ["overwrite"] * 3
    assert [actions[f"public.{name}"] for name in ("apart", "unfilled")] == ["leave"] * 2
    assert server.run(SHOWN, shop) == [(9, 9, 2)]
    back = taken_back(server.url(shop), done, before)
    assert back.bad == []
    assert server.run(SHOWN, shop) == [(6, 6, 1)]
    assert server.run("SELECT * FROM apart", shop) == apart


def test_a_partition_that_comes_back_is_seen_by_views(server: PostgresServer, shop: str) -> None:
    """The view reads the parent, which nobody touched; taking the partition away again is seen too."""
    server.run(SHOP, shop)
    saved = saved_before(server, shop, "DROP TABLE part_a")
    refreshed(server, shop)
    assert server.run(SHOWN, shop) == [(9, 9, 0)]
    done = restore(server.url(shop), saved, in_place=True, only=("public.part_a",))
    assert done.bad == []
    assert server.run(SHOWN, shop) == [(9, 9, 2)]
    back = taken_back(server.url(shop), done, saved.only(b"definitions"))
    assert back.bad == []
    assert server.run(SHOWN, shop) == [(9, 9, 0)]


def test_a_view_that_cannot_be_refreshed_is_told(server: PostgresServer, shop: str) -> None:
    """The rows are back, the view is stale, and the result is not called whole."""
    server.run(
        "CREATE TABLE event (id int PRIMARY KEY, v int); INSERT INTO event VALUES (1, 0), (2, 5);"
        "CREATE MATERIALIZED VIEW shares AS SELECT 10 / v AS share FROM event WHERE v > 0;"
        "CREATE MATERIALIZED VIEW made_since AS SELECT 10 / v AS share FROM event WITH NO DATA",
        shop,
    )
    saved = saved_before(server, shop, "DELETE FROM event WHERE v = 0; REFRESH MATERIALIZED VIEW made_since")
    done = restore(server.url(shop), saved, in_place=True)
    assert [(bad.name, bad.status) for bad in done.bad] == [("public.made_since", "incomplete")]
    assert "division by zero" in done.bad[0].detail
    assert server.run("SELECT count(*) FROM event", shop) == [(2,)]
