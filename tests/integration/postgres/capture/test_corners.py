"""Encodings, extensions, many tables, large objects that did not change, readers that die."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.integration.postgres.capture.draining import capture
from tests.servers.postgres import PostgresServer, fresh_database, postgres_server, shared_server

from holdfast.model.errors import SourceError
from holdfast.sources.postgres import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=("15", "16", "18"))
def server(request: pytest.FixtureRequest) -> PostgresServer:
    return shared_server(request.param)


@pytest.mark.parametrize(("encoding", "row"), [
    ("LATIN1", b"caf\xe9\n"), ("EUC_JP", b"\xc6\xfc\xcb\xdc\n"), ("SQL_ASCII", b"bad \xff\xfe bytes\n"),
])
def test_rows_are_in_the_encoding_of_the_database(server: PostgresServer, encoding: str, row: bytes) -> None:
    """No conversion takes place, and names that are not ASCII are found in every encoding."""
    options = f"ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'"
    with fresh_database(server, options=options) as name:
        letter = b"\xc6\xfc" if encoding == "EUC_JP" else b"\xe9"
        with server.connect(name, client_encoding=encoding) as connection:
            value = row.strip().replace(b"\xff", b"\\xff").replace(b"\xfe", b"\\xfe")
            table = b'"t' + letter + b'"'
            connection.pgconn.exec_(
                b"CREATE TABLE " + table + b" (v text); INSERT INTO " + table + b" VALUES (E'" + value + b"')"
            )
        saved = capture(PostgresSource(server.url(name)))
        label = b'public."t' + letter + b'"'
        if encoding != "SQL_ASCII":
            label = label.decode({"LATIN1": "latin-1", "EUC_JP": "euc-jp"}[encoding]).encode()
        item = saved.stored[label]
        assert b"".join(saved.read_segment(one) for one in item.segments) == row
        assert saved.learned.notes["encoding"] == encoding


def test_extension_tables_keep_what_the_user_put_there(tmp_path: Path) -> None:
    """Rows an extension marks as configuration are saved by its own condition; its other tables are not."""
    (tmp_path / "extension").mkdir()
    tmp_path.chmod(0o755)
    for one in (tmp_path, *tmp_path.parents):
        if os.stat(one).st_uid == os.getuid() and str(one).startswith("/tmp/"):
            one.chmod(one.stat().st_mode | 0o055)
    (tmp_path / "extension" / "hfx.control").write_text("default_version = '1'\nrelocatable = true\n")
    (tmp_path / "extension" / "hfx--1.sql").write_text(
        "CREATE TABLE hfx_conf (k text, own bool); CREATE TABLE hfx_data (v int);"
        "INSERT INTO hfx_conf VALUES ('built in', false); INSERT INTO hfx_data VALUES (1);"
        "SELECT pg_catalog.pg_extension_config_dump('hfx_conf', E'WHERE own\\n AND k <> '':a \\\\ b''');"
    )
    with postgres_server("18", settings={"extension_control_path": f"$system:{tmp_path}"}) as server:
        server.run("CREATE EXTENSION hfx; INSERT INTO hfx_conf VALUES ('mine', true), (':a \\ b', true)")
        saved = capture(PostgresSource(server.url()))
        assert saved.stored[b"public.hfx_conf"].kind == "extension_config"
        assert saved.text("public.hfx_conf") == b"mine\tt\n"
        assert b"public.hfx_data" not in saved.stored
        assert ["hfx", "1"] in saved.learned.notes["extensions"]


def test_thousands_of_tables_travel_through_few_sessions(server: PostgresServer) -> None:
    """Each comes out whole; the second time each is kept, and what changed is read."""
    with fresh_database(server) as name:
        server.run(
            "DO $$ BEGIN FOR i IN 1..600 LOOP EXECUTE format('CREATE TABLE t%s (id int, v text)', i); EXECUTE "
            "format('INSERT INTO t%s SELECT g, %L FROM generate_series(1, %s) g', i, 'row of ' || i, i % 7); "
            "END LOOP; END $$", name,
        )
        first = capture(PostgresSource(server.url(name)))
        tables = {n: one for n, one in first.stored.items() if one.kind == "table"}
        assert len(tables) == 600
        assert all(tables[f"public.t{i}".encode()].rows == i % 7 for i in range(1, 601))
        assert first.text("public.t6") == b"".join(b"%d\trow of 6\n" % n for n in range(1, 7))
        server.run("UPDATE t6 SET v = 'new'", name)
        second = capture(PostgresSource(server.url(name)), first)
        assert [n for n, _ in second.read if n.startswith(b"public.")] == [b"public.t6"]
        assert second.stored.keys() == first.stored.keys()


def test_large_objects_that_did_not_change_are_kept(server: PostgresServer) -> None:
    """Their pages are rows like any others; a write to one is noticed."""
    with fresh_database(server) as name:
        server.run("SELECT lo_from_bytea(0, decode(repeat('ab', 3000), 'hex')) FROM generate_series(1, 1500)", name)
        first = capture(PostgresSource(server.url(name)))
        second = capture(PostgresSource(server.url(name)), first)
        kept = [key for item, key in second.kept if item == b"largeobjects"]
        assert kept == [one.key for one in first.stored[b"largeobjects"].segments if one.key != "meta"]
        assert len(second.text("largeobjects").splitlines()) == 1500 * 3
        server.run("SELECT lo_put(max(oid), 0, '\\x00') FROM pg_largeobject_metadata", name)
        third = capture(PostgresSource(server.url(name)), second)
        assert any(item == b"largeobjects" and key != "meta" for item, key in third.read)


def test_a_reader_that_dies_fails_the_capture(server: PostgresServer) -> None:
    """Half the rows of a table are no table."""
    with fresh_database(server) as name:
        server.run("CREATE TABLE t AS SELECT g, repeat('x', 500) FROM generate_series(1, 200000) g", name)

        def kill() -> None:
            mine = subprocess.run(["pgrep", "-P", str(os.getpid()), "psql"], capture_output=True, check=True)
            for pid in mine.stdout.split():
                os.kill(int(pid), signal.SIGKILL)

        source = PostgresSource(server.url(name))
        killed = _KillOnce(kill)
        with pytest.raises(SourceError, match=r"public\.t"):
            capture(source, on_block=killed)
        assert killed.done


def test_ending_the_session_of_a_reader_fails_the_capture(server: PostgresServer) -> None:
    """The error names the table and what the server said."""
    with fresh_database(server) as name:
        server.run("CREATE TABLE t AS SELECT g, repeat('x', 500) FROM generate_series(1, 200000) g", name)

        def end() -> None:
            server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND "
                f"datname = '{name}' AND pid <> pg_backend_pid()", name,
            )

        with pytest.raises(SourceError, match="administrator command"):
            capture(PostgresSource(server.url(name)), on_block=_KillOnce(end))


class _KillOnce:
    """Does harm at the first large block."""

    def __init__(self, harm: object) -> None:
        self._harm = harm
        self.done = False

    def __call__(self, size: int) -> None:
        if size > 60000 and not self.done:
            self.done = True
            self._harm()  # type: ignore[operator]


@pytest.fixture(autouse=True)
def nothing_stays_behind() -> Iterator[None]:
    """Whatever happened, no child of ours is left."""
    yield
    left = subprocess.run(["pgrep", "-P", str(os.getpid()), "-x", "psql|pg_dump"], capture_output=True, check=False)
    assert left.stdout == b""
