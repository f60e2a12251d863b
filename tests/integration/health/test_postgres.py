"""What only a real server can show: another database of the same name, new tables, a repository beside its source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.world import cheap_keys
from tests.integration.health.world import PASSPHRASE, Shop
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.model.report import Level
from holdfast.model.secret import split_password
from holdfast.repository.repository import Places, Repository
from holdfast.storage.registry import open_storage
from holdfast.wiring.build import App
from holdfast.wiring.journals import open_journal
from holdfast.wiring.load import from_text
from holdfast.wiring.surroundings import Surroundings


@pytest.fixture
def server() -> PostgresServer:
    """One that is there for all tests."""
    return shared_server("16")


@contextlib.contextmanager
def _opened(folder: Path, url: str, more: str = "", repository: str = "") -> Iterator[Shop]:
    cheap_keys()
    bare, password = split_password(url)
    place, _ = split_password(repository or str(folder / "repository"))
    if not (folder / "made").exists():
        places = Places(cache=folder / "maker", state=folder / "maker")
        Repository.create(open_storage(place, credentials={}, password=password), PASSPHRASE, places)[0].close()
        (folder / "made").touch()
    environ = {"HOLDFAST_PASSPHRASE": PASSPHRASE, "HOME": str(folder), "HOLDFAST_STATE_DIR": str(folder / "state"),
               "HOLDFAST_CACHE_DIR": str(folder / "cache"), "PATH": "/usr/bin:/bin",
               "PW": password or ""}  # fmt: skip
    secret = 'password = "env:PW"\n'
    head = f'[repository]\nurl = "{place}"\n{secret if repository else ""}'
    text = f'{head}[sources.shop]\nurl = "{bare}"\n{secret}{more}\n'
    found = from_text(text, folder / "holdfast.toml", Surroundings(environ=environ, folder=folder))
    with (
        contextlib.closing(App(found, ask=lambda _url: None)) as app,
        contextlib.closing(open_journal(found)) as journal,
    ):
        yield Shop(folder, app, journal)


def test_another_database_under_the_same_name_is_found_by_what_the_server_says(
    tmp_path: Path, server: PostgresServer
) -> None:
    """Dropped and made again with as many rows: nothing else differs."""
    schema = "create table t (x int); insert into t select generate_series(1, 100)"
    with fresh_database(server) as name:
        server.run(schema, name)
        with _opened(tmp_path, server.url(name)) as shop:
            shop.back_up()
            shop.back_up()
            assert shop.report().level is Level.FRESH
            server.drop_database(name)
            server.create_database(name)
            server.run(schema, name)
            shop.back_up()
            assert (shop.report().level, "other-source" in shop.codes()) == (Level.UNPROTECTED, True)


def test_a_new_table_that_nobody_chose_and_databases_nobody_names_are_found(
    tmp_path: Path, server: PostgresServer
) -> None:
    """What was left out from the beginning is known, what appears later is a warning."""
    with fresh_database(server) as name, fresh_database(server) as other:
        server.run("create table chosen (x int); create table left_out (x int); insert into chosen values (1)", name)
        with _opened(tmp_path, server.url(name), 'tables = ["public.chosen"]') as shop:
            shop.back_up()
            assert {"left-out", "neighbours"} <= shop.codes() and "unprotected" not in shop.codes()
            assert shop.report().level is Level.FRESH
            neighbours = (shop.app.repository.snapshots()[0].info.more or {})["neighbours"]
            assert other in neighbours and name not in neighbours
            server.run("create table orders (x int)", name)
            shop.back_up()
            found = next(each for each in shop.source().findings if each.code == "unprotected")
            assert "public.orders" in found.what and "left_out" not in found.what
            assert shop.report().level is Level.UNPROTECTED


def test_a_repository_on_the_server_of_its_source_is_told(tmp_path: Path, server: PostgresServer) -> None:
    """By status, not only by the doctor."""
    with fresh_database(server) as name, fresh_database(server) as store:
        server.run("create table t (x int)", name)
        place = server.url(store)
        place += ("&" if "?" in place else "?") + "table=backups"
        with _opened(tmp_path, server.url(name), repository=place) as shop:
            shop.back_up()
            assert "apart" in shop.codes()
