"""What others do between the look at the target and its locks is noticed: restored as promised, or nothing at all."""

from __future__ import annotations

import psycopg
import pytest
from tests.integration.postgres.restore.damaging import saved_before
from tests.integration.postgres.restore.fixture_snapshot import FixtureSnapshot
from tests.servers.postgres import PostgresServer, shared_server

from holdfast.model.errors import TargetError
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres.target import PostgresTarget

SHOP = (
    "CREATE TABLE event (id int PRIMARY KEY, v text); CREATE TABLE venue (id int PRIMARY KEY, v text);"
    "CREATE INDEX by_v ON venue (v); INSERT INTO event SELECT n, 'e' FROM generate_series(1, 9) n;"
    "INSERT INTO venue SELECT n, 'v' FROM generate_series(1, 9) n; SELECT lo_from_bytea(4711, 'abc')"
)
MEANWHILE = {
    "DELETE FROM venue WHERE id < 3": "2 missing",
    "DROP TABLE venue": "public.venue is gone",
    "DROP TABLE event": "public.event is gone",
    "DROP INDEX by_v": "by_v is gone",
    "ALTER TABLE venue DROP COLUMN v": "columns of the snapshot are missing now",
    "SELECT lo_unlink(4711)": "1 missing",
    "ALTER TABLE venue RENAME TO hall": "public.venue is gone",
}


@pytest.fixture
def server() -> PostgresServer:
    return shared_server("16")


def restore_with(server: PostgresServer, shop: str, saved: FixtureSnapshot, meanwhile: str, **more: bool) -> None:
    """A restore with another client's statement right after the preview."""
    target = PostgresTarget(server.url(shop), None, RestoreRequest(label="then", in_place=True, **more))
    plan = target.preview(saved, saved)
    server.run(meanwhile, shop)
    with target.hold(plan):
        target.apply(plan, saved, saved)


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_went_missing_meanwhile_stops_the_restore(server: PostgresServer, shop: str, meanwhile: str) -> None:
    """Tables that were as wanted and are no longer are named, nothing is changed, and another run mends them."""
    server.run(SHOP, shop)
    saved = saved_before(server, shop, "DELETE FROM event WHERE id = 1")
    with pytest.raises(TargetError, match="changed after it was compared") as caught:
        restore_with(server, shop, saved, meanwhile)
    assert MEANWHILE[meanwhile] in caught.value.why
    assert "run the restore again" in caught.value.hint and "nothing was changed" in caught.value.hint
    if meanwhile.startswith("DELETE"):
        assert server.run("SELECT count(*) FROM event", shop) == [(8,)]
        restore_with(server, shop, saved, "SELECT 1")
        assert server.run("SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM venue)", shop) == [(9, 9)]


def test_a_table_made_meanwhile_is_not_loaded_twice(server: PostgresServer, shop: str) -> None:
    """A table that somebody else made again is not taken for the one the restore makes."""
    server.run(SHOP, shop)
    saved = saved_before(server, shop, "DROP TABLE venue")
    made = "CREATE TABLE venue (id int PRIMARY KEY, v text); INSERT INTO venue VALUES (1, 'mine')"
    with pytest.raises(TargetError, match="changed after it was compared"):
        restore_with(server, shop, saved, made)
    assert server.run("SELECT * FROM venue", shop) == [(1, "mine")]


def test_new_rows_of_a_busy_table_stop_nothing(server: PostgresServer, shop: str) -> None:
    """Rows the application adds meanwhile are no difference where only what is missing is added."""
    server.run(SHOP, shop)
    saved = saved_before(server, shop, "DELETE FROM event WHERE id = 1")
    restore_with(server, shop, saved, "INSERT INTO venue VALUES (10, 'new'); UPDATE venue SET v = 'x' WHERE id = 1")
    assert server.run("SELECT count(*) FROM event", shop) == [(9,)]
    server.run("DELETE FROM event WHERE id = 1; DELETE FROM venue WHERE id = 10; UPDATE venue SET v = 'v'", shop)
    with pytest.raises(TargetError, match="changed after it was compared"):
        restore_with(server, shop, saved, "INSERT INTO venue VALUES (11, 'new')", overwrite=True, exact=True)


def test_tables_that_are_left_stand_still_while_others_are_restored(server: PostgresServer, shop: str) -> None:
    """Nobody can take rows from a table between its comparison and the end."""
    server.run(SHOP, shop)
    saved = saved_before(server, shop, "DELETE FROM event WHERE id = 1")
    target = PostgresTarget(server.url(shop), None, RestoreRequest(label="then", in_place=True))
    plan = target.preview(saved, saved)
    with target.hold(plan), pytest.raises(psycopg.errors.LockNotAvailable):
        server.run("SET lock_timeout = 100; DELETE FROM venue", shop)
