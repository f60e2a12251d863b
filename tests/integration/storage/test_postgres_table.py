"""The table in PostgreSQL keeps the whole contract, on real servers, and survives losing its connections."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.contracts.storage_contract import Opener, StorageContract
from tests.servers.cutting_proxy import cutting_proxy
from tests.servers.postgres import PostgresServer, fresh_database, postgres_server, shared_server

from holdfast.model.errors import ObjectExists, ObjectMissing, StorageError, UsageError
from holdfast.storage.base import Storage
from holdfast.storage.registry import open_storage

PASSWORD = "marker pass/word@:?"


def address(server: PostgresServer, database: str, table: str = "holdfast") -> str:
    """A repository URL without the password."""
    return f"postgresql://postgres@127.0.0.1:{server.port}/{database}?table={table}"


class TestPostgres(StorageContract):
    """PostgreSQL of each version."""

    @pytest.fixture(params=["15", "16", "18"])
    def opener(self, request: pytest.FixtureRequest) -> Iterator[Opener]:
        """A table of its own."""
        server = shared_server(request.param)
        self.secrets = (server.password,)
        table = f"t_{secrets.token_hex(8)}"
        url = address(server, "postgres", table)
        yield lambda: open_storage(url, credentials={}, password=server.password)
        server.run(f"DROP TABLE IF EXISTS {table}")


@pytest.fixture
def server() -> PostgresServer:
    """The newest version."""
    return shared_server("18")


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    """An empty database."""
    with fresh_database(server) as name:
        yield name


@pytest.fixture
def storage(server: PostgresServer, database: str) -> Iterator[Storage]:
    """A store in it."""
    opened = open_storage(address(server, database), credentials={}, password=server.password)
    yield opened
    opened.close()


def cut_connections(server: PostgresServer, database: str) -> None:
    """End every other connection to the database."""
    server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")


def test_lost_connections_are_replaced(server: PostgresServer, database: str, storage: Storage) -> None:
    """Every method goes on after the server ended all connections."""
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: storage.put_new(f"a/{number}", b"x" * 1000), range(12)))
    for call in (
        lambda: storage.put_new("log/1", b"one"),
        lambda: storage.get("log/1"),
        lambda: storage.stat("log/1"),
        lambda: list(storage.list("")),
        lambda: storage.delete("a/1"),
    ):
        cut_connections(server, database)
        call()
    assert storage.get("log/1") == b"one"
    assert sum(1 for _ in storage.list("a/")) == 11


def test_a_write_whose_answer_was_lost_is_recognised(server: PostgresServer, database: str) -> None:
    """The server commits, the line is cut before it answers: the repetition finds its own object and succeeds."""
    with cutting_proxy(server.port) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}"
        storage = open_storage(url, credentials={}, password=server.password)
        storage.put_new("first", b"")
        proxy.cut_after(b"INSERT INTO")
        storage.put_new("log/1", b"ours")
        assert proxy.cuts == 1
        assert storage.get("log/1") == b"ours"
        with pytest.raises(ObjectExists):
            storage.put_new("log/1", b"ours")
        storage.close()


def test_a_name_taken_by_another_meanwhile_is_not_ours(server: PostgresServer, database: str) -> None:
    """The answer that was lost said that the name is taken; the repetition must not say otherwise."""
    with cutting_proxy(server.port) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}"
        storage = open_storage(url, credentials={}, password=server.password)
        storage.put_new("log/1", b"theirs")
        proxy.cut_after(b"INSERT INTO")
        with pytest.raises(ObjectExists):
            storage.put_new("log/1", b"ours")
        assert proxy.cuts == 1
        assert storage.get("log/1") == b"theirs"
        storage.close()


def test_writes_wait_for_the_disk_whatever_the_role_says(server: PostgresServer, database: str) -> None:
    """synchronous_commit may be off for the database; in the statement that writes it is on."""
    server.run(f'ALTER DATABASE "{database}" SET synchronous_commit = off')
    storage = open_storage(address(server, database), credentials={}, password=server.password)
    storage.put_new("first", b"")
    server.run(
        """
        CREATE TABLE seen (setting text);
        CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
        CREATE TRIGGER look AFTER INSERT OR DELETE ON holdfast FOR EACH ROW EXECUTE FUNCTION look();
        """,
        database,
    )
    storage.put_new("second", b"x")
    storage.delete("second")
    storage.close()
    assert server.run("SELECT setting FROM seen", database) == [("on",), ("on",)]


def test_reading_creates_nothing(server: PostgresServer, database: str, storage: Storage) -> None:
    """A mistyped table is not made by looking for a repository in it."""
    assert list(storage.list("")) == []
    with pytest.raises(ObjectMissing):
        storage.get("holdfast.json")
    storage.delete("holdfast.json")
    assert server.run("SELECT count(*) FROM pg_class WHERE relname = 'holdfast'", database) == [(0,)]


def test_a_table_in_a_schema_and_hostile_names(server: PostgresServer, database: str) -> None:
    """Names are quoted; what cannot be a name is refused."""
    server.run("CREATE SCHEMA \"Safe-keep\"", database)
    url = address(server, database, "Safe-keep.select")
    storage = open_storage(url, credentials={}, password=server.password)
    storage.put_new("a", b"x")
    storage.close()
    assert server.run('SELECT name FROM "Safe-keep"."select"', database) == [("a",)]
    for table in ('x"; DROP TABLE y', "a.b.c", "", "a b", "é"):
        with pytest.raises(UsageError):
            open_storage(address(server, database, table), credentials={}, password="x")


def test_passwords_of_every_shape_open_the_store_and_show_nowhere(server: PostgresServer, database: str) -> None:
    """In the URL, percent-encoded, or given beside it; wrong ones are told without being shown."""
    server.run(f"DROP ROLE IF EXISTS keeper; CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'", database)
    server.run("GRANT CREATE, USAGE ON SCHEMA public TO keeper", database)
    place = f"127.0.0.1:{server.port}/{database}"
    encoded = "marker%20pass%2Fword%40%3A%3F"
    for url, password in (
        (f"postgresql://keeper@{place}?table=one", PASSWORD),
        (f"postgresql://keeper:{encoded}@{place}?table=one", None),
        (f"postgres://{place}?user=keeper&table=one&password={encoded}&sslmode=disable", None),
    ):
        storage = open_storage(url, credentials={}, password=password)
        storage.delete("a")
        storage.put_new("a", b"x")
        assert "marker" not in storage.url + repr(storage)
        storage.close()
    wrong = open_storage(f"postgresql://keeper:marker-wrong@{place}", credentials={})
    with pytest.raises(StorageError) as caught:
        wrong.put_new("a", b"x")
    assert "password authentication failed" in caught.value.why
    assert "marker" not in f"{caught.value}{caught.value.__cause__}"
    for url in (f"postgresql://u:marker@[{place}", f"postgresql://u:marker@{place}?nonsense=1"):
        with pytest.raises(UsageError) as refused:
            open_storage(url, credentials={})
        assert "marker" not in str(refused.value)


def test_a_role_that_may_not_write_is_told_what_it_needs(server: PostgresServer, database: str) -> None:
    """With the statement that mends it, at once."""
    server.run("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'x'", database)
    server.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database)
    url = f"postgresql://reader@127.0.0.1:{server.port}/{database}"
    storage = open_storage(url, credentials={}, password="x")
    with pytest.raises(StorageError, match="GRANT") as caught:
        storage.put_new("a", b"x")
    assert not caught.value.retryable
    storage.close()


def test_a_restarted_server_is_waited_for() -> None:
    """Killed and started again while a write is under way: the write arrives."""
    with postgres_server("18", fsync=True) as server:
        storage = open_storage(address(server, "postgres"), credentials={}, password=server.password)
        storage.put_new("a/1", b"one")
        server.kill9()
        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(storage.put_new, "a/2", b"two")
            time.sleep(0.5)
            server.start()
            writing.result()
        assert [storage.get(f"a/{number}") for number in (1, 2)] == [b"one", b"two"]
        storage.close()


def test_an_unreachable_server_is_told_at_once() -> None:
    """The first connection is not repeated for half a minute: most often the address is wrong."""
    storage = open_storage("postgresql://u@127.0.0.1:1/x", credentials={}, password="marker")
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        storage.get("holdfast.json")
    assert caught.value.hint
    assert "marker" not in str(caught.value)
