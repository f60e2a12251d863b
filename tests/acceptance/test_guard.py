"""The installed program keeps what is deleted, tells who did it, and brings it back; and so does the Python face."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.program import Site

_PROGRAM = """
import sqlite3, holdfast
with holdfast.open("holdfast.toml") as app, sqlite3.connect("shop.db") as connection:
    connection.execute("PRAGMA foreign_keys = ON")
    with app.entity("event", 2).deleting(connection) as snapshot:
        connection.execute("DELETE FROM events WHERE id = 2")
    connection.commit()
    assert snapshot.trigger == "pre-delete"
    assert app.trash()[0].source == "shop"
    assert app.entity("event", 2).restore().undo
    assert app.find(snapshot.id, "events", "2").rows[0]["title"] == "Two"
    assert app.entity("event", 1).delete(dry_run=True).deleted == {"events": 1, "regs": 10}
    assert {info.trigger for info in app.list()} >= {"pre-delete", "pre-restore"}
    assert app.status()["shop"].snapshots
    with app.sql(app.backup().snapshots[0].id, "select count(*) from regs") as found:
        assert list(found.answer.rows) == [(20,)]
    try:
        app.entity("evnt", 2)
    except holdfast.HoldfastError as error:
        assert "event" in error.hint
    print("done")
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A shop with two events."""
    made = Site(tmp_path / "site")
    with closing(sqlite3.connect(made.folder / "shop.db")) as connection:
        connection.executescript(
            "CREATE TABLE events (id INTEGER PRIMARY KEY, title TEXT);"
            "CREATE TABLE regs (id INTEGER PRIMARY KEY, event INT NOT NULL REFERENCES events ON DELETE CASCADE);"
            "INSERT INTO events VALUES (1, 'One'), (2, 'Two');"
        )
        connection.executemany("INSERT INTO regs VALUES (?, ?)", [(n, 1 + n % 2) for n in range(20)])
        connection.commit()
    made.ok("init", "--repository", "./backups", "--source", "shop=sqlite:shop.db")
    with (made.folder / "holdfast.toml").open("a") as file:
        file.write('\n[entities.event]\nsource = "shop"\nroot = "events"\ntitle = "title"\n')
    return made


def counts(site: Site, *statements: str) -> tuple[int, int]:
    """Events and registrations, after what another program did."""
    with closing(sqlite3.connect(site.folder / "shop.db")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        (both,) = connection.execute("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM regs)")
        return both


def test_from_install_to_undo(site: Site) -> None:
    """Install, delete by another program, status, trash, ship, restore, undo, remove: each says what it did."""
    plan = site.run("guard", "install", "event", "--dry-run")
    assert "CREATE TRIGGER" in plan.out
    assert not site.ok("guard", "status")["shop"]["installed"]
    site.ok("guard", "install", "event", "--yes")
    assert counts(site, "DELETE FROM events WHERE id = 1") == (1, 10)
    state = site.ok("guard", "status")["shop"]
    assert state["waiting"]["rows"] == 11
    assert any("REPLACE" in text for text in state["cannot_see"])
    refused = site.run("guard", "remove", "--source", "shop", "--yes")
    assert (refused.status, "guard ship" in refused.err) == (1, True)
    (entry,) = site.ok("trash")
    assert entry["tables"] == {"events": 1, "regs": 10}
    assert site.ok("guard", "ship")["rows"] == 11
    assert site.ok("trash")[0]["waiting"] is False
    assert site.ok("trash", "restore", entry["id"], "--dry-run")["created"] == {"regs": 10, "events": 1}
    run = site.ok("trash", "restore", entry["id"], "--yes")["run"]
    assert counts(site) == (2, 20)
    site.ok("undo", run, "--yes")
    assert counts(site) == (1, 10)
    site.ok("guard", "ship")
    site.ok("guard", "remove", "--source", "shop", "--yes")
    assert "holdfast" not in str(names_of_schema(site))


def test_status_is_for_monitors(site: Site) -> None:
    """A table made again, or newly reached, is named with the command that mends it; the status is 4 until then."""
    site.ok("guard", "install", "event", "--yes")
    counts(
        site,
        "CREATE TABLE extras (id INTEGER PRIMARY KEY, reg INT REFERENCES regs ON DELETE CASCADE)",
        "DROP TABLE regs",
        "CREATE TABLE regs (id INTEGER PRIMARY KEY, event INT NOT NULL REFERENCES events ON DELETE CASCADE)",
    )
    said = site.run("guard", "status", "--json")
    assert said.status == 4
    found = {each["table"]: each for each in json.loads(said.out)["shop"]["tables"]}
    assert {name for name, each in found.items() if not each["guarded"]} == {"regs", "extras"}
    assert "not guarded" in found["regs"]["gaps"][0]
    plain = site.run("guard", "status")
    assert (plain.status, "holdfast guard install event" in plain.out, "1 tables under guard, 2 not" in plain.out) == (
        4, True, True,
    )  # fmt: skip
    site.ok("guard", "install", "event", "--yes")
    assert site.run("guard", "status").status == 0
    with (site.folder / "holdfast.toml").open("a") as file:
        file.write('\n[entities.reg]\nsource = "shop"\nroot = "regs"\n')
    assert site.ok("guard", "status")["shop"]["never_guarded"] == ["reg"]
    site.ok("guard", "install", "reg", "--yes")
    assert site.ok("guard", "remove", "event", "--yes")["kept"] == {"extras": "reg", "regs": "reg"}


def names_of_schema(site: Site) -> list[str]:
    """What is in the database."""
    with closing(sqlite3.connect(site.folder / "shop.db")) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM sqlite_schema")]


def test_an_entity_is_deleted_and_comes_back(site: Site) -> None:
    """Refused without a yes, planned, done, told, and brought back by the short id of the trash."""
    assert site.run("entity", "delete", "event", "2").status != 0
    assert counts(site) == (2, 20)
    late = site.run("entity", "delete", "event", "2", "--at", "2001-01-01", "--yes")
    assert (late.status, "in the past" in late.err) == (2, True)
    done = site.ok("entity", "delete", "event", "2", "--yes")
    assert done["deleted"] == {"events": 1, "regs": 10}
    assert counts(site) == (1, 10)
    (entry,) = site.ok("trash")
    assert entry["entity"] == {"name": "event", "key": "2", "title": "Two"}
    site.ok("trash", "restore", done["snapshot"][:8], "--yes")
    assert counts(site) == (2, 20)
    assert site.run("trash", "restore", "ffffffff", "--yes").status == 2


def test_a_program_does_the_same(site: Site) -> None:
    """holdfast.open: captured in its own transaction, restored, found, asked."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=site.folder, env=site.environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
