"""Views, partitions and tables the snapshot does not have: made again, taken away again, or left with a word."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore
from tests.integration.postgres.restore.damaging import EXACT, saved_before, undone
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer, shared_server

from holdfast.model.errors import TargetError


@pytest.fixture(params=("15", "16", "18"))
def server(request: pytest.FixtureRequest) -> PostgresServer:
    return shared_server(request.param)


VIEWED = (
    "CREATE TABLE event (id int PRIMARY KEY, x text); INSERT INTO event SELECT n, 'x' FROM generate_series(1, 9) n;"
    "CREATE VIEW thing AS SELECT * FROM event GROUP BY id; CREATE VIEW more AS SELECT * FROM thing;"
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM more"
)
PARTED = (
    "CREATE TABLE pm (id int, d int, PRIMARY KEY (id, d), UNIQUE (d, id)) PARTITION BY RANGE (d);"
    "CREATE INDEX ON pm (d);"
    "CREATE TABLE pm1 PARTITION OF pm FOR VALUES FROM (0) TO (10);"
    "CREATE TABLE pm2 PARTITION OF pm FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);"
    "CREATE TABLE pm2a PARTITION OF pm2 DEFAULT;"
    "INSERT INTO pm SELECT n, n % 20 FROM generate_series(1, 100) n"
)


def test_undo_drops_the_views_of_a_table_with_it(server: PostgresServer, shop: str) -> None:
    """In the order of their dependencies, materialized views filled through views among them."""
    server.run(VIEWED, shop)
    done, back = undone(server, shop, "DROP TABLE event CASCADE")
    assert done.bad == [] and back.bad == []
    gone = "SELECT to_regclass(n) FROM unnest('{event,thing,more,counted}'::text[]) n"
    assert server.run(gone, shop) == [(None,)] * 4


def test_undo_does_not_drop_what_was_made_since(server: PostgresServer, shop: str) -> None:
    """A view of the user's own stands in the way, by name, and nothing is changed."""
    server.run(VIEWED, shop)
    saved = saved_before(server, shop, "DROP TABLE event CASCADE")
    done = restore(server.url(shop), saved, in_place=True)
    server.run("CREATE VIEW mine AS SELECT * FROM thing", shop)
    created = tuple(step.item for step in done.plan.steps if step.action.value == "create")
    with pytest.raises(TargetError) as caught:
        restore(server.url(shop), saved.only(), **EXACT, only=("-",), undo_created=created)
    assert "mine" in caught.value.why and "nothing was changed" in caught.value.hint
    assert server.run("SELECT n FROM counted", shop) == [(9,)]


@pytest.mark.parametrize("lost", ["DROP TABLE pm1", "DROP TABLE pm2", "ALTER TABLE pm DETACH PARTITION pm2"])
def test_a_lost_partition_is_attached_again_with_its_keys(server: PostgresServer, shop: str, lost: str) -> None:
    """The dry run names what is made; undo takes it away again; a second restore finds nothing to do."""
    server.run(PARTED, shop)
    saved = snapshot_of(server, shop)
    done, back = undone(server, shop, lost)
    assert done.bad == [] and back.bad == []
    assert server.run("SELECT count(*) < 100 FROM pm", shop) == [(True,)]
    again = restore(server.url(shop), saved, in_place=True)
    planned = {step.label for step in again.plan.steps if step.action.value == "create"}
    assert planned <= {result.name for result in again.results if result.status == "ok"}
    assert server.run("SELECT count(*) FROM pm", shop) == [(100,)]
    assert server.run("SELECT count(*) FROM pg_index WHERE NOT indisvalid", shop) == [(0,)]
    assert not restore(server.url(shop), saved, in_place=True).plan.touched()


def test_tables_the_snapshot_does_not_have_are_left_with_a_word(server: PostgresServer, shop: str) -> None:
    """In the plan and in the result of an exact restore."""
    server.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", shop)
    saved = saved_before(server, shop, "CREATE TABLE extra (id int); INSERT INTO extra VALUES (1), (2)")
    done = restore(server.url(shop), saved, **EXACT)
    assert done.actions()["public.extra"] == "leave"
    assert done.of("public.extra").detail == "not in the snapshot; holdfast does not drop tables it did not make"
    assert server.run("SELECT count(*) FROM extra", shop) == [(2,)]


def test_a_missing_column_stops_only_its_own_table(server: PostgresServer, shop: str) -> None:
    """The refusal names the ways out."""
    server.run("CREATE TABLE t (id int, x text); CREATE TABLE u (id int); INSERT INTO u VALUES (1)", shop)
    saved = saved_before(server, shop, "ALTER TABLE t DROP COLUMN x; DELETE FROM u")
    (refusal,) = restore(server.url(shop), saved, in_place=True).plan.refusals
    assert "restore beside" in refusal and "RENAME" in refusal and "--only" in refusal
    assert restore(server.url(shop), saved, in_place=True, only=("u",)).bad == []
    assert server.run("SELECT count(*) FROM u", shop) == [(1,)]


def test_keys_that_are_there_are_not_called_left_out(server: PostgresServer, shop: str) -> None:
    """Two tables refer to one another, one is restored; a key that is really gone is told."""
    server.run(
        "CREATE TABLE fa (id int PRIMARY KEY, b int); CREATE TABLE fb (id int PRIMARY KEY, a int REFERENCES fa);"
        "ALTER TABLE fa ADD CONSTRAINT ring FOREIGN KEY (b) REFERENCES fb",
        shop,
    )
    saved = snapshot_of(server, shop)
    assert restore(server.url(shop), saved, in_place=True, only=("fa",)).plan.warnings == ()
    server.run("ALTER TABLE fa DROP CONSTRAINT ring", shop)
    (told,) = restore(server.url(shop), saved, in_place=True, only=("fa",)).plan.warnings
    assert "fa ring" in told


def test_a_second_restore_goes_beside_the_first_and_names_what_was_not_finished(
    server: PostgresServer, shop: str
) -> None:
    """Same snapshot, same minute, another name; a marked database comes with the statement that drops it."""
    server.run("CREATE TABLE t (id int); INSERT INTO t VALUES (1)", shop)
    saved = snapshot_of(server, shop)
    first = restore(server.url(shop), saved)
    second = restore(server.url(shop), saved)
    names = [outcome.plan.target.rpartition("/")[2] for outcome in (first, second)]
    try:
        assert names == [f"{shop}_restored_then", f"{shop}_restored_then_2"] and second.bad == []
        assert not any("unfinished" in text for text in second.plan.warnings)
        server.run(f"COMMENT ON DATABASE {names[0]} IS 'holdfast: unfinished restore then'")
        third = restore(server.url(shop), saved)
        names.append(third.plan.target.rpartition("/")[2])
        assert any(f'DROP DATABASE "{names[0]}";' in text for text in third.plan.warnings)
    finally:
        for name in names:
            server.drop_database(name)


def test_an_index_that_only_the_parent_had_is_told(server: PostgresServer, shop: str) -> None:
    """The server gives one to every partition that joins; nothing lets it be without, so it is no secret."""
    server.run(
        "CREATE TABLE ev (d int, k text, v text) PARTITION BY RANGE (d); CREATE INDEX ON ev (v);"
        "CREATE TABLE e1 PARTITION OF ev FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE e2 PARTITION OF ev FOR VALUES FROM (10) TO (20);"
        "CREATE INDEX half ON ONLY ev (k); INSERT INTO ev SELECT i, 'k', 'v' FROM generate_series(0, 19) i",
        shop,
    )
    saved = saved_before(server, shop, "DROP TABLE e2")
    outcome = restore(server.url(shop), saved, in_place=True)
    assert outcome.bad == []
    told = [text for text in outcome.warnings if "did not have when it was saved" in text]
    assert len(told) == 1
    assert told[0].startswith("public.e2 has an index") and told[0].endswith("with the index half")
