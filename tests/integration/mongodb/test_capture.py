"""A snapshot of a MongoDB database: every byte, one point, and what cannot be had is said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.mongodb.corpus import NOT_FOR_THE_TEST_SERVER, everything
from tests.integration.mongodb.taking import Taken, take
from tests.servers.mongodb import MongoServer, fresh, shared, standalone

from holdfast.model.errors import SourceError, UsageError
from holdfast.sources.mongodb.documents import documents, split
from holdfast.sources.mongodb.inventory import definitions_of
from holdfast.sources.mongodb.overtaken import Changes, Follower
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.point import NONE, SNAPSHOT, STREAM, TRANSACTION, Point, cluster_time
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.mongodb.values import look, raw_document

MODES = pytest.mark.parametrize("mode", [TRANSACTION, STREAM])


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database of its own on the shared server."""
    server, name = shared(), fresh()
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def many(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"_id": number, "text": f"document {number} " * 3} for number in range(start, start + count)]


def test_every_document_comes_out_in_its_own_bytes(database: tuple[MongoServer, str]) -> None:
    """Decimals, dates beyond 9999, NaN payloads, old types: what the server has is what the snapshot has."""
    server, name = database
    cases = {case: raw for case, raw in everything().items() if case not in NOT_FOR_THE_TEST_SERVER}
    with server.database(name) as base:
        base.odd.insert_many([raw_document(raw) for raw in cases.values()])
    taken = take(MongoSource(server.url(name)))
    assert taken.documents("odd") == sorted(cases.values(), key=lambda raw: raw[9])
    assert taken.found[b"odd"].rows == len(cases)


@MODES
def test_a_snapshot_is_one_point_while_others_write(database: tuple[MongoServer, str], mode: str) -> None:
    """A transfer between two collections is in it whole or not at all, however the server gets there."""
    server, name = database
    server.fill(name, "left", [{"_id": n, "amount": 100} for n in range(300)])
    server.fill(name, "right", [{"_id": n, "amount": 100} for n in range(300)])
    stop = threading.Event()

    def writer() -> None:
        with server.client() as client, client.start_session() as session:
            number = 0
            while not stop.is_set():
                number = (number + 7) % 300
                with session.start_transaction():
                    client[name].left.update_one({"_id": number}, {"$inc": {"amount": -1}}, session=session)
                    client[name].right.update_one({"_id": 299 - number}, {"$inc": {"amount": 1}}, session=session)
                stop.wait(0.05)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        source = MongoSource(server.url(name), modes=(mode,), segment=4000)
        taken = [take(source) for _ in range(3)]
        assert [_sum(each) for each in taken] == [60_000] * 3
        assert not any(each.learned.warnings for each in taken)
    finally:
        stop.set()
        thread.join()


def _sum(taken: Taken) -> int:
    from holdfast.sources.mongodb.saved import Saved

    saved = Saved(taken, taken)
    return sum(look(raw)["amount"] for name in ("left", "right") for raw in saved.documents(saved.items[name]))


def test_what_was_written_meanwhile_is_put_over_what_was_read(database: tuple[MongoServer, str]) -> None:
    """With the change stream: inserted, changed, deleted, made and deleted again, all as at the end."""
    server, name = database
    server.fill(name, "c", many(200))

    def between() -> None:
        with server.database(name) as base:
            base.c.insert_one({"_id": "new"})
            base.c.update_one({"_id": 3}, {"$set": {"text": "changed"}})
            base.c.delete_one({"_id": 4})
            base.c.insert_one({"_id": "short-lived"})
            base.c.delete_one({"_id": "short-lived"})

    taken = take(MongoSource(server.url(name), modes=(STREAM,)), between=between)
    keys = {segment.key for segment in taken.found[b"$changes"].segments}
    assert keys == {"put:c", "gone:c"}
    from holdfast.sources.mongodb.saved import Saved

    saved = Saved(taken, taken)
    assert sorted(saved.documents(saved.items["c"])) == sorted(server.raw(name, "c"))
    assert not taken.learned.warnings


class Meddled(Follower):
    """Somebody moves an amount just before the first look at the left side."""

    def __init__(self, base: Any, server: MongoServer) -> None:
        super().__init__(base, lambda _name: True)
        self._server: MongoServer | None = server

    def _look_at(self, name: str, keys: set[bytes], changes: Changes) -> None:
        if self._server is not None and name == "left":
            server, self._server = self._server, None
            _move(server, self._base.name, 1, 5)
        super()._look_at(name, keys, changes)


def _move(server: MongoServer, name: str, giver: int, taker: int) -> None:
    with server.client() as client, client.start_session() as session, session.start_transaction():
        client[name].left.update_one({"_id": giver}, {"$inc": {"amount": -1}}, session=session)
        client[name].right.update_one({"_id": taker}, {"$inc": {"amount": 1}}, session=session)


def test_what_moves_while_it_is_looked_at_is_looked_at_again(database: tuple[MongoServer, str]) -> None:
    """Half of a transfer is not taken: a look counts only if what it saw stood still."""
    server, name = database
    for side in ("left", "right"):
        server.fill(name, side, [{"_id": n, "amount": 100} for n in range(10)])
    place = Place.parse(server.url(name))
    with place.client() as client:
        follower = Meddled(place.base(client), server)
        _move(server, name, 1, 1)
        changes = follower.settle({"left", "right"})
        follower.close()
    amounts = {side: dict.fromkeys(range(10), 100) for side in ("left", "right")}
    for side, put in changes.put.items():
        amounts[side].update({look(raw)["_id"]: look(raw)["amount"] for raw in put.values()})
    assert changes.settled
    assert amounts["left"][1] == 98
    assert sum(sum(each.values()) for each in amounts.values()) == 2000


def test_collections_that_come_or_go_meanwhile_are_no_snapshot(database: tuple[MongoServer, str]) -> None:
    """Followed by the change stream or not, half of a collection is not passed for a whole one."""
    server, name = database
    server.fill(name, "c", many(10))
    for mode in (STREAM, NONE):
        with pytest.raises(SourceError, match="while") as caught:
            take(MongoSource(server.url(name), modes=(mode,)), between=lambda: _drop_and_make(server, name))
        assert caught.value.retryable


def _drop_and_make(server: MongoServer, name: str) -> None:
    with server.database(name) as base:
        base.c.drop()
        base.c.insert_one({"_id": 1})


def test_a_single_server_is_read_and_told_of() -> None:
    """Without a history there is no point; the snapshot says so instead of pretending."""
    server, name = standalone(), fresh()
    server.fill(name, "c", many(20))
    taken = take(MongoSource(server.url(name)))
    assert taken.documents("c") == server.raw(name, "c")
    assert taken.learned.notes["mode"] == NONE
    assert any("no consistent point" in text for text in taken.learned.warnings)


def test_segments_begin_where_they_began_before(database: tuple[MongoServer, str]) -> None:
    """The next snapshot has bases for its deltas at the same keys, and grows at the end."""
    server, name = database
    server.fill(name, "c", many(2000))
    source = MongoSource(server.url(name), segment=30_000)
    first = take(source)
    bounds = [segment.notes["from"] for segment in first.found[b"c"].segments if segment.notes is not None]
    assert len(bounds) > 3
    server.fill(name, "c", many(700, start=2000))
    with server.database(name) as base:
        base.c.delete_many({"_id": {"$lt": 50}})
    second = take(source, first)
    again = [segment.notes["from"] for segment in second.found[b"c"].segments if segment.notes is not None]
    assert again[: len(bounds)] == bounds
    assert len(again) > len(bounds)
    assert all(second.bases[b"c", segment.key] for segment in second.found[b"c"].segments[: len(bounds)])
    assert second.documents("c") == server.raw(name, "c")


def test_keys_of_all_types_lie_in_some_range(database: tuple[MongoServer, str]) -> None:
    """Ranges are index bounds: comparisons in a filter would leave out keys of other types."""
    server, name = database
    keys: list[Any] = [None, -1, 2.5, "a", "b", {"k": 1}, {"k": 2}, b"x", True, False]
    server.fill(name, "c", [*({"_id": key} for key in keys), *many(300, start=10)])
    source = MongoSource(server.url(name), segment=2000)
    first = take(source)
    second = take(source, first)
    assert len(second.found[b"c"].segments) > 5
    assert sorted(second.documents("c")) == sorted(server.raw(name, "c"))


def test_definitions_are_kept_as_the_server_told_them(database: tuple[MongoServer, str]) -> None:
    """Options and indexes verbatim: names with dollars, directions, filters, collations."""
    server, name = database
    with server.database(name) as base:
        base.command("create", "v", validator={"$jsonSchema": {"required": ["a"]}}, validationLevel="moderate")
        base.v.create_index([("a", -1), ("b", 1)], name="odd name", unique=True, sparse=True)
        base.v.create_index("t", expireAfterSeconds=3600, partialFilterExpression={"t": {"$exists": True}})
        base.command("create", "view", viewOn="v", pipeline=[{"$match": {"a": {"$gt": 1}}}])
        listing = {each["name"]: each for each in base.command("listCollections")["cursor"]["firstBatch"]}
        indexes = list(base.v.list_indexes())
    taken = take(MongoSource(server.url(name)))
    (segment,) = taken.found[b"$definitions"].segments
    found = {each.name: each for each in definitions_of(taken.blocks(segment))}
    assert found["v"].options == listing["v"]["options"]
    assert [look(raw) for raw in found["v"].indexes] == [dict(each) for each in indexes]
    assert found["view"].options["pipeline"] == [{"$match": {"a": {"$gt": 1}}}]
    assert taken.found[b"view"].kind == "view"


def test_only_what_was_chosen_is_taken(database: tuple[MongoServer, str]) -> None:
    """Patterns of the configuration and of the call; a pattern that means nothing is an error."""
    server, name = database
    for collection in ("orders", "orders_old", "users"):
        server.fill(name, collection, many(3))
    source = MongoSource(server.url(name), collections=("orders*",), exclude=("*_old",))
    assert {item.label for item in take(source).items()} == {"$definitions", "orders"}
    everything_ = MongoSource(server.url(name))
    assert {item.label for item in take(everything_, only=("users",)).items()} == {"$definitions", "users"}
    with pytest.raises(UsageError, match="no collection matches"):
        take(everything_, only=("nothing",))


def test_names_that_other_tools_lose_are_kept(database: tuple[MongoServer, str]) -> None:
    """Dots, spaces, line breaks, letters of all alphabets, long names."""
    server, name = database
    names = ["a.b.c", "with space", "line\nbreak", "ключ", "x" * 150]
    for each in names:
        server.fill(name, each, [{"_id": each}])
    taken = take(MongoSource(server.url(name)))
    assert [look(taken.documents(each)[0])["_id"] for each in names] == names


def test_capped_collections_keep_their_order_and_are_told_of(database: tuple[MongoServer, str]) -> None:
    """They are read as they lie; that they are a moment later than the point is said."""
    server, name = database
    with server.database(name) as base:
        base.create_collection("log", capped=True, size=100_000)
        base.log.insert_many([{"_id": 100 - number} for number in range(50)])
        base.c.insert_one({})
    taken = take(MongoSource(server.url(name)))
    assert [look(raw)["_id"] for raw in taken.documents("log")] == [100 - number for number in range(50)]
    assert any("capped" in text for text in taken.learned.warnings)


def test_roles_and_users_are_kept_with_what_proves_their_passwords(database: tuple[MongoServer, str]) -> None:
    """As the server shows them; a password itself is nowhere."""
    server, name = database
    with server.database(name) as base:
        base.c.insert_one({})
        base.command("createRole", "reader", privileges=[], roles=[{"role": "read", "db": name}])
        base.command("createUser", "app", pwd="not-to-be-seen", roles=["reader"])
    taken = take(MongoSource(server.url(name)))
    kept = {s.key: [look(raw) for raw in documents(taken.blocks(s))] for s in taken.found[b"$access"].segments}
    assert kept["roles"][0]["role"] == "reader"
    assert kept["users"][0]["user"] == "app"
    assert "SCRAM-SHA-256" in kept["users"][0]["credentials"]
    assert not taken.learned.not_protected
    assert not any(b"not-to-be-seen" in chunk for chunk in taken.chunks.values())


def test_chunks_hold_whole_documents(database: tuple[MongoServer, str]) -> None:
    """Each can be looked into by itself, documents larger than a chunk too."""
    server, name = database
    server.fill(name, "c", [{"_id": n, "x": "y" * (200_000 if n % 50 == 7 else 50)} for n in range(200)])
    taken = take(MongoSource(server.url(name)))
    (segment,) = taken.found[b"c"].segments
    assert sum(len(list(split(taken.chunks[piece.chunk]))) for piece in segment.slices) == 200
    assert len(segment.slices) > 3


def test_a_server_that_does_not_look_at_the_time_is_not_believed(database: tuple[MongoServer, str]) -> None:
    """It says that it reads as of a time, and answers as of 1970: another way to one point is taken."""
    server, name = database
    server.fill(name, "c", many(5))
    assert take(MongoSource(server.url(name))).learned.notes["mode"] == TRANSACTION
    assert take(MongoSource(server.url(name), modes=(SNAPSHOT,))).learned.notes["mode"] == NONE


def test_reads_that_name_a_time_get_all_batches(database: tuple[MongoServer, str]) -> None:
    """Every find carries the time, what follows it belongs to the same session, and an unfinished one is let go."""
    server, name = database
    server.fill(name, "c", many(50))
    place = Place.parse(server.url(name))
    with place.client() as client:
        base = place.base(client)
        point = Point(mode=SNAPSHOT, client=client, base=base, time=cluster_time(base))
        batches = list(point.batches({"find": "c", "batchSize": 20}))
        assert b"".join(raw for found in batches for raw in found) == b"".join(server.raw(name, "c"))
        assert len(batches) > 1
        unfinished = point.batches({"find": "c", "batchSize": 20})
        assert len(next(unfinished)) == 20
        unfinished.close()


def test_databases_beside_it_are_told(database: tuple[MongoServer, str]) -> None:
    """So that nobody believes they were backed up with it; what every deployment has is not among them."""
    server, name = database
    beside = fresh()
    with server.client() as client:
        client[name].things.insert_one({"_id": 1})
        client[beside].things.insert_one({"_id": 1})
        try:
            told = take(MongoSource(server.url(name))).learned.neighbours
        finally:
            client.drop_database(beside)
    assert beside in told and not {name, "admin", "local", "config"} & set(told)
