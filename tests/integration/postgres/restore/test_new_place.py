"""A snapshot becomes a new database that is equal to the one it was made of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.postgres.restore.applying import EVERYTHING, contents, restore, verify
from tests.integration.postgres.restore.fixture_snapshot import FixtureSnapshot, snapshot_of
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.model.errors import TargetError
from holdfast.model.snapshot import Segment

BESIDE = "_restored_then"


@pytest.fixture
def copy(pg: PostgresServer, database: str) -> Iterator[str]:
    """The name of the database a restore without --to makes; dropped afterwards."""
    yield database + BESIDE
    pg.drop_database(database + BESIDE)


@pytest.fixture
def sixteen() -> PostgresServer:
    return shared_server("16")


@pytest.fixture
def shop(sixteen: PostgresServer) -> Iterator[str]:
    """A database for tests that need one version only; what is restored beside it is dropped."""
    with fresh_database(sixteen) as name:
        yield name
        sixteen.drop_database(name + BESIDE)


def test_everything_comes_back_equal(pg: PostgresServer, database: str, copy: str) -> None:
    """Types, keys, partitions, inheritance, views, large objects, grants, comments, odd names: the dumps are equal."""
    pg.run(EVERYTHING, database)
    pg.run(
        f"ALTER DATABASE {database} SET statement_timeout = '5s';"
        f"ALTER DATABASE {database} SET default_transaction_read_only = on"
    )
    snapshot = snapshot_of(pg, database, blocks=8)
    outcome = restore(pg.url(database), snapshot)
    assert outcome.bad == []
    assert contents(pg, copy) == contents(pg, database)
    assert verify(outcome, snapshot) == []
    assert pg.run(
        f"SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = '{copy}'"
    ) == [(["statement_timeout=5s", "default_transaction_read_only=on"],)]
    assert pg.run(
        "SELECT relispopulated FROM pg_class WHERE relname IN ('a_second', 'z_first', 'empty_one') ORDER BY relname",
        copy,
    ) == [(True,), (False,), (True,)]
    assert pg.run(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
        copy,
    ) == [(None,)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE public.event SET title = 'event 1235' WHERE title = 'event 1234'",
        "UPDATE public.event SET raw = set_byte(raw, 3, get_byte(raw, 3) # 1) WHERE id = 17",
        "DELETE FROM public.event WHERE id = 17",
    ],
)
def test_one_changed_byte_is_found_and_its_table_named(sixteen: PostgresServer, shop: str, change: str) -> None:
    """--verify=content compares every row of every table."""
    sixteen.run(EVERYTHING, shop)
    snapshot = snapshot_of(sixteen, shop, blocks=8)
    outcome = restore(sixteen.url(shop), snapshot)
    sixteen.run("ALTER EVENT TRIGGER no_ddl DISABLE", shop + BESIDE)
    sixteen.run(f"ALTER TABLE public.event DISABLE TRIGGER USER; {change}", shop + BESIDE)
    wrong = {result.name: result.detail for result in verify(outcome, snapshot)}
    assert "public.event" in wrong
    assert "rows" in wrong["public.event"]
    assert set(wrong) <= {"public.event", "definitions"}


def test_lost_definitions_and_large_objects_are_found(sixteen: PostgresServer, shop: str) -> None:
    """What lies beside the rows is compared as well."""
    sixteen.run(EVERYTHING, shop)
    snapshot = snapshot_of(sixteen, shop)
    outcome = restore(sixteen.url(shop), snapshot)
    sixteen.run(
        "ALTER EVENT TRIGGER no_ddl DISABLE; DROP INDEX event_at_idx; SELECT lo_put(4711, 1, 'x');"
        " SELECT setval('public.event_id_seq', 7)",
        shop + BESIDE,
    )
    assert {result.name for result in verify(outcome, snapshot)} == {
        "definitions",
        "largeobjects",
        "public.event_id_seq",
    }


def test_damage_costs_the_damaged_rows_and_nothing_else(sixteen: PostgresServer, shop: str) -> None:
    """The table is reported with what is lost; every other table is whole; the database stays marked."""
    sixteen.run(EVERYTHING, shop)
    snapshot = snapshot_of(sixteen, shop, blocks=8)
    lost = snapshot.item(b"public.event").segments[1].rows  # type: ignore[union-attr]
    snapshot.damage(b"public.event", 1)
    outcome = restore(sixteen.url(shop), snapshot)
    assert [result.name for result in outcome.bad] == ["public.event"]
    assert f"{lost} rows are damaged" in outcome.of("public.event").detail
    assert sixteen.run("SELECT count(*) FROM public.event", shop + BESIDE) == [(3003 - lost,)]
    assert (
        "unfinished restore"
        in sixteen.run(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()",
            shop + BESIDE,
        )[0][0]
    )


def test_a_wrong_row_count_is_a_failure(sixteen: PostgresServer, shop: str) -> None:
    """The server's count of each stretch must be the manifest's."""
    sixteen.run("CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 50)", shop)
    snapshot = snapshot_of(sixteen, shop)
    snapshot.replace(b"public.t", 0, b"1\n2\n")
    outcome = restore(sixteen.url(shop), snapshot)
    assert "took 2 rows, the snapshot has 50" in outcome.of("public.t").detail


def test_a_table_that_needs_another_to_be_loaded_first_is_tried_again(sixteen: PostgresServer, shop: str) -> None:
    """A CHECK that reads another table is a dependency nobody declared."""
    sixteen.run(
        "CREATE TABLE z_limits (top int); INSERT INTO z_limits VALUES (10);"
        "CREATE FUNCTION top() RETURNS int STABLE LANGUAGE sql AS 'SELECT max(top) FROM public.z_limits';"
        "CREATE TABLE a_uses (v int CHECK (coalesce(v <= public.top(), false))); INSERT INTO a_uses VALUES (3), (10);"
        "CREATE TABLE b_uses (v int CHECK (coalesce(v <= public.top(), false))); INSERT INTO b_uses VALUES (4)",
        shop,
    )
    outcome = restore(sixteen.url(shop), snapshot_of(sixteen, shop), width=1)
    assert outcome.bad == []
    assert sixteen.run("SELECT count(*) FROM a_uses", shop + BESIDE) == [(2,)]


def test_rows_the_server_refuses_fail_their_table_only(sixteen: PostgresServer, shop: str) -> None:
    """What cannot be loaded at all is told with the server's reason."""
    sixteen.run(
        "CREATE TABLE bad (v int); CREATE TABLE good (v int); INSERT INTO bad VALUES (1); INSERT INTO good VALUES (1)",
        shop,
    )
    snapshot = snapshot_of(sixteen, shop)
    snapshot.replace(b"public.bad", 0, b"not a number\n")
    outcome = restore(sixteen.url(shop), snapshot)
    assert [result.name for result in outcome.bad] == ["public.bad"]
    assert "invalid input syntax" in outcome.of("public.bad").detail


def test_a_key_that_lost_rows_break_is_reported_and_the_rest_is_made(sixteen: PostgresServer, shop: str) -> None:
    """A foreign key into a damaged table fails by name; other keys and indexes are there."""
    sixteen.run(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p); INSERT INTO p VALUES (1);"
        "INSERT INTO c VALUES (1); CREATE INDEX ON c (p)",
        shop,
    )
    snapshot = snapshot_of(sixteen, shop)
    snapshot.damage(b"public.p")
    outcome = restore(sixteen.url(shop), snapshot)
    assert {result.name for result in outcome.bad} == {"public.p", "fk constraint public.c c_p_fkey"}
    assert sixteen.run("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'", shop + BESIDE) == [(2,)]


def test_rows_too_large_for_a_line_are_put_together(sixteen: PostgresServer, shop: str) -> None:
    """Slices become rows again, NULL and empty values told apart, NOT NULL and checks kept."""
    sixteen.run(
        "CREATE DOMAIN blob AS bytea; CREATE TABLE big (id int PRIMARY KEY, a bytea NOT NULL, b text, c blob,"
        " n numeric[], g int GENERATED ALWAYS AS (id + 1) STORED)",
        shop,
    )
    snapshot = snapshot_of(sixteen, shop)
    pieces = [
        (1, 0, 0, ""),
        (1, 1, 0, "1"),
        (1, 2, 0, "00ff"),
        (1, 2, 1, "10"),
        (1, 3, 0, "grü"),
        (1, 3, 1, "n\\\\x"),
        (1, 4, 0, "aa"),
        (1, 5, 0, "{1.50,NULL}"),
        (2, 0, 0, ""),
        (2, 1, 0, "2"),
        (2, 2, 0, ""),
        (2, 3, 0, ""),
    ]
    data = "".join("\t".join(map(str, piece)) + "\n" for piece in pieces).encode()
    snapshot.add(
        b"public.big",
        "table",
        [("0-", 2, data)],
        {"columns": ["id", "a", "b", "c", "n"]},
        {"format": "sliced", "hex": ["a", "c"]},
    )
    outcome = restore(sixteen.url(shop), snapshot)
    assert outcome.bad == []
    assert sixteen.run(
        "SELECT id, encode(a, 'hex'), b, encode(c, 'hex'), n::text, g FROM big ORDER BY id", shop + BESIDE
    ) == [(1, "00ff10", "grün\\x", "aa", "{1.50,NULL}", 2), (2, "", "", None, None, 3)]
    assert verify(outcome, snapshot) == []
    sixteen.run("UPDATE big SET a = '\\x00ff11' WHERE id = 1", shop + BESIDE)
    assert [result.name for result in verify(outcome, snapshot)] == ["public.big"]


def test_only_brings_what_a_table_needs_and_names_what_it_leaves_out(sixteen: PostgresServer, shop: str) -> None:
    """Types, sequences and defaults come along; a foreign key to a table that stays behind does not, and is told."""
    sixteen.run(EVERYTHING, shop)
    snapshot = snapshot_of(sixteen, shop)
    outcome = restore(sixteen.url(shop), snapshot, only=("event", "part"))
    assert outcome.bad == []
    assert "fk constraint public.event event_venue_id_fkey" in outcome.of("definitions").detail
    assert sixteen.run("SELECT count(*) FROM event", shop + BESIDE) == [(3003,)]
    assert sixteen.run("SELECT count(*) FROM part", shop + BESIDE) == [(2,)]
    assert sixteen.run("SELECT nextval('event_id_seq')", shop + BESIDE) == [(3004,)]
    assert sixteen.run("SELECT count(*) FROM pg_indexes WHERE tablename = 'event'", shop + BESIDE) == [(3,)]
    assert sixteen.run("SELECT to_regclass('venue')::text, to_regclass('noted')::text", shop + BESIDE) == [(None, None)]
    assert sixteen.run("SELECT has_table_privilege('public', 'event', 'SELECT')", shop + BESIDE) == [(True,)]
    assert verify(outcome, snapshot) == []


def test_a_pattern_that_means_nothing_is_refused(sixteen: PostgresServer, shop: str) -> None:
    """Restoring nothing is not a success."""
    sixteen.run("CREATE TABLE t (a int)", shop)
    outcome = restore(sixteen.url(shop), snapshot_of(sixteen, shop), only=("nosuch",))
    assert "nothing in the snapshot matches nosuch" in outcome.plan.refusals[0]


def test_an_older_server_is_refused_before_anything_is_written() -> None:
    """18 does not fit into 15; 15 fits into 18."""
    old, new = shared_server("15"), shared_server("18")
    with fresh_database(old) as below, fresh_database(new) as above:
        for server, name in ((old, below), (new, above)):
            server.run(EVERYTHING, name)
        outcome = restore(new.url(above), snapshot_of(new, above), to=old.url("never_made"))
        assert "an older server cannot hold it" in outcome.plan.refusals[0]
        assert old.run("SELECT count(*) FROM pg_database WHERE datname = 'never_made'") == [(0,)]
        snapshot = snapshot_of(old, below)
        outcome = restore(old.url(below), snapshot, to=new.url("came_up"))
        try:
            assert outcome.bad == []
            assert verify(outcome, snapshot) == []
            assert contents(new, "came_up", "--data-only") != []
        finally:
            new.drop_database("came_up")


def test_a_target_that_holds_something_is_refused(sixteen: PostgresServer, shop: str) -> None:
    """The source itself, and any database with tables, functions or types of its own."""
    sixteen.run("CREATE TABLE t (a int)", shop)
    snapshot = snapshot_of(sixteen, shop)
    outcome = restore(sixteen.url(shop), snapshot, to=sixteen.url(shop))
    assert "the very database the snapshot was made of" in outcome.plan.refusals[0]
    with fresh_database(sixteen) as other:
        for statement in (
            "CREATE TYPE kept AS ENUM ('a')",
            "CREATE FUNCTION kept() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        ):
            sixteen.run(f"DROP TYPE IF EXISTS kept; {statement}", other)
            outcome = restore(sixteen.url(shop), snapshot, to=sixteen.url(other))
            assert "is not empty" in outcome.plan.refusals[0]
            assert "--in-place" in outcome.plan.refusals[0]
        sixteen.run("DROP FUNCTION kept", other)
        assert restore(sixteen.url(shop), snapshot, to=sixteen.url(other)).bad == []


def test_missing_extensions_are_named_in_the_plan(sixteen: PostgresServer, shop: str) -> None:
    """With the version the snapshot has, before anything is written."""
    snapshot = snapshot_of(sixteen, shop)
    snapshot.notes["extensions"] = {"plpgsql": "1.0", "postgis": "3.4.0"}
    outcome = restore(sixteen.url(shop), snapshot)
    assert "postgis 3.4.0" in outcome.plan.refusals[0]
    assert "plpgsql" not in outcome.plan.refusals[0]


def test_roles_are_made_where_missing_and_never_changed_where_not(sixteen: PostgresServer, shop: str) -> None:
    """A role without a known password cannot log in; owners and grants are kept."""
    sixteen.run(
        'CREATE ROLE hf_keeps NOLOGIN; CREATE ROLE "hf ; gone" LOGIN; CREATE ROLE hf_secret LOGIN;'
        'CREATE TABLE t (a int); ALTER TABLE t OWNER TO "hf ; gone"; GRANT SELECT ON t TO hf_secret',
        shop,
    )
    roles = (
        'CREATE ROLE hf_keeps; ALTER ROLE hf_keeps WITH LOGIN SUPERUSER;\nCREATE ROLE "hf ; gone";\n'
        'ALTER ROLE "hf ; gone" WITH LOGIN;\nCREATE ROLE hf_secret;\n'
        "ALTER ROLE hf_secret WITH LOGIN PASSWORD 'SCRAM-SHA-256$4096:AAAA$AAAA:AAAA';\n"
        'GRANT hf_keeps TO "hf ; gone";\n'
        f"ALTER DATABASE {shop} SET work_mem TO '9MB';\nGRANT CONNECT ON DATABASE {shop} TO \"hf ; gone\";\n"
    )
    snapshot = snapshot_of(sixteen, shop, roles=roles)
    sixteen.run('DROP TABLE t; DROP ROLE "hf ; gone"; DROP ROLE hf_secret', shop)
    try:
        outcome = restore(sixteen.url(shop), snapshot)
        assert outcome.bad == []
        assert sixteen.run("SELECT rolname, rolcanlogin, rolsuper FROM pg_roles WHERE rolname ~ '^hf' ORDER BY 1") == [
            ("hf ; gone", False, False),
            ("hf_keeps", False, False),
            ("hf_secret", True, False),
        ]
        assert sixteen.run(
            "SELECT relowner::regrole::text, has_table_privilege('hf_secret', oid, 'SELECT')"
            " FROM pg_class WHERE relname = 't'",
            shop + BESIDE,
        ) == [('"hf ; gone"', True)]
        assert any("hf ; gone cannot log in" in warning for warning in outcome.warnings)
    finally:
        sixteen.drop_database(shop + BESIDE)
        sixteen.run('DROP ROLE IF EXISTS "hf ; gone"; DROP ROLE IF EXISTS hf_secret; DROP ROLE IF EXISTS hf_keeps')


def test_a_missing_owner_is_told_and_the_object_kept(sixteen: PostgresServer, shop: str) -> None:
    """Without the roles the objects belong to the restoring role; grants to unknown roles are named."""
    sixteen.run(
        "CREATE ROLE hf_away; CREATE TABLE t (a int); ALTER TABLE t OWNER TO hf_away;"
        "CREATE ROLE hf_far; GRANT SELECT ON t TO hf_far",
        shop,
    )
    snapshot = snapshot_of(sixteen, shop)
    sixteen.run("DROP TABLE t; DROP ROLE hf_away; DROP ROLE hf_far", shop)
    outcome = restore(sixteen.url(shop), snapshot)
    assert outcome.bad == []
    assert any("objects of role hf_away now belong to postgres" in warning for warning in outcome.warnings)
    assert any("hf_far" in warning for warning in outcome.warnings)


def test_owners_and_grants_can_be_left_out(sixteen: PostgresServer, shop: str) -> None:
    """owner=False and acl=False: everything belongs to the restoring role, nothing is granted."""
    sixteen.run(
        "CREATE ROLE hf_owner; CREATE TABLE t (a int); ALTER TABLE t OWNER TO hf_owner; GRANT SELECT ON t TO PUBLIC",
        shop,
    )
    try:
        snapshot = snapshot_of(sixteen, shop)
        outcome = restore(sixteen.url(shop), snapshot, owner=False, acl=False)
        assert sixteen.run(
            "SELECT relowner::regrole::text, relacl FROM pg_class WHERE relname = 't'", shop + BESIDE
        ) == [("postgres", None)]
        assert verify(outcome, snapshot) == []
    finally:
        sixteen.drop_database(shop + BESIDE)
        sixteen.run("DROP TABLE t", shop)
        sixteen.run("DROP ROLE hf_owner")


def test_an_ordinary_role_restores_what_it_may(sixteen: PostgresServer, shop: str) -> None:
    """CREATEDB is enough; without it the statement that grants it is told."""
    sixteen.run(
        "CREATE ROLE hf_plain LOGIN PASSWORD 'pw'; CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1);"
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
        shop,
    )
    snapshot = snapshot_of(sixteen, shop)
    url = sixteen.url(shop, user="hf_plain", password="pw")
    try:
        outcome = restore(url, snapshot)
        assert 'ALTER ROLE "hf_plain" CREATEDB' in outcome.plan.refusals[0]
        sixteen.run("ALTER ROLE hf_plain CREATEDB")
        outcome = restore(url, snapshot)
        assert outcome.bad == []
        assert verify(outcome, snapshot) == []
    finally:
        sixteen.drop_database(shop + BESIDE)
        sixteen.run("DROP ROLE hf_plain")


class _Cutting(FixtureSnapshot):
    """A snapshot whose reading ends every session in the target, once."""

    def cut(self, server: PostgresServer, database: str) -> None:
        self._server, self._database, self._done = server, database, False

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        for block in super().blocks(segment):
            yield block
            if segment.rows > 1000 and not self._done:
                self._done = True
                self._server.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE datname = '{self._database}' AND pid <> pg_backend_pid()"
                )


def test_a_connection_lost_while_loading_is_told_with_the_state_it_leaves(sixteen: PostgresServer, shop: str) -> None:
    """A clear error, the database marked as unfinished, the statement that removes it."""
    sixteen.run(
        "CREATE TABLE t (a int, b text); INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i",
        shop,
    )
    snapshot = snapshot_of(sixteen, shop)
    snapshot.__class__ = _Cutting
    snapshot.cut(sixteen, shop + BESIDE)  # type: ignore[attr-defined]
    with pytest.raises(TargetError) as caught:
        restore(sixteen.url(shop), snapshot)
    assert "lost" in caught.value.what
    assert f'DROP DATABASE "{shop}{BESIDE}"' in caught.value.hint
    assert sixteen.password not in str(caught.value)
    assert (
        "unfinished"
        in sixteen.run(
            f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{shop}{BESIDE}'"
        )[0][0]
    )


def test_bytes_of_no_encoding_come_back(sixteen: PostgresServer) -> None:
    """A SQL_ASCII database keeps whatever it was given, in rows and in names."""
    with fresh_database(sixteen, options="TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'") as name:
        with sixteen.connect(name, client_encoding="SQL_ASCII") as connection:
            connection.execute(b'CREATE TABLE "t\xff" (a text); INSERT INTO "t\xff" VALUES (E\'\\xe9\\xff\')')
        snapshot = FixtureSnapshot({"server_version_num": 160000, "encoding": "SQL_ASCII", "database": name})
        archive = sixteen.client("pg_dump", "-Fc", "-Z0", "--schema-only", database=name).stdout
        snapshot.add(b"definitions", "definitions", [("", 0, archive)])
        snapshot.add(b'public."t\xff"', "table", [("0-", 1, b"\xe9\xff\n")], {"columns": ["a"]})
        try:
            outcome = restore(sixteen.url(name), snapshot)
            assert outcome.bad == []
            assert verify(outcome, snapshot) == []
            with sixteen.connect(name + BESIDE, client_encoding="SQL_ASCII") as connection:
                assert connection.execute(b"SELECT encode(a::bytea, 'hex') FROM \"t\xff\"").fetchall() == [(b"e9ff",)]
        finally:
            sixteen.drop_database(name + BESIDE)


def test_a_snapshot_of_rows_only_is_refused_for_a_new_place(sixteen: PostgresServer, shop: str) -> None:
    """A partial snapshot without definitions says what it is good for."""
    sixteen.run("CREATE TABLE t (a int)", shop)
    snapshot = snapshot_of(sixteen, shop).only(b"public.t")
    with pytest.raises(TargetError, match="rows only"):
        restore(sixteen.url(shop), snapshot)
    assert sixteen.run(f"SELECT count(*) FROM pg_database WHERE datname = '{shop}{BESIDE}'") == [(0,)]
