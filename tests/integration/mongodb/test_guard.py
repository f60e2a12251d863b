"""What anybody deletes from MongoDB under guard is gathered from the change stream, shipped, told and brought back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.faults.world import World, cheap, room  # noqa: F401
from tests.servers.mongodb import MongoServer, fresh, shared, standalone

from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.model.errors import HoldfastError, TargetError
from holdfast.sources.mongodb.source import MongoSource
from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.entity_finding import Subject
from holdfast.usecases.guard import ShipOrder, install, ship
from holdfast.usecases.guard_state import remove, status
from holdfast.usecases.trash import TrashOrder, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore

EVENT = Declaration(
    source="shop", root="events", edges=(DeclaredEdge(from_=("regs.event",), to=("events",), kind="owned"),)
)


@pytest.fixture
def world(room: Any, cheap: None) -> World:  # noqa: F811
    return World(room / "w").create()


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    server, name = shared(), fresh("guarded")
    fill(server, name)
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def fill(server: MongoServer, name: str) -> None:
    server.fill(name, "events", [{"_id": n, "title": f"Event {n}"} for n in (1, 2)])
    server.fill(name, "regs", [{"_id": n, "event": 1 + n % 2, "x": -0.0, "y": [1, {"z": None}]} for n in range(40)])


def state(server: MongoServer, name: str) -> dict[str, list[bytes]]:
    return {each: sorted(server.raw(name, each)) for each in ("events", "regs")}


def test_from_install_to_restore(world: World, database: tuple[MongoServer, str]) -> None:
    """Deletes by anybody, byte for byte: told before and after they were shipped, brought back, and nothing twice."""
    server, name = database
    source = MongoSource(server.url(name))
    before = state(server, name)
    done = install(source, "event", EVENT)
    assert set(done.tables) == {"events", "regs"}
    with server.database(name) as base:
        base.regs.delete_many({"event": 1})
        base.events.delete_one({"_id": 1})
        base.other.insert_one({"_id": 1})
        base.other.delete_one({"_id": 1})
    found = status({"shop": source}, {"event": EVENT})["shop"].state
    assert found.waiting.rows == 21
    assert not [gap for table in found.watched for gap in table.gaps]
    with world.opened() as repository:
        order = TrashOrder(sources={"shop": source})
        assert sum(each.rows for each in trash(repository, order)) == 21
        with source.guard() as guard:
            assert guard.claim(5) is not None  # a run that ended half-way
        shipped = ship(repository, ShipOrder(sources={"shop": source}, at_once=10))
        assert (shipped.rows, len(shipped.snapshots)) == (21, 3)
        assert ship(repository, ShipOrder(sources={"shop": source})).rows == 0
        entries = trash(repository, order)
        assert sum(each.rows for each in entries) == 21
        for entry in entries:
            trash_restore(repository, TrashRestoreOrder(discarded=entry, source=source))
    assert state(server, name) == before
    remove(source, {"event": EVENT})
    assert not status({"shop": source}, {"event": EVENT})["shop"].state.installed


def test_what_is_gathered_twice_is_kept_once(database: tuple[MongoServer, str]) -> None:
    """A run that died before it could note how far it came is repeated without doubling anything."""
    server, name = database
    source = MongoSource(server.url(name))
    install(source, "event", EVENT)
    with server.database(name) as base, source.guard() as guard:
        noted = base.holdfast_guard_state.find_one({"_id": "guard"})
        base.regs.delete_many({"event": 2})
        guard.gather()
        base.holdfast_guard_state.replace_one({"_id": "guard"}, noted)
        guard.gather()
        assert guard.state().waiting.rows == 20
        with pytest.raises(TargetError, match="20 deleted documents wait"):
            guard.remove()
        base.command({"collMod": "regs", "changeStreamPreAndPostImages": {"enabled": False}})
        assert "switched off" in " ".join(gap for table in guard.state().watched for gap in table.gaps)
        base.regs.delete_one({"_id": 2})
        guard.gather()
        assert "came without the document" in " ".join(gap for table in guard.state().watched for gap in table.gaps)


def test_a_single_server_is_refused_with_another_way(world: World) -> None:
    """Without change streams there is no guard; entity delete still saves before it deletes."""
    server, name = standalone(), fresh("single")
    fill(server, name)
    source = MongoSource(server.url(name))
    with pytest.raises(HoldfastError):
        install(source, "event", EVENT)


def test_what_holdfast_deletes_under_guard_is_in_the_trash_once(
    world: World, database: tuple[MongoServer, str]
) -> None:
    """Before it is shipped and after; what somebody else deleted beside stays told."""
    server, name = database
    source = MongoSource(server.url(name))
    install(source, "event", EVENT)
    subject = Subject(name="event", key="1", declaration=EVENT, source=source)
    with server.database(name) as base:
        base.regs.delete_one({"_id": 3})
    with world.opened() as repository:
        entity_delete(repository, EntityDeleteOrder(subject=subject))
        for _ in range(2):
            found = trash(repository, TrashOrder(sources={"shop": source}))
            assert sorted((each.entity is not None, each.rows) for each in found) == [(False, 1), (True, 21)]
            ship(repository, ShipOrder(sources={"shop": source}))


def test_an_entity_is_deleted_after_it_was_captured(world: World, database: tuple[MongoServer, str]) -> None:
    """As on the other databases: captured, read back, deleted, in the trash, and back byte for byte."""
    server, name = database
    source = MongoSource(server.url(name))
    before = state(server, name)
    subject = Subject(name="event", key="1", declaration=EVENT, source=source)
    with world.opened() as repository:
        result = entity_delete(repository, EntityDeleteOrder(subject=subject))
        assert result.deleted == {"events": 1, "regs": 20}
        (entry,) = trash(repository, TrashOrder(sources={"shop": source}))
        restored = TrashRestoreOrder(discarded=entry, source=source, entities=lambda: {"event": EVENT})
        trash_restore(repository, restored)
    assert state(server, name) == before
