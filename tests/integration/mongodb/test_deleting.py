"""What an application deletes from MongoDB in its own transaction is captured first, and compared afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from tests.faults.world import World, cheap, room  # noqa: F401
from tests.integration.mongodb.test_guard import EVENT, fill, state
from tests.servers.mongodb import MongoServer, fresh, shared

from holdfast.model.errors import TargetError, UsageError
from holdfast.sources.mongodb.source import MongoSource
from holdfast.usecases.entity_delete import EntityDeleteOrder
from holdfast.usecases.entity_deleting import deleting
from holdfast.usecases.entity_finding import Subject
from holdfast.usecases.trash import TrashOrder, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore


@pytest.fixture
def world(room: Any, cheap: None) -> World:  # noqa: F811
    return World(room / "w").create()


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    server, name = shared(), fresh("deleting")
    fill(server, name)
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def order(server: MongoServer, name: str) -> EntityDeleteOrder:
    source = MongoSource(server.url(name))
    return EntityDeleteOrder(subject=Subject(name="event", key="1", declaration=EVENT, source=source))


def within(
    world: World, place: tuple[MongoServer, str], work: Callable[[Any, ClientSession], None], *, commit: bool = True
) -> None:
    """``work`` on the database in one transaction of the application's own client."""
    server, name = place
    with pymongo.MongoClient(server.url(name)) as client, client.start_session() as session:
        session.start_transaction(ReadConcern("snapshot"))
        try:
            with world.opened() as repository, deleting(repository, order(server, name), session):
                work(client[name], session)
        except BaseException:
            if session.in_transaction:
                session.abort_transaction()
            raise
        if commit:
            session.commit_transaction()


def _event(base: Any, session: ClientSession) -> None:
    base.regs.delete_many({"event": 1}, session=session)
    base.events.delete_one({"_id": 1}, session=session)


def test_captured_deleted_and_committed_it_comes_back(world: World, database: tuple[MongoServer, str]) -> None:
    """In one transaction, with other writes beside; the trash brings every document back byte for byte."""
    server, name = database
    before = state(server, name)

    def work(base: Any, session: ClientSession) -> None:
        _event(base, session)
        base.regs.insert_one({"_id": 900, "event": 2}, session=session)
        base.regs.delete_one({"_id": 900}, session=session)
        base.events.update_one({"_id": 2}, {"$set": {"title": "Event 2"}}, session=session)

    within(world, database, work)
    assert [len(each) for each in state(server, name).values()] == [1, 20]
    source = MongoSource(server.url(name))
    with world.opened() as repository:
        (entry,) = trash(repository, TrashOrder(sources={"shop": source}))
        trash_restore(
            repository, TrashRestoreOrder(discarded=entry, source=source, entities=lambda: {"event": EVENT})
        )
    assert state(server, name) == before


@pytest.mark.parametrize("extra", [0, 1])
def test_another_set_than_the_captured_one_is_refused(
    world: World, database: tuple[MongoServer, str], extra: int
) -> None:
    """As many documents but others, hidden by an insert or not: an error, and the application rolls back."""
    before = state(*database)

    def work(base: Any, session: ClientSession) -> None:
        base.regs.delete_one({"event": 2}, session=session)
        if extra:
            base.regs.insert_one({"_id": 901, "event": 1}, session=session)

    with pytest.raises(TargetError, match="1 rows of regs were deleted that had not been captured"):
        within(world, database, work)
    assert state(*database) == before


def test_a_part_of_what_was_captured_is_refused(world: World, database: tuple[MongoServer, str]) -> None:
    """The event alone, its registrations left behind: an error that names them. Nothing deleted is none."""
    before = state(*database)

    def part(base: Any, session: ClientSession) -> None:
        base.events.delete_one({"_id": 1}, session=session)

    with pytest.raises(TargetError, match="only a part") as caught:
        within(world, database, part)
    assert "regs: " in (caught.value.why or "")
    within(world, database, lambda base, session: None)
    assert state(*database) == before


def test_a_transaction_that_ended_within_is_an_error(world: World, database: tuple[MongoServer, str]) -> None:
    """Committed too early, or aborted and begun again: nobody can tell any more, and what was captured is kept."""

    def early(base: Any, session: ClientSession) -> None:
        _event(base, session)
        session.commit_transaction()

    def again(base: Any, session: ClientSession) -> None:
        session.abort_transaction()
        session.start_transaction()
        base.regs.delete_one({"event": 2}, session=session)

    with pytest.raises(TargetError, match="ended before"):
        within(world, database, again)
    with pytest.raises(TargetError, match="ended before"):
        within(world, database, early)
    source = MongoSource(database[0].url(database[1]))
    with world.opened() as repository:
        assert [entry.there for entry in trash(repository, TrashOrder(sources={"shop": source}))][:1] == [False]


def test_captured_documents_are_locked(world: World, database: tuple[MongoServer, str]) -> None:
    """Nobody else changes between the capture and the delete what was captured."""
    server, name = database

    def work(base: Any, session: ClientSession) -> None:
        with pymongo.MongoClient(server.url(name)) as other, other.start_session() as another:
            another.start_transaction()
            with pytest.raises(OperationFailure):
                other[name].regs.update_one({"_id": 0}, {"$set": {"x": 2}}, session=another)
        _event(base, session)

    within(world, database, work)


def test_a_session_without_a_transaction_is_refused(world: World, database: tuple[MongoServer, str]) -> None:
    """Before anything is looked at, with a hint; and so is what is no session."""
    server, name = database
    with world.opened() as repository, server.client() as client, client.start_session() as session:
        with pytest.raises(UsageError, match="in no transaction"), deleting(repository, order(server, name), session):
            pass
        with pytest.raises(UsageError, match="no session"), deleting(repository, order(server, name), client):
            pass
