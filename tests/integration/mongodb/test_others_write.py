"""A restore into a database that others write to takes nothing from them that no snapshot holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson import Timestamp
from tests.integration.mongodb.taking import Taken, take
from tests.servers.mongodb import MongoServer, fresh, shared, standalone

from holdfast.model.errors import TargetError
from holdfast.model.snapshot import Segment
from holdfast.sources.base import RestoreRequest
from holdfast.sources.mongodb.loading import Loaded, insert
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.mongodb.swapping import swap


@pytest.fixture(params=["replica set", "single server"])
def database(request: pytest.FixtureRequest) -> Iterator[tuple[MongoServer, str]]:
    """A database of its own."""
    server, name = shared() if request.param == "replica set" else standalone(), fresh()
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def many(count: int) -> list[dict[str, Any]]:
    return [{"_id": number, "text": f"document {number}"} for number in range(count)]


def test_a_document_is_replaced_only_while_it_is_what_was_compared(database: tuple[MongoServer, str]) -> None:
    """Whoever wrote between the comparison and the write keeps what was written, and it is counted."""
    server, name = database
    server.fill(name, "c", many(6))
    living = {bson.decode(raw)["_id"]: raw for raw in server.raw(name, "c")}
    with server.database(name) as base:
        base.c.update_many({"_id": {"$in": [1, 3]}}, {"$set": {"text": "newer"}})
    place = Place.parse(server.url(name))
    wanted = {number: bson.encode({"_id": number, "text": "saved"}) for number in (0, 1)}
    dollar = bson.encode({"_id": 4, "$price": 3, "a.b": 1})
    pairs = [(living[0], wanted[0]), (living[1], wanted[1]), (living[2], b""), (living[3], b""), (living[4], dollar)]
    with place.client() as client:
        loaded = Loaded()
        assert swap(place.base(client), name="c", pairs=pairs, loaded=loaded) == 2
    assert not loaded.problems
    now = {bson.decode(raw)["_id"]: raw for raw in server.raw(name, "c")}
    assert (now[0], now[4], now[5]) == (wanted[0], dollar, living[5])
    assert 2 not in now
    assert [bson.decode(now[number])["text"] for number in (1, 3)] == ["newer", "newer"]


def test_timestamps_of_documents_that_are_left_to_others_stay(database: tuple[MongoServer, str]) -> None:
    """Only what was written is emptied again: not what was left, not what was refused as a duplicate."""
    server, name = database
    place = Place.parse(server.url(name))
    others = [{"_id": n, "v": "by others", "seen": Timestamp(200, 7)} for n in (1, 2)]
    server.fill(name, "c", others)
    living = bson.encode({"_id": 1, "v": "old", "seen": Timestamp(100, 1)})
    saved = [bson.encode({"_id": n, "v": "saved", "seen": Timestamp(0, 0)}) for n in (1, 2, 3)]
    with place.client() as client:
        loaded, base = Loaded(), place.base(client)
        assert swap(base, "c", [(living, saved[0])], loaded) == 1
        insert(base, "c", saved[1:], loaded)
    assert (loaded.duplicates, loaded.inserted) == (1, 1)
    assert server.raw(name, "c") == [*map(bson.encode, others), saved[2]]


def test_a_document_too_large_to_be_sent_is_told_and_costs_no_other(database: tuple[MongoServer, str]) -> None:
    """Servers hold documents a little over 16 MiB; the largest a client may send goes through."""
    server, name = database
    place = Place.parse(server.url(name))
    empty = len(bson.encode({"_id": 1, "x": b""}))
    largest, larger = (bson.encode({"_id": 1, "x": bytes((16 << 20) - empty + more)}) for more in (0, 1))
    with place.client() as client:
        loaded = Loaded()
        insert(place.base(client), "c", [larger, largest], loaded)
    assert loaded.problems == ["a document of 16,777,217 bytes is larger than the server takes"]
    assert server.raw(name, "c") == [largest]


class WritingMeanwhile(Taken):
    """Content whose reading, during the restore, is when somebody else writes."""

    def once(self, work: Any) -> None:
        self.work = work

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        if segment.key and (work := getattr(self, "work", None)):
            self.work = None
            work()
        return super().blocks(segment)


def test_what_others_write_during_the_restore_is_theirs() -> None:
    """Also in parts the restore has yet to come to; the result does not call itself whole."""
    server, name = shared(), fresh()
    server.fill(name, "c", many(400))
    source = MongoSource(server.url(name), segment=4000)
    before = take(source)
    taken = WritingMeanwhile(before.learned, before.found, before.chunks)
    with server.database(name) as base:
        base.c.update_many({}, {"$set": {"text": "newer"}})
        target = source.target(RestoreRequest(label="x", in_place=True, exact=True))
        plan = target.plan(taken)
        with target.hold(plan):
            taken.once(lambda: base.c.update_one({"_id": 390}, {"$set": {"text": "by somebody else"}}))
            (result,) = target.apply(plan, taken, taken)
        assert result.status == "incomplete"
        assert "1 were written to by others meanwhile" in result.detail
        assert base.c.find_one({"_id": 390})["text"] == "by somebody else"
        assert base.c.count_documents({"text": "newer"}) == 0
        base.client.drop_database(name)


def test_a_server_that_tells_nobody_of_writes_is_not_restored_into_while_others_write() -> None:
    """A single server: what was written since the snapshot for undo stops the restore before anything is changed."""
    server, name = standalone(), fresh()
    server.fill(name, "c", many(50))
    source = MongoSource(server.url(name))
    taken = take(source)
    with server.database(name) as base:
        base.c.update_one({"_id": 3}, {"$set": {"text": "newer"}})
        target = source.target(RestoreRequest(label="x", in_place=True, overwrite=True))
        plan = target.plan(taken)
        with target.hold(plan):
            base.c.insert_one({"_id": "by somebody else"})
            with pytest.raises(TargetError, match="others are writing") as caught:
                target.apply(plan, taken, taken)
        assert caught.value.retryable
        assert base.c.find_one({"_id": 3})["text"] == "newer"
        with target.hold(plan):
            assert [each.status for each in target.apply(plan, taken, taken)] == ["ok"]
        base.client.drop_database(name)
