"""Servers that cannot be reached, roles that may not, poolers in between: said clearly, and nothing is left out."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from tests.integration.postgres.capture.draining import capture
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.model.errors import HoldfastError, SourceError
from holdfast.sources.postgres import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKER = "m4rk:er\\pass'word"
READER = "careful reader"


@pytest.fixture(params=("15", "18"))
def place(request: pytest.FixtureRequest) -> Iterator[tuple[PostgresServer, str]]:
    server = shared_server(request.param)
    with fresh_database(server) as name:
        server.run(
            "CREATE TABLE open_to_all (id int); INSERT INTO open_to_all VALUES (1); "
            "CREATE TABLE hidden (id int); CREATE SEQUENCE seq; SELECT lo_from_bytea(4711, 'abc')", name,
        )
        secret = MARKER.replace("'", "''")
        server.run(f"""CREATE ROLE "{READER}" LOGIN PASSWORD '{secret}'""")
        yield server, name
    server.run(f'DROP ROLE "{READER}"')


def as_reader(place: tuple[PostgresServer, str], password: str = MARKER) -> PostgresSource:
    server, name = place
    return PostgresSource(server.url(name, user=READER, password=password))


def test_a_password_is_in_no_error_and_no_url(place: tuple[PostgresServer, str]) -> None:
    """Wrong password, missing database, missing server: the secret shows nowhere."""
    server, name = place
    url = server.url(name, user=READER, password=MARKER + "wrong")
    closed = server.url(name, user=READER, password=MARKER).replace(f":{server.port}/", ":1/")
    for wrong, words in ((url, "did not accept the password"), (closed, "cannot be reached"),
                         (server.url("no such", user=READER, password=MARKER), "no such database")):
        source = PostgresSource(wrong)
        with pytest.raises(SourceError) as caught:
            capture(source)
        assert words in str(caught.value)
        assert caught.value.hint
        for text in (str(caught.value), repr(caught.value), source.url, repr(source.options)):
            assert "m4rk" not in text


def test_a_table_that_may_not_be_read_is_never_left_out_silently(place: tuple[PostgresServer, str]) -> None:
    """The error names the tables and the grant; leaving them out is the user's own word."""
    server, name = place
    server.run(f'GRANT SELECT ON open_to_all, seq TO "{READER}"', name)
    with pytest.raises(SourceError) as caught:
        capture(as_reader(place))
    assert "public.hidden" in str(caught.value)
    assert "GRANT" in caught.value.hint
    assert READER in caught.value.hint


def test_least_privilege_is_enough(place: tuple[PostgresServer, str]) -> None:
    """pg_read_all_data reads everything there is, large objects too, and writes nothing but the token."""
    server, name = place
    server.run(f'GRANT pg_read_all_data TO "{READER}"', name)
    saved = capture(as_reader(place))
    assert saved.text("public.open_to_all") == b"1\n"
    assert b"4711\t0\t\\\\x616263" in saved.text("largeobjects")
    assert saved.learned.notes["token"] == ""
    assert saved.learned.not_protected == []
    again = capture(as_reader(place), saved)
    assert (b"definitions", "") in again.kept


def test_plain_grants_are_enough_and_the_rest_is_listed(place: tuple[PostgresServer, str]) -> None:
    """Without any special role: tables by grant, large objects one by one, passwords listed as unprotected."""
    server, name = place
    server.run(
        f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{READER}"; GRANT SELECT ON seq TO "{READER}"', name
    )
    with pytest.raises(SourceError, match="4711"):
        capture(as_reader(place))
    server.run(f'GRANT SELECT ON LARGE OBJECT 4711 TO "{READER}"; CREATE SCHEMA holdfast_continuity '
               f'AUTHORIZATION "{READER}"', name)
    try:
        saved = capture(as_reader(place))
        pages = saved.stored[b"largeobjects"].segments
        assert [saved.read_segment(one) for one in pages[1:]] == [b"4711\t0\t\\\\x616263\n"]
        assert any("passwords" in line for line in saved.learned.not_protected)
        assert b"PASSWORD" not in saved.text("roles")
        assert f'CREATE ROLE "{READER}"'.encode() in saved.text("roles")
        assert saved.learned.notes["token"]
        again = capture(as_reader(place), saved)
        assert (b"definitions", "") in again.kept
    finally:
        server.run(f'DROP OWNED BY "{READER}"', name)


def test_a_superuser_saves_passwords_as_the_server_keeps_them(place: tuple[PostgresServer, str]) -> None:
    """They go into the snapshot as SCRAM verifiers, one statement a line."""
    server, name = place
    server.run(
        f'ALTER ROLE "{READER}" SET search_path = "$user", public; ALTER ROLE "{READER}" VALID UNTIL \'2099-01-01\';'
        f'GRANT pg_monitor TO "{READER}" WITH ADMIN OPTION; GRANT CONNECT ON DATABASE "{name}" TO "{READER}";'
        f"ALTER DATABASE \"{name}\" SET work_mem = '5MB'; COMMENT ON ROLE \"{READER}\" IS E'two\nlines'"
    )
    text = capture(PostgresSource(server.url(name))).text("roles").decode()
    assert all(line.endswith(";") for line in text.splitlines())
    assert "PASSWORD 'SCRAM-SHA-256$" in text
    assert f'ALTER ROLE "{READER}" SET "search_path" TO "$user", public;' in text
    assert f'GRANT "pg_monitor" TO "{READER}" WITH ADMIN' in text
    assert f'ALTER DATABASE "{name}" SET "work_mem" TO \'5MB\';' in text
    assert f'GRANT CONNECT ON DATABASE "{name}" TO "{READER}";' in text
    assert f"COMMENT ON ROLE \"{READER}\" IS E'two\\nlines';" in text
    with server.connect(name) as connection:
        connection.execute(b"BEGIN")
        for line in text.splitlines():
            if not line.startswith("CREATE ROLE"):
                connection.execute(line.encode())
        connection.execute(b"ROLLBACK")
    server.run(f'REVOKE pg_monitor FROM "{READER}"; REVOKE ALL ON DATABASE "{name}" FROM "{READER}"')


def test_hidden_rows_are_an_error(place: tuple[PostgresServer, str]) -> None:
    """Row security would leave rows out without a word; the remedy is named."""
    server, name = place
    server.run(f'ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; GRANT pg_read_all_data TO "{READER}"', name)
    with pytest.raises(SourceError, match="row security") as caught:
        capture(as_reader(place))
    assert "public.hidden" in caught.value.why
    assert "BYPASSRLS" in caught.value.hint


def test_doctor_finds_what_is_wrong_and_mends_it(place: tuple[PostgresServer, str]) -> None:
    """Findings carry the statement that mends them; nothing in the database changes."""
    server, name = place
    findings = as_reader(place).examine()
    (bad,) = [one for one in findings if one.level == "fail"]
    assert "hidden" in bad.what
    assert "pg_read_all_data" in bad.mend
    good = PostgresSource(server.url(name)).examine()
    assert not [one for one in good if one.level == "fail"]
    assert any("superuser" in one.what for one in good if one.level == "warn")
    wrong = PostgresSource(server.url(name, password="wrong")).examine()
    assert [one.level for one in wrong] == ["fail"]
    assert server.run("SELECT to_regnamespace('holdfast_continuity')::text", name) == [(None,)]


def test_no_password_is_in_a_process_list(place: tuple[PostgresServer, str]) -> None:
    """Children are told who they are by a private file, not by their arguments."""
    server, name = place
    server.run(f'GRANT pg_read_all_data TO "{READER}"; SELECT lo_unlink(4711)', name)
    server.run("INSERT INTO open_to_all SELECT generate_series(1, 300000)", name)
    seen: list[str] = []

    def look() -> None:
        seen.append(subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout.decode())

    capture(as_reader(place), between=look, before_finish=look)
    assert all("m4rk" not in text for text in seen)


@pytest.fixture
def pooled(place: tuple[PostgresServer, str], tmp_path: Path) -> Iterator[str]:
    """A URL through pgbouncer in transaction mode."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("not proven: behaviour behind pgbouncer: the program is not installed")
    server, name = place
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = server.folder / f"bouncer-{port}"
    folder.mkdir()
    (folder / "users").write_text(f'"postgres" "{server.password}"\n')
    (folder / "conf").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr=127.0.0.1\n"
        f"listen_port={port}\nauth_type=plain\nauth_file={folder}/users\npool_mode=transaction\n"
        f"unix_socket_dir=\nlogfile={folder}/log\n"
    )
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    subprocess.run(["chmod", "a+rx", server.folder], check=True)
    running = subprocess.Popen([program, "-u", "nobody", str(folder / "conf")], stderr=subprocess.DEVNULL)
    try:
        url = server.url(name).replace(f":{server.port}/", f":{port}/")
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        running.terminate()
        running.wait(10)


def test_a_pooler_is_refused_before_anything_is_set(pooled: str, place: tuple[PostgresServer, str]) -> None:
    """The direct address is asked for, and no setting leaks into the application's sessions."""
    with pytest.raises(HoldfastError, match="pooler") as caught:
        capture(PostgresSource(pooled))
    assert "direct" in caught.value.hint
    shown = subprocess.run(
        [place[0].bin / "psql", "-XAtw", pooled, "-c", "SHOW search_path"], capture_output=True, check=True
    )
    assert b"public" in shown.stdout


def test_doctor_names_tables_and_grants_although_the_token_schema_is_closed(place: tuple[PostgresServer, str]) -> None:
    """A schema made by another role is a warning with its grants; no role that exists is made again."""
    server, name = place
    server.run(
        "CREATE SCHEMA holdfast_continuity; CREATE TABLE holdfast_continuity.token"
        " (token text PRIMARY KEY, written timestamptz NOT NULL DEFAULT now())", name,
    )
    findings = as_reader(place).examine()
    (bad,) = [one for one in findings if one.level == "fail"]
    assert "public.hidden" in bad.what and "CREATE ROLE" not in bad.mend
    (closed,) = [one for one in findings if "continuity" in one.what]
    assert closed.level == "warn" and closed.mend.count("GRANT") == 2
    server.run(f'GRANT pg_read_all_data TO "{READER}"; ' + closed.mend, name)
    findings = as_reader(place).examine()
    assert [one.level for one in findings if "continuity" in one.what] == ["ok"]
    assert capture(as_reader(place)).learned.notes["token"]
    server.run(f'DROP OWNED BY "{READER}"', name)


def test_a_connection_the_server_ends_is_told_in_words(place: tuple[PostgresServer, str]) -> None:
    """What, why and what to do; nothing of how psql prints errors."""
    server, name = place
    server.run("INSERT INTO open_to_all SELECT generate_series(1, 300000)", name)

    def end() -> None:
        server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    with pytest.raises(SourceError, match="the server ended the connection") as caught:
        capture(PostgresSource(server.url(name)), between=end)
    assert caught.value.why and caught.value.hint and caught.value.retryable
    assert "LOCATION" not in str(caught.value)
