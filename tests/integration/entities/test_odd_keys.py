"""Entities whose keys Python would take for one another, and ids that are written as text."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import ObjectId
from tests.faults.world import World, cheap, room  # noqa: F401
from tests.integration.entities.promises import Held
from tests.integration.entities.small_sites import small_site
from tests.integration.entities.test_mongodb import MongoSite
from tests.servers.mongodb import fresh, shared

from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.model.errors import TargetError, UsageError
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.sqlite.settings import Settings
from holdfast.sources.sqlite.source import SqliteSource
from holdfast.usecases.entity_clone import EntityCloneOrder, entity_clone
from holdfast.usecases.entity_finding import Subject
from holdfast.usecases.entity_restore import EntityRestoreOrder, entity_restore
from holdfast.usecases.undo import UndoOrder, undo

_EVENT = ObjectId(b"event-------")


@pytest.fixture
def repository(room: Path, cheap: None) -> Iterator[Repository]:  # noqa: F811
    with World(room).create().opened("client") as opened:
        yield opened


@pytest.fixture
def site() -> Iterator[MongoSite]:
    server, name = shared(), fresh("odd")
    yield MongoSite(server, name)
    with server.client() as client:
        client.drop_database(name)


def subject(source: Source, key: str, root: str, *edges: str) -> Subject:
    declared = tuple(DeclaredEdge(from_=(each,), to=(root,), kind="owned") for each in edges)
    return Subject(name="e", key=key, declaration=Declaration(source="app", root=root, edges=declared), source=source)


def there_and_back(repository: Repository, what: Subject, delete, state) -> None:  # type: ignore[no-untyped-def]
    """Saved, deleted, restored, taken back, restored again."""
    before = state()
    Held.save_all(Held(site=_Site(what.source), repository=repository))  # type: ignore[arg-type]
    delete()
    for _ in range(2):
        run = entity_restore(repository, EntityRestoreOrder(subject=what)).run
        assert state() == before
        undo(repository, UndoOrder(run=run, source=lambda _info: what.source))
        assert not any(state())


class _Site:
    def __init__(self, source: Source) -> None:
        self.source = source


def test_documents_with_true_and_one_as_their_ids_are_two(repository: Repository, site: MongoSite) -> None:
    """Also false and 0, and documents as ids; all of them come back and are taken away again."""
    with site.server.database(site.name) as base:
        base["events"].insert_one({"_id": _EVENT})
        ids = (1, True, 0, False, "x", {"a": 1}, {"a": True})
        base["odd"].insert_many([{"_id": each, "event": _EVENT} for each in ids])

        def state() -> list[list[bytes]]:
            return [sorted(site.server.raw(site.name, name)) for name in ("events", "odd")]

        def delete() -> None:
            base["odd"].delete_many({})
            base["events"].delete_many({})

        there_and_back(repository, subject(site.source, str(_EVENT), "events", "odd.event"), delete, state)


def test_an_id_written_as_text_is_followed_and_stays_a_text(repository: Repository, site: MongoSite) -> None:
    """Down from the event it spells, and in the copy."""
    with site.server.database(site.name) as base:
        base["events"].insert_one({"_id": _EVENT})
        base["notes"].insert_many([{"payload": {"eventId": each}} for each in (str(_EVENT), _EVENT)])
        what = subject(site.source, str(_EVENT), "events", "notes.payload.eventId")
        result = entity_clone(repository, EntityCloneOrder(subject=what))
        assert result.counts == {"events": 1, "notes": 2}
        found = [each["payload"]["eventId"] for each in base["notes"].find()]
        new = next(each["_id"] for each in base["events"].find() if each["_id"] != _EVENT)
        assert sorted(map(repr, found)) == sorted(map(repr, (str(_EVENT), _EVENT, str(new), new)))


def test_rows_without_a_key_that_hold_one_and_one_point_nought_are_taken_back(
    repository: Repository, tmp_path: Path
) -> None:
    """Each is what it was, and nobody changed it since."""
    path = tmp_path / "odd.db"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript(
            "create table e(id integer primary key);"
            "create table nk(e int not null references e(id) on delete cascade, v);"
            "insert into e values(1); insert into nk values(1,1),(1,1.0),(1,'1'),(1,1)"
        )

    def state() -> list[list[str]]:
        with contextlib.closing(sqlite3.connect(path)) as now:
            return [sorted(map(repr, now.execute(f"select * from {name}"))) for name in ("e", "nk")]

    def delete() -> None:
        with contextlib.closing(sqlite3.connect(path)) as now:
            now.executescript("delete from nk; delete from e")

    source = SqliteSource(path, Settings(wait=20.0))
    there_and_back(repository, subject(source, "1", "e"), delete, state)


def test_a_copy_has_new_keys_of_every_kind(room: Path, cheap: None, tmp_path: Path) -> None:  # noqa: F811
    """The UUID beside a reference, texts of a type of their own, bytes; by the rule where there is one, else told."""
    del cheap
    with small_site("postgres 15", room, tmp_path) as site:
        site.declared = {"unique": {"codes.code": "suffix"}, "side_effects": {}}
        site.run(
            "CREATE EXTENSION citext",
            "CREATE TABLE events (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text)",
            "CREATE TABLE parts (event int NOT NULL REFERENCES events ON DELETE CASCADE, id uuid,"
            " PRIMARY KEY (event, id))",
            "CREATE TABLE codes (code text PRIMARY KEY, event int NOT NULL REFERENCES events ON DELETE CASCADE)",
            "CREATE TABLE slugs (slug citext PRIMARY KEY, event int NOT NULL REFERENCES events ON DELETE CASCADE)",
            "CREATE TABLE tokens (b bytea PRIMARY KEY, event int NOT NULL REFERENCES events ON DELETE CASCADE)",
            "CREATE TABLE days (d date PRIMARY KEY, event int NOT NULL REFERENCES events ON DELETE CASCADE)",
            "INSERT INTO events (t) VALUES ('a')",
            "INSERT INTO parts VALUES (1, '0a1b2c3d-0000-4000-8000-000000000001')",
            "INSERT INTO codes VALUES ('K1', 1)", "INSERT INTO slugs VALUES ('s', 1)",
            "INSERT INTO tokens VALUES ('\\x00ff', 1)",
        )
        entity_clone(site.repository, EntityCloneOrder(subject=site.subject()))
        assert site.rows("SELECT code FROM codes WHERE event = 2") == [("K1-copy",)]
        for table in ("parts", "slugs", "tokens"):
            assert site.rows(f"SELECT count(*) FROM {table} WHERE event = 2") == [(1,)]
        site.run("INSERT INTO days VALUES ('2026-01-01', 1)")
        with pytest.raises(TargetError, match="of type date") as caught:
            entity_clone(site.repository, EntityCloneOrder(subject=site.subject()))
        assert "exclude" in (caught.value.hint or "")
        site.declared = {"unique": {"code": "suffix"}}
        with pytest.raises(UsageError, match="has no column code") as mistaken:
            entity_clone(site.repository, EntityCloneOrder(subject=site.subject()))
        assert "table.column" in (mistaken.value.hint or "")
