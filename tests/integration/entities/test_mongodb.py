"""Entities of an application on MongoDB: 39 collections without one foreign key, everything declared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from tests.faults.world import World, cheap, room  # noqa: F401
from tests.integration.entities.event_application import (
    BIG,
    DECLARED,
    OWNED_ROWS,
    REGISTRATIONS,
    SATELLITES,
    TABLES,
    rows,
)
from tests.integration.entities.promises import Held
from tests.servers.mongodb import MongoServer, fresh, shared, standalone

from holdfast.entities.declared import DeclaredEdge
from holdfast.model.errors import UsageError
from holdfast.sources.mongodb.records.journal import Journaled
from holdfast.sources.mongodb.source import MongoSource
from holdfast.usecases.entity_clone import EntityCloneOrder, entity_clone
from holdfast.usecases.entity_finding import versions
from holdfast.usecases.entity_map import entity_map

_REFERENCES = {
    "organizer": "organizers", "owner": "users", "venue": "venues", "series": "events", "main_session": "sessions",
    "event": "events", "speaker": "users", "person": "users", "ticket_type": "ticket_types", "author": "users",
    "referred_by": "registrations", "category": "categories", "held_by": "users", "after": "schedules",
    "contact": "users",
}  # fmt: skip
_OF_EVENT = [name for name, columns in TABLES.items() if any(column.startswith("event ") for column in columns)]


def _edge(from_: str, to: str, kind: str) -> DeclaredEdge:
    return DeclaredEdge(from_=(from_,), to=(to,), kind=kind)


EDGES = (
    *(_edge(f"{name}.event", "events", "owned") for name in _OF_EVENT),
    *DECLARED.edges,
    _edge("notifications.payload.to[]", "users", "reference"),
    _edge("registrations.ticket_type", "ticket_types", "parent"),
    _edge("registrations.referred_by", "registrations", "parent"),
    _edge("schedules.after", "schedules", "parent"),
    _edge("events.main_session", "sessions", "parent"),
    _edge("events.organizer", "organizers", "parent"),
    _edge("events.venue", "venues", "shared"),
    _edge("sessions.venue", "venues", "shared"),
    _edge("event_categories.category", "categories", "shared"),
    *(_edge(name, "users", "reference") for name in (
        "events.owner", "registrations.person", "sessions.speaker", "seat_holds.held_by", "comments.author")),
)  # fmt: skip


def identity(table: str, number: object) -> ObjectId:
    """The same id every time."""
    return ObjectId(hashlib.sha256(f"{table} {number}".encode()).digest()[:12])


def documents(others: int, registrations: int) -> dict[str, list[dict[str, Any]]]:
    """The application's rows as documents."""
    return {
        name: [_document(name, number, row) for number, row in enumerate(each)]
        for name, each in rows(others, registrations).items()
    }


def _document(table: str, number: int, row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"_id": identity(table, row.get("id", f"row {number}"))}
    for name, value in row.items():
        if name == "price":
            found[name] = Decimal128(value)
        elif name in _REFERENCES and value is not None:
            found[name] = identity(_REFERENCES[name], value)
        elif name == "target_id":
            found[name] = identity("events" if row["target_type"] == "Event" else "sessions", value)
        elif name == "payload":
            to = [identity("users", each) for each in value["to"]]
            found[name] = {**value, "eventId": identity("events", value["eventId"]), "to": to}
        elif name != "id":
            found[name] = value
    return found


class MongoSite:
    """The application in a database."""

    def __init__(self, server: MongoServer, name: str) -> None:
        self.server, self.name = server, name
        self.source = MongoSource(server.url(name))

    def fill(self, others: int, registrations: int) -> None:
        for table, each in documents(others, registrations).items():
            self.server.fill(self.name, table, each)
        with self.server.database(self.name) as base:
            base["venues"].create_index("name", unique=True)
            base["categories"].create_index("name", unique=True)
            base["events"].create_index("slug", unique=True)

    def state(self) -> dict[str, list[bytes]]:
        return {name: sorted(self.server.raw(self.name, name)) for name in TABLES}

    def delete(self, key: ObjectId) -> None:
        with self.server.database(self.name) as base:
            sessions = [each["_id"] for each in base["sessions"].find({"event": key})]
            base["comments"].delete_many({"target_id": {"$in": [key, *sessions]}})
            base["notifications"].delete_many({"payload.eventId": key})
            for name in _OF_EVENT:
                base[name].delete_many({"event": key})
            base["events"].delete_one({"_id": key})


class MongoHeld(Held):
    def subject(self, key: object = None, **declared: object) -> Any:
        number = BIG if key is None else key
        text = str(number if isinstance(number, str | ObjectId) else identity("events", number))
        return super().subject(text, **{"edges": EDGES, **declared})


@pytest.fixture(params=[shared, standalone], ids=["replica set", "alone"])
def held(request: pytest.FixtureRequest, room: Path, cheap: None) -> Iterator[MongoHeld]:  # noqa: F811
    server, name = request.param(), fresh("entities")
    site = MongoSite(server, name)
    site.fill(others=20, registrations=200)
    with World(room).create().opened("client") as repository:
        yield MongoHeld(site, repository)  # type: ignore[arg-type]
    with server.client() as client:
        client.drop_database(name)


def test_a_deleted_event_comes_back_byte_for_byte(held: MongoHeld) -> None:
    """From the entity's snapshot and from a whole one; the others are untouched, and undo takes it away again."""
    site: Any = held.site
    key = identity("events", BIG)
    before = site.state()
    held.save(key)
    site.delete(key)
    gone = site.state()
    run = held.restore(key).run
    assert site.state() == before
    held.take_back(run)
    assert site.state() == gone
    held.restore(key)
    held.save_all()
    site.delete(key)
    held.restore(key, from_=held.repository.snapshots()[-1].info.id)
    assert site.state() == before
    assert [version.is_entity for version in versions(held.repository, held.subject(key))] == [True, False]


def test_all_collections_of_the_real_case_come_back(room: Path, cheap: None) -> None:  # noqa: F811
    """7,743 documents in 39 collections, 7,674 of them registrations."""
    server, name = shared(), fresh("entities")
    site = MongoSite(server, name)
    site.fill(others=20, registrations=REGISTRATIONS)
    with World(room).create().opened("client") as repository:
        held = MongoHeld(site, repository)  # type: ignore[arg-type]
        before = site.state()
        held.save(BIG)
        site.delete(identity("events", BIG))
        result = held.restore(BIG)
        assert sum(counts.get("create", 0) for counts in result.counts().values()) == OWNED_ROWS
        assert site.state() == before
    with server.client() as client:
        client.drop_database(name)


def test_a_clone_has_ids_of_its_own_everywhere(held: MongoHeld) -> None:
    """Also inside documents and arrays; types stay."""
    site: Any = held.site
    before = site.state()
    result = entity_clone(held.repository, EntityCloneOrder(subject=held.subject(BIG), values={"title": "Copy"}))
    after = site.state()
    assert all(set(before[name]) <= set(after[name]) for name in TABLES)
    old = {bytes.fromhex(pair[0][0]["$oid"]) for pairs in result.ids.values() for pair in pairs}
    made = [raw for name in TABLES for raw in set(after[name]) - set(before[name])]
    assert len(made) == sum(result.counts.values())
    assert not [raw for raw in made if any(each in raw for each in old)]
    held.take_back(result.run)
    assert site.state() == before


def test_a_clone_that_would_still_refer_to_the_original_is_refused(held: MongoHeld) -> None:
    """An id of the original in a field nobody declared is found."""
    site: Any = held.site
    before = site.state()
    edges = tuple(each for each in EDGES if each.from_ != ("registrations.ticket_type",))
    with pytest.raises(Exception, match="still refer"):
        entity_clone(held.repository, EntityCloneOrder(subject=held.subject(BIG, edges=edges)))
    assert site.state() == before


def test_the_collections_that_refer_to_the_event_are_found(held: MongoHeld) -> None:
    """A scan of ids, inside documents too, tells which of 39 collections name events."""
    found = entity_map(held.repository, held.subject("", edges=()))
    to_events = {each.from_ for each in found.suggestions if each.to == "events"}
    assert {f"{name}.event" for name in (*SATELLITES, "registrations", "sessions")} <= to_events
    assert "notifications.payload.eventId" in to_events


def test_an_edge_to_a_collection_outside_the_source_is_refused(held: MongoHeld) -> None:
    """With the nearest name."""
    subject = held.subject(BIG, edges=(DeclaredEdge(from_=("notifcations.payload.eventId",), to=("events",)),))
    with pytest.raises(UsageError, match="notifications"):
        entity_map(held.repository, replace(subject, key=""))


def test_a_dry_copy_writes_nothing_that_others_could_see(held: MongoHeld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without transactions it is planned and looked through, and says that it was not tried."""

    def refuse(*_arguments: object) -> int:
        raise AssertionError("something was written")

    monkeypatch.setattr(Journaled, "write", refuse)
    site: Any = held.site
    before = site.state()
    result = entity_clone(held.repository, EntityCloneOrder(subject=held.subject(BIG), dry_run=True))
    assert site.state() == before and sum(result.counts.values()) > REGISTRATIONS / 100
    told = any("nothing was tried" in text for text in result.warnings)
    assert told == (len(result.proofs) == 1)
