"""One event is saved, deleted, brought back, copied and taken back from the command line."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from tests.acceptance.program import Site

_SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE);
CREATE TABLE events (id INTEGER PRIMARY KEY, title TEXT, slug TEXT UNIQUE, owner INTEGER REFERENCES users (id));
CREATE TABLE tickets (id INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
                      buyer INTEGER REFERENCES users (id));
CREATE TABLE notes (id INTEGER PRIMARY KEY, payload JSON);
INSERT INTO users VALUES (1, 'a@example.org'), (2, 'b@example.org');
INSERT INTO events VALUES (41, 'Spring', 'spring', 1), (42, 'Summer', 'summer', 2);
INSERT INTO tickets VALUES (1, 41, 1), (2, 42, 1), (3, 42, NULL);
INSERT INTO notes VALUES (1, '{"eventId": 42}'), (2, '{"eventId": 41}');
"""
_ENTITY = """
[entities.event]
source = "shop"
root = "events"
title = "title"
[[entities.event.edges]]
from = "notes.payload.eventId"
to = "events"
[entities.event.unique]
slug = "suffix"
"""


@pytest.fixture
def shop(empty_site: Site) -> Site:
    """A shop of two events, and what an event is."""
    with contextlib.closing(sqlite3.connect(empty_site.folder / "shop.db")) as connection:
        connection.executescript(_SCHEMA)
    empty_site.ok("init", "--repository", "./backups", "--source", "shop=sqlite:shop.db")
    with open(empty_site.folder / "holdfast.toml", "a", encoding="utf-8") as file:
        file.write(_ENTITY)
    return empty_site


def rows(site: Site) -> dict[str, list[tuple[object, ...]]]:
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as connection:
        names = ("users", "events", "tickets", "notes")
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}


def run(site: Site, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(site.folder / "shop.db")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_an_event_is_saved_deleted_and_brought_back(shop: Site) -> None:
    """Documents of every verb; undo takes the restore back, and that can be undone."""
    before = rows(shop)
    drawn = shop.ok("entity", "map", "event", "42")
    assert {"from": "tickets.event", "to": "events.id", "kind": "owned"}.items() <= drawn["edges"][1].items()
    saved = shop.ok("entity", "backup", "event", "42")
    assert saved["rows"] == {"events": 1, "notes": 1, "tickets": 2}
    assert saved["entity"]["title"] == "Summer" and saved["snapshot"]["partial"]
    explained = shop.ok("entity", "explain", "event", "summer")
    assert [each["table"] for each in explained if each["role"] == "owned"] == ["events", "notes", "tickets", "tickets"]

    run(shop, "DELETE FROM events WHERE id = 42", "DELETE FROM notes WHERE id = 1")
    gone = rows(shop)
    planned = shop.ok("entity", "restore", "event", "42", "--dry-run")
    assert planned["tables"]["tickets"] == {"create": 2} and rows(shop) == gone
    assert shop.run("entity", "restore", "event", "42").status == 2  # nobody can say yes
    done = shop.ok("entity", "restore", "event", "42", "--yes")
    assert done["verified"] and done["changed"] == 4 and rows(shop) == before
    (version,) = shop.ok("entity", "versions", "event", "42")
    assert version["of"] == "entity" and version["rows"]["tickets"] == 2

    taken = shop.ok("undo", done["run"], "--yes")
    assert rows(shop) == gone
    shop.ok("undo", taken["run"], "--yes")
    assert rows(shop) == before


def test_an_event_is_copied(shop: Site) -> None:
    """New ids, the title given, the slug by its rule; the plan for people and the proofs."""
    done = shop.ok("entity", "clone", "event", "42", "--as", "100", "--set", "title=Autumn", "--yes")
    found = rows(shop)
    assert (100, "Autumn", "summer-copy", 2) in found["events"]
    assert done["ids"]["tickets"] == [{"old": ["2"], "new": ["4"]}, {"old": ["3"], "new": ["5"]}]
    assert (3, '{"eventId": 100}') in found["notes"] and len(done["proofs"]) == 3
    told = shop.run("entity", "clone", "event", "42", "--dry-run")
    assert told.status == 0 and "proven:" in told.out and rows(shop) == found


def test_an_event_comes_back_as_a_new_one(shop: Site) -> None:
    """--as is a clone of what was saved, under every name the old programs gave it; the old verbs are known."""
    saved = shop.ok("entity", "backup", "event", "42")["snapshot"]["id"]
    run(shop, "DELETE FROM events WHERE id = 42", "DELETE FROM notes WHERE id = 1")
    gone = rows(shop)
    ways = (
        ("entity", "clone", "event", "42", "--from", saved),
        ("entity", "restore", "event", "42"),
        ("entity", "restore", "event", "42", "--from", saved),
        ("restore", saved),
        ("restore-new", saved),
    )
    found = []
    for way in ways:
        assert shop.ok(*way, "--as", "77", "--dry-run")["key"] == ["77"] and rows(shop) == gone
        done = shop.ok(*way, "--as", "77", "--yes")
        assert done["key"] == ["77"] and len(done["proofs"]) == 3
        found.append(rows(shop))
        shop.ok("undo", done["run"], "--yes")
        assert rows(shop) == gone
    assert all(each == found[0] for each in found) and (77, "Summer", "summer-copy", 2) in found[0]["events"]
    assert shop.run("details", saved).status == 0
    assert shop.run("restore-dry", saved).status == 0 and rows(shop) == gone
    whole = shop.ok("backup")["snapshots"][0]["id"]
    refused = shop.run("restore", whole, "--as", "77", "--yes")
    assert refused.status == 2 and "entity restore" in refused.err
    assert shop.run("delete", saved, "--yes").status == 0


def test_mistakes_are_told_with_a_hint(shop: Site) -> None:
    """An entity, an id, an edge that are not there; options that do not go together."""
    for arguments, told in (
        (("map", "evnt"), "did you mean event"),
        (("backup", "event", "7"), "there is no event 7"),
        (("restore", "event", "7"), "not in any snapshot"),
        (("restore", "event", "42", "--merge", "--overwrite"), "exclude each other"),
        (("clone", "event", "42", "--set", "titel=x", "--yes"), "did you mean title"),
        (("clone", "event", "42", "--as", "41", "--yes"), "taken"),
        (("backup", "event", "42", "--limit-rows", "2"), "too much"),
    ):
        done = shop.run("entity", *arguments)
        assert done.status == 2 and told in done.err, (arguments, done)
    assert shop.run("entity", "versions", "event", "42").status == 1
