"""Every kind of thing a database may hold comes out, exactly, whatever the role was set up to print."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.integration.postgres.capture.draining import Saved, capture
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.sources.postgres import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = Path(__file__).with_name("rich_schema.sql").read_text()
HOSTILE = (
    "ALTER ROLE postgres SET DateStyle = 'German'; ALTER ROLE postgres SET extra_float_digits = -15;"
    "ALTER ROLE postgres SET IntervalStyle = 'sql_standard'; ALTER ROLE postgres SET bytea_output = 'escape';"
    "ALTER ROLE postgres SET search_path = 'nowhere'; ALTER ROLE postgres SET statement_timeout = '40ms';"
    "ALTER ROLE postgres SET TimeZone = 'Asia/Tokyo'; ALTER ROLE postgres SET standard_conforming_strings = off;"
    "ALTER ROLE postgres SET quote_all_identifiers = on; ALTER ROLE postgres SET lock_timeout = '1ms';"
    "ALTER ROLE postgres SET idle_in_transaction_session_timeout = '50ms'"
)
WEIRD = '"we""ird\nschema"."--rm -rf; \'x\' \\ :v ""q"" %s é"'


@pytest.fixture(scope="module", params=("15", "16", "18"))
def rich(request: pytest.FixtureRequest) -> Iterator[tuple[PostgresServer, str, Saved]]:
    server = shared_server(request.param)
    with fresh_database(server, "we\"ird\n'db' \\ =x") as name:
        server.run(SCHEMA, name)
        yield server, name, capture(PostgresSource(server.url(name)))


def truth(server: PostgresServer, database: str, table: str, columns: str = "*") -> bytes:
    """The rows as a careful psql prints them."""
    script = (
        "SET search_path=''; SET DateStyle='ISO, YMD'; SET IntervalStyle=postgres; SET extra_float_digits=3; "
        f"SET TimeZone=UTC; SET bytea_output=hex; SET lc_monetary='C'; "
        f"COPY (SELECT {columns} FROM ONLY {table}) TO STDOUT"
    )
    return server.client("psql", "-XqAt", "-c", script, database=database).stdout


@pytest.mark.parametrize("table", [
    "public.plain", "public.typed", "public.named_things", "public.ident_always", "public.no_columns",
    "public.duplicates", "public.dropped", "public.ancestor", "public.heir", "public.parted_a0",
    "public.parted_a1", "public.parted_rest", "public.scratch", "public.chicken", "public.egg", "public.guarded",
    WEIRD, 'public."-c"', 'public."\\! touch /tmp/holdfast-pwned"',
])
def test_rows_come_out_as_the_server_writes_them(rich: tuple[PostgresServer, str, Saved], table: str) -> None:
    """COPY text of every table equals what a careful reader gets, and the server's count goes with it."""
    server, database, saved = rich
    expected = truth(server, database, table)
    assert saved.text(table) == expected
    assert saved.stored[table.encode()].rows == expected.count(b"\n")
    assert saved.stored[table.encode()].kind == "table"


def test_nothing_of_a_name_is_ever_run(rich: tuple[PostgresServer, str, Saved]) -> None:
    """A table called like a psql command is only a table."""
    assert not Path("/tmp/holdfast-pwned").exists()


def test_computed_columns_are_left_to_the_server(rich: tuple[PostgresServer, str, Saved]) -> None:
    """Generated columns are named in the notes and are not in the rows; dropped ones are nowhere."""
    _, _, saved = rich
    notes = saved.stored[b"public.generated"].notes or {}
    assert (notes["columns"], notes["generated"]) == (["a", "z"], ["twice"])
    assert saved.lines("public.generated") == [b"1\tx", b"21\ty"]
    assert (saved.stored[b"public.dropped"].notes or {})["columns"] == ["a", "b", "later"]


def test_partitions_name_their_root_and_the_root_has_no_item(rich: tuple[PostgresServer, str, Saved]) -> None:
    """Rows are in the leaves only."""
    _, _, saved = rich
    assert b"public.parted" not in saved.stored
    assert (saved.stored[b"public.parted_a0"].notes or {})["partition_of"] == "public.parted"
    leaves = ("public.parted_a0", "public.parted_a1", "public.parted_rest")
    assert sum(saved.stored[name.encode()].rows for name in leaves) == 30


def test_sequences_and_views_keep_their_state(rich: tuple[PostgresServer, str, Saved]) -> None:
    """Where sequences stand, called or not, and whether a materialized view was filled."""
    _, _, saved = rich
    stands = {name: saved.stored[name].notes or {} for name in (b"public.counter", b"public.moved_back")}
    assert (stands[b"public.counter"]["last_value"], stands[b"public.counter"]["is_called"]) == (8, True)
    assert (stands[b"public.moved_back"]["last_value"], stands[b"public.moved_back"]["is_called"]) == (77, False)
    assert saved.stored[b"public.filled"].notes is not None
    assert saved.stored[b"public.filled"].notes["populated"] is True
    assert saved.stored[b"public.unfilled"].notes is not None
    assert saved.stored[b"public.unfilled"].notes["populated"] is False


def test_large_objects_come_with_owner_rights_and_comment(rich: tuple[PostgresServer, str, Saved]) -> None:
    """Pages with their offsets, and who owns and may read each."""
    _, _, saved = rich
    item = saved.stored[b"largeobjects"]
    meta = saved.read_segment(item.segments[0])
    assert item.segments[0].key == "meta"
    assert b"91001\tpostgres\t\\N\ta small one\n" in meta
    assert b"pg_monitor=r/postgres" in meta
    pages = b"".join(saved.read_segment(one) for one in item.segments[1:]).split(b"\n")
    assert b"91001\t0\t\\\\x0001ff" in pages
    assert any(line.startswith(b"91003\t8192\t") and line.endswith(b"656e64") for line in pages)
    assert sum(line.startswith(b"91002\t") for line in pages) == 6


def test_definitions_are_a_whole_archive_that_pg_restore_reads(
    rich: tuple[PostgresServer, str, Saved], tmp_path: Path
) -> None:
    """Everything pg_dump knows is in it, holdfast's own schema is not."""
    server, _, saved = rich
    archive = tmp_path / "definitions"
    archive.write_bytes(saved.text("definitions"))
    listed = subprocess.run([server.bin / "pg_restore", "-l", archive], capture_output=True, check=True).stdout
    for wanted in (b"TYPE public mood", b"EVENT TRIGGER - note", b"POLICY public guarded own", b"TRIGGER public plain",
                   b"PUBLICATION - everything", b"COMMENT public TABLE plain", b"FOREIGN TABLE public far_away"):
        assert wanted in listed
    assert b"holdfast_continuity" not in listed


def test_what_is_not_protected_is_said(rich: tuple[PostgresServer, str, Saved]) -> None:
    """Rows behind a foreign table are not ours to save, and the snapshot says so."""
    _, _, saved = rich
    assert any("far_away" in line for line in saved.learned.not_protected)


def test_hostile_role_settings_change_nothing(rich: tuple[PostgresServer, str, Saved]) -> None:
    """Whatever the role prints by default, the rows are the same bytes."""
    server, database, saved = rich
    server.run(HOSTILE)
    try:
        again = capture(PostgresSource(server.url(database)))
    finally:
        server.run("SET statement_timeout = 0; ALTER ROLE postgres RESET ALL")
    for name, item in saved.stored.items():
        if item.kind == "table":
            assert again.text(name.decode()) == saved.text(name.decode())
            assert again.stored[name].rows == item.rows


def test_unchanged_definitions_are_not_dumped_again(rich: tuple[PostgresServer, str, Saved]) -> None:
    """The second capture keeps them; after any change they are read again, byte-equal where nothing differs."""
    server, database, _ = rich
    source = PostgresSource(server.url(database))
    first = capture(source)
    second = capture(source, first)
    assert (b"definitions", "") in second.kept
    assert first.text("definitions") == capture(source).text("definitions")
    server.run("COMMENT ON TABLE plain IS 'another'", database)
    third = capture(source, second)
    assert (b"definitions", "") in third.read
    server.run("COMMENT ON TABLE plain IS 'a comment with ''quotes'''", database)
