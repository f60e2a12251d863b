"""A MongoDB database from the first command to undo, by the installed program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.program import Site
from tests.servers.mongodb import MongoServer, fresh, shared

PASSWORD = "in-no-output-at-all"


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database with orders and a view."""
    server, name = shared(), fresh("shop")
    with server.database(name) as base:
        base.orders.insert_many([{"_id": n, "total": n * 1.5} for n in range(500)])
        base.orders.create_index("total")
        base.command("create", "large", viewOn="orders", pipeline=[{"$match": {"total": {"$gt": 600}}}])
    yield server, name
    with server.client() as client:
        for each in client.list_database_names():
            if each.startswith(name):
                client.drop_database(each)


def test_backup_restore_and_undo(tmp_path_factory: pytest.TempPathFactory, database: tuple[MongoServer, str]) -> None:
    """init, backup, restore beside, restore in place, undo; the second backup stores next to nothing."""
    server, name = database
    site = Site(tmp_path_factory.mktemp("site"))
    site.ok("init", "--repository", "./backups", "--source", f"shop={server.url(name)}")
    (first,) = site.ok("backup")["snapshots"]
    assert (first["rows"], first["status"], first["kind"]) == (500, "complete", "mongodb")
    assert first["bytes_source"] > 500 * 20
    before = server.raw(name, "orders")
    with server.database(name) as base:
        base.orders.delete_many({"_id": {"$lt": 100}})
        base.orders.update_one({"_id": 200}, {"$set": {"total": -1}})
    changed = server.raw(name, "orders")
    (second,) = site.ok("backup")["snapshots"]
    assert second["bytes_stored"] < first["bytes_stored"]
    site.ok("restore", first["id"], "--to", f"{name}_copy", "--verify", "content")
    assert server.raw(f"{name}_copy", "orders") == before
    done = site.ok("restore", first["id"], "--in-place", "--overwrite", "--yes")
    assert sorted(server.raw(name, "orders")) == sorted(before)
    site.ok("undo", done["run"], "--yes")
    assert sorted(server.raw(name, "orders")) == sorted(changed)
    assert site.ok("check")


def test_a_password_moves_out_of_the_url_and_is_never_shown(
    tmp_path_factory: pytest.TempPathFactory, database: tuple[MongoServer, str]
) -> None:
    """In the configuration a reference, in errors nothing."""
    server, name = database
    site = Site(tmp_path_factory.mktemp("site"))
    url = f"mongodb://app:{PASSWORD}@127.0.0.1:{server.port}/{name}"
    done = site.run("init", "--repository", "./backups", "--source", f"shop={url}")
    told = [done]
    assert PASSWORD not in (site.folder / "holdfast.toml").read_text()
    assert (site.folder / "secrets" / "shop.password").read_text().strip() == PASSWORD
    told += [site.run(*command) for command in (("backup",), ("doctor",), ("config", "show"), ("backup", "--json"))]
    assert not [each for each in told if PASSWORD in each.out + each.err]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('tables = ["a"]', "tables has no meaning for a mongodb: source"),
        ('collections = "a"', "collections must be a list"),
        ('password = "hunter22"', "referred to"),
    ],
)
def test_settings_that_make_no_sense_are_named(
    tmp_path_factory: pytest.TempPathFactory, line: str, words: str
) -> None:
    """A key of another kind, a value of another shape, a secret in the open."""
    site = Site(tmp_path_factory.mktemp("site"))
    (site.folder / "holdfast.toml").write_text(
        f'[repository]\nurl = "./b"\n\n[sources.shop]\nurl = "mongodb://127.0.0.1/shop"\n{line}\n'
    )
    done = site.run("config", "validate")
    assert done.status == 2
    assert words in done.err + done.out
    assert "hunter22" not in done.err + done.out
