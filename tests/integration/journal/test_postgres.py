"""The journal in PostgreSQL keeps the whole contract, on real servers, and survives losing its connection."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.contracts.journal_contract import JournalContract, Opener, line, run_of
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.journal.base import Journal, JournalFailed, RunQuery
from holdfast.journal.postgres import SCHEMA, PostgresJournal
from holdfast.journal.schema import VERSION
from holdfast.model.errors import NewerFormat
from holdfast.wiring import load
from holdfast.wiring.journals import open_journal
from holdfast.wiring.surroundings import Surroundings


def opened(server: PostgresServer, database: str) -> PostgresJournal:
    """A client of the journal in that database."""
    url = f"postgresql://postgres@127.0.0.1:{server.port}/{database}"
    return PostgresJournal(url, {**conninfo_to_dict(url), "password": server.password})


class TestPostgresJournal(JournalContract):
    """In a schema of its own, on the oldest and the newest version."""

    @pytest.fixture(params=["15", "18"])
    def opener(self, request: pytest.FixtureRequest) -> Iterator[Opener]:
        """A database of its own."""
        server = shared_server(request.param)
        self.secrets = (server.password,)
        with fresh_database(server) as name:
            self.place = (server, name)
            yield lambda: opened(server, name)

    def ask(self, journal: Journal, statement: str) -> Sequence[Any]:
        """Another connection, that has the schema in its path."""
        server, name = self.place
        return server.run(f"set search_path to {SCHEMA}; {statement}", name)


@pytest.fixture
def place() -> Iterator[tuple[PostgresServer, str]]:
    """An empty database of the newest version."""
    server = shared_server("18")
    with fresh_database(server) as name:
        yield server, name


def test_a_lost_connection_is_made_anew(place: tuple[PostgresServer, str]) -> None:
    """A server that was started anew, or an administrator, ends connections: the next word finds a new one."""
    server, name = place
    journal = opened(server, name)
    journal.put(run_of(1))
    server.run(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
    time.sleep(0.1)
    journal.put(run_of(2))
    assert len(journal.runs(RunQuery()).runs) == 2
    journal.close()


def test_many_clients_make_the_tables_at_once(place: tuple[PostgresServer, str]) -> None:
    """Begun at the same moment on an empty database."""
    server, name = place
    with ThreadPoolExecutor(8) as pool:
        journals = list(pool.map(lambda _: opened(server, name), range(8)))
    journals[0].put(run_of(1))
    assert journals[7].get(run_of(1).id) is not None
    for journal in journals:
        journal.close()
    assert server.run(f"select number from {SCHEMA}.version", name) == [(VERSION,)]


def test_a_journal_of_a_later_version_is_left_alone(place: tuple[PostgresServer, str]) -> None:
    """It is refused with what to do."""
    server, name = place
    opened(server, name).close()
    server.run(f"update {SCHEMA}.version set number = {VERSION + 1}", name)
    with pytest.raises(NewerFormat, match="newer holdfast"):
        opened(server, name)


def test_a_server_that_is_not_there_is_told_within_seconds() -> None:
    """Without a password in it."""
    began = time.monotonic()
    with pytest.raises(JournalFailed) as caught:
        PostgresJournal("postgresql://ada@127.0.0.1:1/x", {"host": "127.0.0.1", "port": 1, "password": "s3cret"})
    assert time.monotonic() - began < 6
    assert "s3cret" not in str(caught.value) and "127.0.0.1:1" in caught.value.where


def test_locked_tables_are_given_up_and_mend_themselves(place: tuple[PostgresServer, str]) -> None:
    """Nobody waits long for a journal."""
    server, name = place
    journal = opened(server, name)
    run = run_of(1)
    journal.put(run)
    with server.connect(name, autocommit=False) as other:
        other.execute(f"lock table {SCHEMA}.log in access exclusive mode".encode())
        began = time.monotonic()
        with pytest.raises(JournalFailed):
            journal.write(run.id, [line(1)])
        assert time.monotonic() - began < 8
        other.rollback()
    journal.write(run.id, [line(1)])
    assert len(journal.lines(run.id)) == 1
    journal.close()


def test_a_role_that_may_only_read_can_ask_the_views(place: tuple[PostgresServer, str]) -> None:
    """Rights on the schema and its views are enough for a dashboard of somebody else's."""
    server, name = place
    journal = opened(server, name)
    journal.put(run_of(1))
    journal.close()
    role = f"looker_{name[-8:]}"
    server.run(f"create role {role} login password 'look'")
    try:
        server.run(f"grant usage on schema {SCHEMA} to {role}; grant select on {SCHEMA}.success_rate to {role}", name)
        with psycopg.connect(server.url(name, user=role, password="look")) as connection:
            found = connection.execute(f"select runs from {SCHEMA}.success_rate".encode()).fetchone()
        assert found == (1,)
    finally:
        server.run(f"drop owned by {role}", name)
        server.run(f"drop role {role}")


def test_one_line_of_the_configuration_puts_it_there(place: tuple[PostgresServer, str], tmp_path: Path) -> None:
    """The password comes by reference, and is known to the redactor from then on."""
    server, name = place
    (tmp_path / "holdfast.toml").write_text(
        '[repository]\nurl = "./repo"\n[journal]\n'
        f'url = "postgresql://postgres@127.0.0.1:{server.port}/{name}"\npassword = "env:JOURNAL_PASSWORD"\n'
    )
    around = Surroundings(environ={"HOME": str(tmp_path), "JOURNAL_PASSWORD": server.password}, folder=tmp_path)
    configuration = load.load(tmp_path / "holdfast.toml", around)
    journal = open_journal(configuration)
    journal.put(run_of(1))
    assert server.run(f"select count(*) from {SCHEMA}.runs", name) == [(1,)]
    assert server.password not in journal.url and server.password not in around.redactor.clean(server.password)
    journal.close()
