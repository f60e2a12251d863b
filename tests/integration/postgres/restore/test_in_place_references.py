"""Foreign keys of every kind hold after a restore in place, and one that cannot be made is told with a way out."""

from __future__ import annotations

import pytest
from tests.integration.postgres.restore.applying import restore
from tests.integration.postgres.restore.damaging import EXACT, saved_before
from tests.integration.postgres.restore.fixture_snapshot import snapshot_of
from tests.servers.postgres import PostgresServer, shared_server

from holdfast.model.errors import TargetError


@pytest.fixture
def server() -> PostgresServer:
    return shared_server("18")


def test_a_key_to_a_table_that_was_not_chosen_is_told_with_a_way_out(server: PostgresServer, shop: str) -> None:
    """Why it is left out, and the statement that makes it; pasted, it does."""
    server.run(
        "CREATE TABLE venue (id int PRIMARY KEY); CREATE TABLE event (id int PRIMARY KEY, venue int REFERENCES venue);"
        "INSERT INTO venue VALUES (1); INSERT INTO event VALUES (1, 1)",
        shop,
    )
    saved = saved_before(server, shop, "ALTER TABLE event DROP CONSTRAINT event_venue_fkey; DELETE FROM event")
    outcome = restore(server.url(shop), saved, in_place=True, only=("public.event",))
    assert outcome.bad == []
    told = next(text for text in outcome.plan.warnings if "event_venue_fkey" in text)
    assert "it needs public.venue, which is not restored; name that with --only as well" in told
    server.run(told.partition("afterwards: ")[2], shop)
    whole = restore(server.url(shop), saved, in_place=True, only=("public.event", "public.venue"))
    assert not [text for text in whole.plan.warnings if "left out" in text]


def test_a_reference_to_a_time_that_is_not_covered_stops_the_restore(server: PostgresServer, shop: str) -> None:
    """Rows whose time the other table covers together are fine, as with the server; one that would hang is not."""
    server.run(
        "CREATE TABLE room (n int4range, at int4range, PRIMARY KEY (n, at WITHOUT OVERLAPS));"
        "CREATE TABLE stay (id int PRIMARY KEY, n int4range, at int4range,"
        " FOREIGN KEY (n, PERIOD at) REFERENCES room (n, PERIOD at));"
        "INSERT INTO room VALUES ('[1,2)', '[1,5)'), ('[1,2)', '[5,9)'), ('[2,3)', '[1,9)');"
        "INSERT INTO stay VALUES (1, '[1,2)', '[2,8)'), (2, '[1,2)', NULL)",
        shop,
    )
    saved = saved_before(server, shop, "DELETE FROM stay WHERE id = 1")
    assert restore(server.url(shop), saved, in_place=True).bad == []
    server.run("DELETE FROM stay WHERE id = 1; DELETE FROM room WHERE at = '[5,9)'", shop)
    with pytest.raises(TargetError, match="would be broken") as caught:
        restore(server.url(shop), saved, in_place=True, only=("public.stay",))
    assert "1 rows refer to rows of public.room" in caught.value.why
    assert restore(server.url(shop), saved, in_place=True).bad == []
    assert server.run("SELECT (SELECT count(*) FROM stay), (SELECT count(*) FROM room)", shop) == [(2, 3)]


def test_rings_partitions_and_views_over_them_come_back(server: PostgresServer, shop: str) -> None:
    """Rows that refer to one another, a default partition, computed columns, forced row security, hostile names."""
    server.run(
        'CREATE TABLE "t;\n""x" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, up int, twice int'
        '  GENERATED ALWAYS AS (up * 2) STORED, FOREIGN KEY (up) REFERENCES "t;\n""x" DEFERRABLE INITIALLY DEFERRED);'
        'INSERT INTO "t;\n""x" (up) VALUES (2), (3), (1);'
        "CREATE TABLE part (d int, v text, PRIMARY KEY (d)) PARTITION BY LIST (d);"
        "CREATE TABLE part_one PARTITION OF part FOR VALUES IN (1); CREATE TABLE part_rest PARTITION OF part DEFAULT;"
        "INSERT INTO part VALUES (1, 'a'), (2, 'b'), (3, 'c');"
        "ALTER TABLE part_rest ENABLE ROW LEVEL SECURITY; ALTER TABLE part_rest FORCE ROW LEVEL SECURITY;"
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$;"
        "CREATE TRIGGER no AFTER INSERT OR DELETE ON part FOR EACH ROW EXECUTE FUNCTION no();"
        "CREATE VIEW sums AS SELECT d, v FROM part GROUP BY d",
        shop,
    )
    saved = snapshot_of(server, shop)
    rows = (
        "SELECT (SELECT string_agg(t::text, ';' ORDER BY id) FROM \"t;\n\"\"x\" t),"
        " (SELECT string_agg(v, '' ORDER BY d) FROM sums)"
    )
    before = server.run(rows, shop)
    damage = (
        'SET session_replication_role = replica; DELETE FROM "t;\n""x" WHERE id < 3; DELETE FROM part WHERE d > 1;'
        'UPDATE "t;\n""x" SET up = 3'
    )
    for script in (damage, f"{damage}; DROP TABLE part_one", "DROP TABLE part CASCADE", damage + "; TRUNCATE part"):
        server.run(script, shop)
        outcome = restore(server.url(shop), saved, **EXACT)
        assert outcome.bad == [], script
        assert server.run(rows, shop) == before, script


def test_a_table_renamed_since_is_made_again_beside(server: PostgresServer, shop: str) -> None:
    """The renamed table keeps its rows; names of its keys that are in the way are an error that changes nothing."""
    server.run("CREATE TABLE event (id int PRIMARY KEY, v text); INSERT INTO event VALUES (1, 'a')", shop)
    saved = saved_before(server, shop, "ALTER TABLE event RENAME TO old_event")
    with pytest.raises(TargetError, match="event_pkey"):
        restore(server.url(shop), saved, in_place=True)
    assert server.run("SELECT to_regclass('event')", shop) == [(None,)]
    server.run("ALTER TABLE old_event RENAME CONSTRAINT event_pkey TO old_pkey", shop)
    assert restore(server.url(shop), saved, in_place=True).bad == []
    assert server.run("SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM old_event)", shop) == [(1, 1)]
