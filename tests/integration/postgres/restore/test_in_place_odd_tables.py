"""Tables with keys checked later, cascades, changed types and partitions: right rows, or none at all."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore
from tests.integration.postgres.restore.damaging import EXACT, saved_before, undone
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer, shared_server

from holdfast.model.errors import TargetError
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres.target import PostgresTarget


@pytest.fixture
def server() -> PostgresServer:
    return shared_server("16")


def owned(server: PostgresServer, shop: str, script: str) -> None:
    server.run(f"SET ROLE hf_plain; {script}", shop)


def test_undo_drops_a_table_whose_parent_was_restored_too(server: PostgresServer, shop: str) -> None:
    """The foreign key went with the table; it is not looked for afterwards."""
    server.run(
        "CREATE TABLE event (id int PRIMARY KEY);"
        "CREATE TABLE booking (id int PRIMARY KEY, event int REFERENCES event);"
        "INSERT INTO event SELECT generate_series(1, 9); INSERT INTO booking SELECT n, n FROM generate_series(1, 9) n",
        shop,
    )
    done, back = undone(server, shop, "DROP TABLE booking; DELETE FROM event WHERE id < 3")
    assert done.bad == [] and back.bad == []
    assert server.run("SELECT to_regclass('booking'), count(*) FROM event", shop) == [(None, 7)]


def test_undo_takes_large_objects_away_that_a_restore_made(server: PostgresServer, shop: str) -> None:
    """There were none before, there are none afterwards."""
    server.run("CREATE TABLE event (id int PRIMARY KEY); SELECT lo_from_bytea(4711, 'abc')", shop)
    done, back = undone(server, shop, "SELECT lo_unlink(4711)")
    assert done.bad == [] and back.bad == []
    assert server.run("SELECT count(*) FROM pg_largeobject_metadata", shop) == [(0,)]


def test_a_key_checked_later_is_checked_before_the_end(server: PostgresServer, shop: str) -> None:
    """A deferrable unique value that another row took since stops everything; without a clash rows come back."""
    server.run("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, n text UNIQUE DEFERRABLE)", shop)
    server.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')", shop)
    saved = saved_before(server, shop, "DELETE FROM t WHERE id = 1")
    assert restore(server.url(shop), saved, in_place=True).bad == []
    for change in ("UPDATE t SET n = 'z' WHERE id = 1", "DELETE FROM t WHERE id = 1"):
        server.run(f"BEGIN; {change}; INSERT INTO t VALUES (3, 'a'); COMMIT", shop)
        before = server.run("SELECT * FROM t ORDER BY id", shop)
        with pytest.raises(TargetError) as caught:
            restore(server.url(shop), saved, in_place=True, overwrite=True)
        assert "t_n_key" in caught.value.why
        assert server.run("SELECT * FROM t ORDER BY id", shop) == before
        server.run("DELETE FROM t WHERE id = 3", shop)


def test_rows_outside_the_plan_are_not_cascaded_away(server: PostgresServer, shop: str, owner: str) -> None:
    """Neither by replacing a row nor by deleting from a partition, where keys cannot be held."""
    owned(
        server,
        shop,
        "CREATE TABLE p (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text);"
        "CREATE TABLE c (p int REFERENCES p ON DELETE CASCADE);"
        "INSERT INTO p (id) VALUES (1), (2); INSERT INTO c VALUES (1), (2);"
        "CREATE TABLE q (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE d (q int REFERENCES q ON DELETE CASCADE);",
    )
    saved = saved_before(server, shop, "UPDATE p SET v = 'b'; INSERT INTO q VALUES (1); INSERT INTO d VALUES (1)")
    with pytest.raises(TargetError, match="would change other tables"):
        restore(owner, saved, in_place=True, overwrite=True, only=("public.p",))
    assert any("d_q_fkey" in text for text in restore(owner, saved, **EXACT, only=("public.q",)).plan.refusals)
    assert server.run("SELECT (SELECT count(*) FROM c), (SELECT count(*) FROM d)", shop) == [(2, 1)]


def test_rows_outside_the_plan_do_not_follow_an_update(server: PostgresServer, shop: str, owner: str) -> None:
    """ON UPDATE SET NULL would lose what no undo has; other columns may change."""
    owned(
        server,
        shop,
        "CREATE TABLE p (id int PRIMARY KEY, e text UNIQUE, v text); INSERT INTO p VALUES (1, 'a', 'x');"
        "CREATE TABLE c (e text REFERENCES p (e) ON UPDATE SET NULL); INSERT INTO c VALUES ('a')",
    )
    saved = saved_before(server, shop, "UPDATE p SET v = 'y'")
    assert restore(owner, saved, in_place=True, overwrite=True, only=("public.p",)).bad == []
    server.run("UPDATE p SET e = 'b'; UPDATE c SET e = 'b'", shop)
    with pytest.raises(TargetError, match="would change other tables"):
        restore(owner, saved, in_place=True, overwrite=True, only=("public.p",))
    assert server.run("SELECT e FROM c", shop) == [("b",)]


def test_values_are_not_rounded_into_coarser_columns(server: PostgresServer, shop: str) -> None:
    """A column that lost digits since blocks its table; one that gained some does not."""
    server.run("CREATE TABLE t (n numeric(10,4), day timestamp, f float8)", shop)
    server.run("CREATE TABLE u (n numeric(5,2), i int)", shop)
    server.run("INSERT INTO t VALUES (1.2345, '2026-01-01 10:00', 0.1); INSERT INTO u VALUES (1.25, 3)", shop)
    saved = snapshot_of(server, shop)
    server.run("DELETE FROM t; ALTER TABLE t ALTER n TYPE numeric(10,2), ALTER day TYPE date, ALTER f TYPE real", shop)
    server.run("DELETE FROM u; ALTER TABLE u ALTER n TYPE numeric(10,4), ALTER i TYPE bigint", shop)
    (refused,) = restore(server.url(shop), saved, in_place=True).plan.refusals
    assert all(column in refused for column in ("n (numeric(10,4)", "day (timestamp", "f (double precision"))
    assert restore(server.url(shop), saved, in_place=True, only=("public.u",)).bad == []


def test_partitions_made_since_are_told(server: PostgresServer, shop: str) -> None:
    """--exact leaves tables alone that the snapshot does not know, and says so of those inside a table it does."""
    server.run("CREATE TABLE p (id int) PARTITION BY RANGE (id)", shop)
    server.run("CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)", shop)
    saved = snapshot_of(server, shop)
    server.run("CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (9) TO (99); INSERT INTO p VALUES (10)", shop)
    assert any("public.p2" in text for text in restore(server.url(shop), saved, **EXACT).plan.warnings)


def test_every_pattern_must_mean_something(server: PostgresServer, shop: str) -> None:
    """One mistyped name is refused, in place and beside; a view is a name like any other."""
    server.run("CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW w AS SELECT * FROM t", shop)
    saved = snapshot_of(server, shop)
    for more in ({"in_place": True}, {}):
        target = PostgresTarget(
            server.url(shop), None, RestoreRequest(label="x", only=("public.t", "public.typo"), **more)
        )
        assert target.preview(saved, saved).refusals[0].startswith("nothing in the snapshot matches public.typo;")
    target = PostgresTarget(server.url(shop), None, RestoreRequest(label="x", only=("public.t", "public.w")))
    assert target.preview(saved, saved).refusals == ()


def test_large_objects_alone_can_be_chosen_in_place(server: PostgresServer, shop: str) -> None:
    """As undo does when nothing else was touched."""
    server.run("CREATE TABLE t (id int PRIMARY KEY); SELECT lo_from_bytea(4711, 'abc'), lo_from_bytea(4712, 'x')", shop)
    saved = saved_before(server, shop, "SELECT lo_unlink(4711)")
    assert restore(server.url(shop), saved, in_place=True, only=("largeobjects",)).bad == []
    assert server.run("SELECT count(*) FROM pg_largeobject_metadata", shop) == [(2,)]


def test_a_second_restore_in_the_same_minute_gets_a_name_of_its_own(server: PostgresServer, shop: str) -> None:
    """The first one is not touched."""
    saved = snapshot_of(server, shop)
    server.create_database(f"{shop}_restored_x")
    try:
        plan = PostgresTarget(server.url(shop), None, RestoreRequest(label="x")).preview(saved, saved)
        assert plan.refusals == ()
        assert plan.target.endswith(f"/{shop}_restored_x_2")
    finally:
        server.drop_database(f"{shop}_restored_x")


def test_rows_that_differ_and_are_left_are_told(server: PostgresServer, shop: str) -> None:
    """Adding only is no silence about the rest, whether something is added or not."""
    server.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')", shop)
    saved = saved_before(server, shop, "UPDATE t SET v = 'mine' WHERE id = 1")
    assert "1 rows differ" in restore(server.url(shop), saved, in_place=True).of("public.t").detail
    server.run("DELETE FROM t WHERE id = 2", shop)
    assert "1 differ and were left" in restore(server.url(shop), saved, in_place=True).of("public.t").detail
