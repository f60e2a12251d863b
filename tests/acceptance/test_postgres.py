"""The main job on a real PostgreSQL database, with the installed program."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from tests.acceptance.program import Site
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

SCHEMA = """
CREATE SCHEMA crm;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE venues (id serial PRIMARY KEY, name text UNIQUE NOT NULL, feels mood DEFAULT 'good');
CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, venue int REFERENCES venues, title text,
                     price numeric(10, 2), extra jsonb, at timestamptz);
CREATE TABLE crm."Odd ""name"" " (k text, v bytea);
CREATE INDEX ON events (title);
CREATE VIEW cheap AS SELECT * FROM events WHERE price < 10;
INSERT INTO venues (name, feels) SELECT 'venue ' || n, CASE WHEN n % 2 = 0 THEN 'bad'::mood ELSE 'good' END
  FROM generate_series(1, 50) n;
INSERT INTO events (venue, title, price, extra, at)
  SELECT 1 + n % 50, 'event ' || md5(n::text), n % 100, jsonb_build_object('n', n, 's', repeat('x', n % 50)),
         '2026-01-01'::timestamptz + n * interval '1 minute' FROM generate_series(1, 20000) n;
INSERT INTO crm."Odd ""name"" " SELECT E'a\\tb\\n\\\\' || n, decode(md5(n::text), 'hex') FROM generate_series(1, 100) n;
"""

TABLES = ("public.venues", "public.events", 'crm."Odd ""name"" "')


class Shop:
    """A database with content, and holdfast pointed at it."""

    def __init__(self, site: Site, server: PostgresServer, database: str) -> None:
        self.site, self.server, self.database = site, server, database
        server.run(SCHEMA, database)

    def content(self, database: str | None = None) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table, and what the sequences would give next."""
        place = database or self.database
        found = {table: self.server.run(f"SELECT t::text FROM {table} t ORDER BY 1", place) for table in TABLES}
        found["sequences"] = self.server.run("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1", place)
        return found


@pytest.fixture(params=["15", "16", "18"])
def shop(request: pytest.FixtureRequest, empty_site: Site) -> Iterator[Shop]:
    """On each server version."""
    server = shared_server(request.param)
    with fresh_database(server) as database:
        made = Shop(empty_site, server, database)
        empty_site.ok("init", "--repository", "./backups", "--source", f"shop={server.url(database)}")
        yield made


def test_a_database_comes_back_row_by_row(shop: Shop) -> None:
    """Into a new database, then in place after a table was dropped and rows were deleted."""
    before = shop.content()
    made = shop.site.ok("backup")
    assert made["snapshots"][0]["status"] == "complete"
    assert made["snapshots"][0]["rows"] == 20150
    unchanged = shop.site.ok("backup")["snapshots"][0]
    assert unchanged["bytes_stored"] < made["snapshots"][0]["bytes_stored"] / 5
    restored = shop.site.ok("restore", "latest:shop", "--verify=content")
    copy = restored["target"].rpartition("/")[2].partition("?")[0]
    try:
        assert restored["verified"] is True
        assert copy != shop.database
        assert shop.content(copy) == before
    finally:
        shop.server.drop_database(copy)


def test_a_damaged_database_is_mended_in_place_and_the_mending_undone(shop: Shop) -> None:
    """--in-place brings back what is missing, --exact makes it what it was, undo takes it back."""
    before = shop.content()
    shop.site.ok("backup")
    shop.server.run('DROP TABLE crm."Odd ""name"" "; DELETE FROM events WHERE id % 7 = 0', shop.database)
    shop.server.run("UPDATE events SET title = 'broken' WHERE id % 11 = 0", shop.database)
    broken = shop.server.run("SELECT t::text FROM events t ORDER BY 1", shop.database)
    planned = shop.site.ok("restore", "latest:shop", "--in-place", "--exact", "--dry-run")
    assert any(item["action"] == "create" for item in planned["items"])
    assert shop.server.run("SELECT t::text FROM events t ORDER BY 1", shop.database) == broken
    done = shop.site.ok("restore", "latest:shop", "--in-place", "--exact", "--yes")
    assert done["verified"] is True
    assert shop.content() == before
    shop.site.ok("undo", done["run"], "--yes")
    assert shop.server.run("SELECT t::text FROM events t ORDER BY 1", shop.database) == broken


def test_a_table_that_was_made_again_is_taken_away_again(shop: Shop) -> None:
    """Undo removes it with its keys, also where the table they point to was restored as well."""
    shop.server.run("CREATE TABLE booking (id serial PRIMARY KEY, venue int REFERENCES venues)", shop.database)
    shop.server.run("INSERT INTO booking (venue) SELECT 1 + n % 50 FROM generate_series(1, 99) n", shop.database)
    shop.site.ok("backup")
    shop.server.run("DROP TABLE booking; DELETE FROM events WHERE venue < 9", shop.database)
    shop.server.run("DELETE FROM venues WHERE id < 9", shop.database)
    broken = shop.content()
    done = shop.site.ok("restore", "latest:shop", "--in-place", "--yes")
    assert done["verified"] is True
    assert shop.server.run("SELECT count(*) FROM booking", shop.database) == [(99,)]
    back = shop.site.ok("undo", done["run"], "--yes")
    assert back["verified"] is True
    assert shop.content() == broken
    assert shop.server.run("SELECT to_regclass('booking')", shop.database) == [(None,)]


def test_no_password_reaches_a_file_or_a_process_list(shop: Shop) -> None:
    """init moved it into a file of its own; backups, failures and children do not show it."""
    secret = shop.server.password
    shown = [shop.site.run(verb, "-vv") for verb in ("backup", "doctor", "list", "status")]
    shop.server.run("REVOKE CONNECT ON DATABASE " + shop.database + " FROM PUBLIC")
    listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert secret not in listed
    assert not [each for each in shown if secret in each.out + each.err]
    for path in shop.site.folder.rglob("*"):
        if path.is_file() and path.name != "shop.password":
            assert secret.encode() not in path.read_bytes(), path


def test_a_database_that_does_not_exist_is_told_with_what_to_do(shop: Shop) -> None:
    """Status 1, in words, without a traceback."""
    config = shop.site.folder / "holdfast.toml"
    config.write_text(config.read_text().replace(f"/{shop.database}", "/no_such_database"))
    done = shop.site.run("backup", "--json")
    assert done.status == 1
    assert "no_such_database" in str(done.document["error"])
    assert "Traceback" not in done.err
    assert shop.site.run("doctor").status == 4


def test_a_password_in_the_environment_alone_serves_every_step(shop: Shop) -> None:
    """PGPASSWORD, as libpq knows it: backup, restore with content read back, repair in place."""
    site = shop.site
    config = site.folder / "holdfast.toml"
    config.write_text("\n".join(one for one in config.read_text().splitlines() if not one.startswith("password")))
    site.environ["PGPASSWORD"] = shop.server.password
    before = shop.content()
    site.ok("backup")
    restored = site.ok("restore", "latest:shop", "--verify=content")
    shop.server.drop_database(restored["target"].rpartition("/")[2].partition("?")[0])
    assert restored["verified"] is True
    shop.server.run("DROP TABLE public.events CASCADE", shop.database)
    assert site.ok("restore", "latest:shop", "--in-place", "--verify=content", "--yes")["verified"] is True
    assert shop.content() == before
