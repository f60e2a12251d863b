"""A living database gets back what the snapshot has: only what was asked, all of it or nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from tests.integration.postgres.restore.applying import EVERYTHING, contents, restore, verify
from tests.integration.postgres.restore.fixture_snapshot import FixtureSnapshot, snapshot_of
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.model.errors import TargetError
from holdfast.model.snapshot import Segment
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres import inplace
from holdfast.sources.postgres.target import PostgresTarget

SHOP = """
CREATE TABLE event (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE,
  twice int GENERATED ALWAYS AS (id * 2) STORED, price numeric(10,2));
CREATE TABLE registration (id serial PRIMARY KEY, event_id int NOT NULL REFERENCES event ON DELETE CASCADE, who text);
CREATE INDEX ON registration (who);
CREATE TABLE noted (t text, n int); CREATE TABLE nothing ();
INSERT INTO event (name, price) SELECT 'event ' || i, i FROM generate_series(1, 100) i;
INSERT INTO registration (event_id, who) SELECT 1 + i % 100, 'who ' || i FROM generate_series(1, 1000) i;
INSERT INTO noted VALUES ('a', 1), ('a', 1), ('b', NULL); INSERT INTO nothing DEFAULT VALUES;
CREATE SEQUENCE down INCREMENT -3; SELECT nextval('down'), nextval('down');
CREATE VIEW names AS SELECT id, name FROM event; CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM registration;
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'trigger fired'; END$$;
"""


@pytest.fixture
def server() -> PostgresServer:
    return shared_server("16")


@pytest.fixture
def shop(server: PostgresServer) -> Iterator[str]:
    with fresh_database(server) as name:
        server.run(SHOP, name)
        yield name


@pytest.fixture
def saved(server: PostgresServer, shop: str) -> FixtureSnapshot:
    return snapshot_of(server, shop, blocks=3)


def test_what_is_already_there_is_left_alone(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """A second look finds nothing to do, and does nothing."""
    before = contents(server, shop)
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True, exact=True)
    assert set(outcome.actions().values()) == {"leave"}
    assert outcome.bad == []
    assert contents(server, shop) == before
    assert outcome.target is not None
    assert outcome.target.touched_source(outcome.plan) is None


def test_adding_overwriting_and_making_exact_do_what_their_plans_say(
    server: PostgresServer, shop: str, saved: FixtureSnapshot
) -> None:
    """ADD adds only; --overwrite also replaces what differs, to the last digit; --exact also deletes."""
    server.run(
        "DELETE FROM event WHERE id < 5; UPDATE event SET name = 'renamed' WHERE id = 50;"
        "UPDATE event SET price = 51.000 WHERE id = 51; ALTER TABLE event ALTER price TYPE numeric(10,3);"
        "INSERT INTO event (name) VALUES ('newer'); DELETE FROM noted WHERE n = 1; INSERT INTO noted VALUES ('c', 3)",
        shop,
    )
    server.run("ALTER TABLE event ALTER price TYPE numeric", shop)
    server.run("UPDATE event SET price = trim_scale(price) WHERE id <> 51", shop)
    url = server.url(shop)
    added = restore(url, saved, in_place=True)
    assert added.counts("public.event") == {"create": 4, "change": 0, "delete": 0, "unchanged": 96}
    assert added.counts("public.registration")["create"] == 40
    assert added.counts("public.noted") == {"create": 2, "change": 0, "delete": 0, "unchanged": 1}
    assert added.bad == []
    assert server.run("SELECT count(*), count(*) FILTER (WHERE name = 'renamed') FROM event", shop) == [(101, 1)]
    overwritten = restore(url, saved, in_place=True, overwrite=True)
    assert overwritten.counts("public.event")["change"] == 96, "numbers written with other digits are not the same"
    assert server.run("SELECT count(*), count(*) FILTER (WHERE name = 'renamed') FROM event", shop) == [(101, 0)]
    exact = restore(url, saved, in_place=True, overwrite=True, exact=True)
    assert exact.counts("public.event") == {"create": 0, "change": 0, "delete": 1, "unchanged": 100}
    assert exact.counts("public.noted")["delete"] == 1
    assert exact.bad == []
    assert verify(exact, saved) == []
    assert server.run("SELECT t, n FROM noted ORDER BY 1, 2", shop) == [("a", 1), ("a", 1), ("b", None)]
    assert server.run("SELECT price::text FROM event WHERE id = 51", shop) == [("51.00",)]


def test_a_dry_run_changes_nothing(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """plan and preview leave no row, no table and no sequence other than it was."""
    server.run("DELETE FROM event WHERE id < 5; DROP TABLE noted", shop)
    before = contents(server, shop)
    target = PostgresTarget(
        server.url(shop), None, RestoreRequest(label="x", in_place=True, overwrite=True, exact=True)
    )
    plan = target.preview(saved, saved)
    assert {step.label: step.action.value for step in plan.steps}["public.noted"] == "create"
    assert contents(server, shop) == before


def test_a_half_broken_database_is_repaired(pg: PostgresServer, database: str) -> None:
    """Dropped tables, types, views, indexes, keys and triggers are made again; what stands is not touched."""
    pg.run(EVERYTHING.replace("CREATE EVENT TRIGGER", "-- CREATE EVENT TRIGGER"), database)
    before = contents(pg, database)
    snapshot = snapshot_of(pg, database, blocks=8)
    pg.run(
        "DROP TABLE venue CASCADE; DROP TYPE mood CASCADE; DROP INDEX event_at_idx; DROP TRIGGER stamp ON event;"
        'DROP TABLE "s;x"."t ""1"" \' \\ "; DROP TABLE part; DROP SEQUENCE down;'
        "DROP MATERIALIZED VIEW z_first CASCADE;"
        "DROP POLICY own ON secret; DROP TABLE nothing",
        database,
    )
    outcome = restore(pg.url(database), snapshot, in_place=True)
    assert outcome.bad == []
    assert outcome.actions()["public.venue"] == "create"
    assert outcome.actions()["trigger public.event stamp"] == "create"
    assert verify(outcome, snapshot) == []
    after = contents(pg, database)
    assert [line for line in before if line not in after] == []
    assert after == before


def test_chosen_tables_only_are_touched(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """--only restores rows of the tables it names, their sequences, the views that read them, and nothing else."""
    server.run("DELETE FROM registration; DELETE FROM noted; SELECT setval('registration_id_seq', 3)", shop)
    outcome = restore(server.url(shop), saved, in_place=True, only=("registration",))
    assert [step.label for step in outcome.plan.touched()] == ["public.registration", "public.totals"]
    assert outcome.bad == []
    assert server.run("SELECT count(*) FROM registration", shop) == [(1000,)]
    assert server.run("SELECT count(*) FROM noted", shop) == [(0,)]
    assert server.run("SELECT nextval('registration_id_seq')", shop) == [(1001,)]


def test_sequences_never_go_back(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """A number that was handed out since is not handed out again."""
    server.run("SELECT setval('event_id_seq', 5000), setval('down', -1); DELETE FROM event WHERE id = 1", shop)
    assert restore(server.url(shop), saved, in_place=True, overwrite=True, exact=True).bad == []
    assert server.run("SELECT nextval('down')", shop) == [(-7,)]
    restore(server.url(shop), saved, in_place=True)
    assert server.run("SELECT nextval('down')", shop) == [(-10,)]
    assert server.run("SELECT nextval('event_id_seq')", shop) == [(5001,)]


def test_triggers_stay_still(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """Neither triggers nor event triggers of the application fire for restored rows; they are there afterwards."""
    server.run(
        "DELETE FROM event WHERE id < 5; UPDATE event SET price = 0 WHERE id = 7;"
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION fired();"
        "CREATE FUNCTION ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'event trigger fired'; END$$;"
        "DROP TABLE noted; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION ddl()",
        shop,
    )
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True)
    assert outcome.bad == []
    with pytest.raises(psycopg.errors.RaiseException):
        server.run("DELETE FROM event", shop)


def test_an_owner_who_is_no_superuser_restores_too(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """Parents before children, triggers of his own tables kept still and put back; cascades are refused."""
    server.run("CREATE ROLE hf_owner LOGIN PASSWORD 'pw'", shop)
    try:
        server.run(
            "ALTER TABLE event OWNER TO hf_owner; ALTER TABLE registration OWNER TO hf_owner;"
            "ALTER TABLE noted OWNER TO hf_owner;"
            "ALTER TABLE nothing OWNER TO hf_owner; GRANT CREATE ON SCHEMA public TO hf_owner;"
            f"GRANT CREATE ON DATABASE {shop} TO hf_owner; DELETE FROM event WHERE id < 5;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO hf_owner;"
            "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO hf_owner;"
            "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION fired();"
            "ALTER TABLE event ENABLE ALWAYS TRIGGER t",
            shop,
        )
        url = server.url(shop, user="hf_owner", password="pw")
        outcome = restore(url, saved, in_place=True, overwrite=True)
        assert outcome.bad == []
        assert server.run("SELECT count(*) FROM registration", shop) == [(1000,)]
        assert server.run("SELECT tgenabled::text FROM pg_trigger WHERE tgname = 't'", shop) == [("A",)]
        refused = restore(url, saved, in_place=True, overwrite=True, exact=True).plan.refusals
        assert any("registration_event_id_fkey" in text for text in refused)
    finally:
        server.run("REASSIGN OWNED BY hf_owner TO postgres; DROP OWNED BY hf_owner; DROP ROLE hf_owner", shop)


def test_rows_that_would_dangle_stop_everything(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """Foreign keys are checked again although their triggers were still; on a breach nothing was changed."""
    server.run("DELETE FROM event WHERE id = 3; INSERT INTO noted VALUES ('later', 9)", shop)
    before = contents(server, shop)
    with pytest.raises(TargetError) as caught:
        restore(server.url(shop), saved, in_place=True, exact=True, overwrite=True, only=("registration", "noted"))
    assert "registration_event_id_fkey" in caught.value.what
    assert "10 rows" in caught.value.why
    assert contents(server, shop) == before


def test_a_unique_value_taken_since_is_left_and_counted(
    server: PostgresServer, shop: str, saved: FixtureSnapshot
) -> None:
    """ADD never takes a value away from a row that exists: the row that cannot be added is told."""
    server.run(
        "DELETE FROM registration WHERE event_id = 3; DELETE FROM event WHERE id = 3;"
        "INSERT INTO event (name) VALUES ('event 3')",
        shop,
    )
    outcome = restore(server.url(shop), saved, in_place=True, only=("event",))
    assert [result.status for result in outcome.bad] == ["incomplete"]
    assert "1 rows not added" in outcome.of("public.event").detail


def test_rows_that_swapped_a_unique_value_are_swapped_back(
    server: PostgresServer, shop: str, saved: FixtureSnapshot
) -> None:
    """Values that clash half way through an update do not stop it."""
    server.run(
        "UPDATE event SET name = 'x' WHERE id = 1; UPDATE event SET name = 'event 1' WHERE id = 2;"
        "UPDATE event SET name = 'event 2' WHERE id = 1",
        shop,
    )
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True)
    assert outcome.bad == []
    assert server.run("SELECT name FROM event WHERE id < 3 ORDER BY id", shop) == [("event 1",), ("event 2",)]
    assert server.run("SELECT count(*) FROM registration", shop) == [(1000,)]


def test_columns_that_came_or_went_since(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """A new column keeps its value; a lost one refuses the restore by name, and so does one that needs a value."""
    server.run(
        "ALTER TABLE event ADD seats int DEFAULT 7;"
        "UPDATE event SET seats = 9, price = 0 WHERE id = 4; DELETE FROM noted",
        shop,
    )
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True)
    assert outcome.bad == []
    assert server.run("SELECT seats, price::text FROM event WHERE id = 4", shop) == [(9, "4.00")]
    server.run("ALTER TABLE noted DROP n", shop)
    assert (
        "columns of the snapshot are missing now: n" in restore(server.url(shop), saved, in_place=True).plan.refusals[0]
    )
    server.run("ALTER TABLE noted ADD n int; DELETE FROM noted; ALTER TABLE noted ADD must int NOT NULL", shop)
    assert "need a value the snapshot has not: must" in restore(server.url(shop), saved, in_place=True).plan.refusals[0]


def test_writers_wait_and_readers_do_not(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """From the lock to the commit nobody else writes; what waited comes after, and is not lost."""
    server.run("DELETE FROM registration WHERE id <= 10", shop)
    target = PostgresTarget(server.url(shop), None, RestoreRequest(label="x", in_place=True))
    plan = target.preview(saved, saved)
    done: list[str] = []

    def write() -> None:
        server.run("UPDATE registration SET who = 'writer' WHERE id = 500", shop)
        done.append("written")

    with target.hold(plan):
        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.4)
        assert server.run("SELECT count(*) FROM registration", shop) == [(990,)], "readers go on"
        assert server.client("pg_dump", "-t", "registration", database=shop).stdout, "so does a capture"
        assert done == []
        target.apply(plan, saved, saved)
    writer.join(10)
    assert done == ["written"]
    assert server.run("SELECT count(*) FROM registration", shop) == [(1000,)]
    assert server.run("SELECT who FROM registration WHERE id = 500", shop) == [("writer",)]


def test_whoever_blocks_is_named(
    server: PostgresServer, shop: str, saved: FixtureSnapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for a lock ends, nothing was changed, and the process to look at is told without its query."""
    monkeypatch.setattr(inplace, "LOCK_WAIT", "300ms")
    server.run("DELETE FROM registration WHERE id = 1", shop)
    with server.connect(shop, autocommit=False, application_name="nightly import") as other:
        other.execute("UPDATE registration SET who = 'top secret' WHERE id = 2")
        with pytest.raises(TargetError) as caught:
            restore(server.url(shop), saved, in_place=True)
        assert f"process {other.info.backend_pid} (postgres, nightly import" in caught.value.why
        assert "top secret" not in str(caught.value)
        assert caught.value.retryable
        other.rollback()


class _Cutting(FixtureSnapshot):
    """Ends the restoring sessions while the second stretch of registrations is read."""

    server: PostgresServer
    database: str
    armed = False

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        for block in super().blocks(segment):
            yield block
            if self.armed and segment.key.startswith("3-"):
                type(self).armed = False
                self.server.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE datname = '{self.database}' AND pid <> pg_backend_pid()"
                )
                time.sleep(0.2)


def test_a_connection_lost_in_the_middle_changes_nothing(
    server: PostgresServer, shop: str, saved: FixtureSnapshot
) -> None:
    """One transaction: every row, table and key is as before, and the error says so."""
    server.run("DELETE FROM event WHERE id < 50; DROP TABLE noted", shop)
    before = contents(server, shop)
    saved.__class__ = _Cutting
    saved.server, saved.database = server, shop  # type: ignore[attr-defined]
    target = PostgresTarget(
        server.url(shop), None, RestoreRequest(label="x", in_place=True, overwrite=True, exact=True)
    )
    plan = target.preview(saved, saved)
    _Cutting.armed = True
    with pytest.raises(TargetError) as caught, target.hold(plan):
        target.apply(plan, saved, saved)
    assert "nothing was changed" in str(caught.value)
    assert contents(server, shop) == before


def test_damage_is_told_and_deletes_nothing(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """Rows of a damaged stretch stay lost, the other stretches come back, and --exact deletes nothing in that table."""
    rows = saved.item(b"public.registration").segments[0].rows  # type: ignore[union-attr]
    saved.damage(b"public.registration", 0)
    server.run("DELETE FROM registration WHERE id IN (5, 900); DELETE FROM noted", shop)
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True, exact=True)
    assert [result.name for result in outcome.bad] == ["public.registration"]
    assert f"{rows} rows are damaged" in outcome.of("public.registration").detail
    assert server.run("SELECT count(*), min(id) FROM registration WHERE id <> 5", shop) == [(999, 1)]
    assert server.run("SELECT count(*) FROM noted", shop) == [(3,)]


def test_undo_takes_back_what_a_restore_did(server: PostgresServer, shop: str, saved: FixtureSnapshot) -> None:
    """Rows exactly as before, and what the restore had made is gone."""
    server.run(
        "DELETE FROM event WHERE id < 5; UPDATE event SET name = 'mine' WHERE id = 9; DROP TABLE noted;"
        "DROP INDEX registration_who_idx; INSERT INTO event (name) VALUES ('newer')",
        shop,
    )
    before = contents(server, shop, "--exclude-table=nosuch")
    target = PostgresTarget(server.url(shop), None, RestoreRequest(label="x", in_place=True, overwrite=True))
    plan = target.preview(saved, saved)
    created = tuple(step.item for step in plan.steps if step.action.value == "create")
    touched = [step.item for step in plan.touched()]
    assert set(touched) == {b"public.event", b"public.registration", b"public.totals"}
    with target.hold(plan):
        earlier = snapshot_of(server, shop).only(*touched)
        target.apply(plan, saved, saved)
    assert contents(server, shop) != before
    outcome = restore(
        server.url(shop),
        earlier,
        in_place=True,
        overwrite=True,
        exact=True,
        only=("public.event", "public.registration"),
        undo_created=created,
    )
    assert outcome.bad == []
    assert contents(server, shop) == before


def test_undo_is_refused_by_name_when_something_was_built_upon(
    server: PostgresServer, shop: str, saved: FixtureSnapshot
) -> None:
    """A view made since keeps its table, and is named; nothing is dropped with CASCADE."""
    server.run("CREATE VIEW upon AS SELECT * FROM noted", shop)
    with pytest.raises(TargetError) as caught:
        restore(
            server.url(shop),
            saved.only(b"public.event"),
            in_place=True,
            overwrite=True,
            exact=True,
            only=("nosuch",),
            undo_created=(b"public.noted",),
        )
    assert "view public.upon depends on table public.noted" in caught.value.why
    assert server.run("SELECT count(*) FROM upon", shop) == [(3,)]


def test_large_objects_are_added_overwritten_and_removed(server: PostgresServer, shop: str) -> None:
    """As rows are: missing ones come back, --overwrite replaces, --exact removes the rest."""
    server.run("SELECT lo_from_bytea(9001, 'one'), lo_from_bytea(9002, 'two')", shop)
    saved = snapshot_of(server, shop)
    server.run("SELECT lo_unlink(9001), lo_put(9002, 0, 'TWO!'), lo_from_bytea(9003, 'new')", shop)
    read = "SELECT oid::int, convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata ORDER BY oid"
    restore(server.url(shop), saved, in_place=True)
    assert server.run(read, shop) == [(9001, "one"), (9002, "TWO!"), (9003, "new")]
    restore(server.url(shop), saved, in_place=True, overwrite=True)
    assert server.run(read, shop) == [(9001, "one"), (9002, "two"), (9003, "new")]
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True, exact=True)
    assert server.run(read, shop) == [(9001, "one"), (9002, "two")]
    assert verify(outcome, saved) == []


def test_a_repaired_key_that_rows_break_changes_nothing(
    server: PostgresServer, shop: str, saved: FixtureSnapshot
) -> None:
    """A lost foreign key is made again with its check; rows written since that break it are named."""
    server.run(
        "ALTER TABLE registration DROP CONSTRAINT registration_event_id_fkey; DELETE FROM noted;"
        "INSERT INTO registration (event_id, who) VALUES (777, 'nobody')",
        shop,
    )
    before = contents(server, shop)
    with pytest.raises(TargetError, match="registration_event_id_fkey could not be made"):
        restore(server.url(shop), saved, in_place=True)
    assert contents(server, shop) == before


def test_a_table_without_key_that_holds_odd_types_is_compared(server: PostgresServer, shop: str) -> None:
    """json, xml-like and point values have no equality; their text has."""
    server.run(
        "CREATE TABLE odd (j json, p point, f float8, c char(5), i interval);"
        "INSERT INTO odd VALUES ('{\"a\": 1}', '(1,2)', '-0', 'a', '1 mon'), (NULL, NULL, 'NaN', NULL, '30 days')",
        shop,
    )
    saved = snapshot_of(server, shop)
    server.run("UPDATE odd SET f = 0 WHERE f = 0; UPDATE odd SET i = '1 mon' WHERE i = '30 days' AND j IS NULL", shop)
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True, exact=True, only=("odd",))
    assert outcome.counts("public.odd") == {"create": 2, "change": 0, "delete": 2, "unchanged": 0}
    assert server.run("SELECT f::text, i::text FROM odd ORDER BY f", shop) == [
        ("-0", "1 mon"),
        ("NaN", "30 days"),
    ]


def test_a_key_of_another_schemas_type_is_matched(server: PostgresServer, shop: str) -> None:
    """Equality comes from the key's own index, not from the search path; ranges work without one."""
    server.run(
        "CREATE TYPE color AS ENUM ('red', 'green'); CREATE TABLE k (c color PRIMARY KEY, r int4range);"
        "INSERT INTO k VALUES ('red', '[1,2)'), ('green', NULL)",
        shop,
    )
    saved = snapshot_of(server, shop)
    server.run("UPDATE k SET r = '[1,3)' WHERE c = 'red'; DELETE FROM k WHERE c = 'green'", shop)
    outcome = restore(server.url(shop), saved, in_place=True, overwrite=True, only=("k",))
    assert outcome.counts("public.k") == {"create": 1, "change": 1, "delete": 0, "unchanged": 0}
    assert verify(outcome, saved) == []
