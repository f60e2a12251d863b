"""Deployments that cannot be had here, played by a real server behind something that answers as they do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Timestamp
from tests.integration.mongodb.taking import restore, take
from tests.servers.mongodb import MongoServer, fresh, shared
from tests.servers.mongodb_proxy import answering

from holdfast.model.errors import SourceError, UsageError
from holdfast.sources.mongodb import point
from holdfast.sources.mongodb.gaps import not_protected
from holdfast.sources.mongodb.inventory import definitions_of
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.point import SNAPSHOT, STREAM, Server
from holdfast.sources.mongodb.source import MongoSource


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database of its own on the shared server."""
    server, name = shared(), fresh()
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def many(count: int) -> list[dict[str, Any]]:
    return [{"_id": number, "text": f"document {number} " * 3} for number in range(count)]


class Mongos:
    """One of several entries to a sharded cluster: it knows the cursors that were opened through it, no others."""

    def __init__(self) -> None:
        self.cursors: set[int] = set()

    def answer(self, command: dict[str, Any]) -> dict[str, Any] | None:
        cursor = command.get("getMore")
        if cursor is not None and int(cursor) not in self.cursors:
            return {"ok": 0, "code": 43, "codeName": "CursorNotFound", "errmsg": f"cursor id {cursor} not found"}
        return None

    def alter(self, command: dict[str, Any], reply: dict[str, Any]) -> None:
        if "maxWireVersion" in reply:
            for name in ("setName", "hosts", "primary", "me", "setVersion", "electionId", "secondary"):
                reply.pop(name, None)
            reply["msg"] = "isdbgrid"
        if cursor := (reply.get("cursor") or {}).get("id"):
            self.cursors.add(int(cursor))


def test_a_cursor_is_read_on_where_it_was_opened(database: tuple[MongoServer, str]) -> None:
    """Three mongos: each cursor lives on one; and what a restore makes unsharded is told."""
    server, name = database
    server.fill(name, "c", many(300))
    server.fill(name, "d", many(300))
    with ExitStack() as stack:
        entries = [Mongos() for _ in range(3)]
        ports = [
            stack.enter_context(answering(server.port, answer=each.answer, alter=each.alter)) for each in entries
        ]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        for _ in range(3):
            source = MongoSource(f"mongodb://{hosts}/{name}", modes=(STREAM,))
            with source.place.client() as client:
                assert client.topology_description.topology_type_name == "Sharded"
                found = source.place.base(client).command({"find": "c", "batchSize": 10})
                for _more in range(5):
                    found = source.place.base(client).command({
                        "getMore": found["cursor"]["id"], "collection": "c", "batchSize": 10,
                    })  # fmt: skip
            taken = take(source)
            assert (taken.found[b"c"].rows, taken.found[b"d"].rows) == (300, 300)
        assert any("sharded" in text for text in taken.learned.not_protected)


class ShortOfMemory:
    """A server that reads as of a time, and has forgotten it after a few batches (``history``: of its writes, too)."""

    def __init__(self, *, batches: int, history: bool = True, lose: int = 0) -> None:
        self.batches, self.history, self.lose = batches, history, lose
        self.named: set[int] = set()
        self.lock = threading.Lock()

    def answer(self, command: dict[str, Any]) -> dict[str, Any] | None:
        time = (command.get("readConcern") or {}).get("atClusterTime")
        with self.lock:
            if time is not None and (time == Timestamp(1, 1) or self.batches <= 0):
                return {"ok": 0, "code": 239, "codeName": "SnapshotTooOld", "errmsg": "read timestamp is too old"}
            if command.get("getMore") in self.named:
                self.batches -= 1
                self.lose -= 1
                if self.lose == 0:
                    return {"ok": 0, "code": 43, "codeName": "CursorNotFound", "errmsg": "cursor not found"}
                if self.batches <= 0:
                    return {"ok": 0, "code": 239, "codeName": "SnapshotTooOld", "errmsg": "read timestamp is too old"}
            if not self.history and "aggregate" in command:
                return {"ok": 0, "code": 286, "codeName": "ChangeStreamHistoryLost", "errmsg": "no longer in the oplog"}
        return None

    def alter(self, command: dict[str, Any], reply: dict[str, Any]) -> None:
        concern = command.get("readConcern") or {}
        if concern.get("level") == "snapshot" and "cursor" in reply:
            reply["cursor"]["atClusterTime"] = reply["operationTime"]
            if "limit" not in command:
                self.named.add(int(reply["cursor"]["id"]))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many answers for few documents."""
    monkeypatch.setattr(point, "_DOCUMENTS_A_BATCH", 40)


@pytest.mark.usefixtures("small_batches")
def test_a_backup_that_outlives_the_history_goes_on_with_the_change_stream(database: tuple[MongoServer, str]) -> None:
    """The rest is read plainly, and what others wrote since the point is put over: one later point, nothing twice."""
    server, name = database
    server.fill(name, "left", [{"_id": n, "amount": 100} for n in range(500)])
    server.fill(name, "right", [{"_id": n, "amount": 100} for n in range(500)])
    old = ShortOfMemory(batches=8)
    with answering(server.port, answer=old.answer, alter=old.alter) as port:
        source = MongoSource(f"mongodb://127.0.0.1:{port}/{name}?directConnection=true", segment=4000)

        def between() -> None:
            with server.database(name) as base:
                base.left.update_many({"_id": {"$lt": 30}}, {"$inc": {"amount": -1}})
                base.right.update_many({"_id": {"$gte": 470}}, {"$inc": {"amount": 1}})
                base.left.delete_one({"_id": 400})

        taken = take(source, between=between)
    assert old.batches <= 0
    assert taken.learned.notes["mode"] == STREAM
    assert not taken.learned.warnings
    assert not restore(MongoSource(server.url(name)), taken, to=f"{name}_copy").bad
    for collection in ("left", "right"):
        assert sorted(server.raw(f"{name}_copy", collection)) == sorted(server.raw(name, collection))
    with server.client() as client:
        client.drop_database(f"{name}_copy")


@pytest.mark.usefixtures("small_batches")
def test_a_lost_cursor_is_read_on_from_its_last_document(database: tuple[MongoServer, str]) -> None:
    """At the same time as before; without the server's history of writes a lost point is a failure, not a guess."""
    server, name = database
    server.fill(name, "c", many(500))
    losing = ShortOfMemory(batches=1000, lose=5)
    with answering(server.port, answer=losing.answer, alter=losing.alter) as port:
        taken = take(MongoSource(f"mongodb://127.0.0.1:{port}/{name}?directConnection=true", segment=4000))
    assert losing.lose <= 0
    assert taken.learned.notes["mode"] == SNAPSHOT
    assert taken.documents("c") == server.raw(name, "c")
    old = ShortOfMemory(batches=3, history=False)
    with answering(server.port, answer=old.answer, alter=old.alter) as port:
        source = MongoSource(f"mongodb://127.0.0.1:{port}/{name}?directConnection=true")
        with pytest.raises(SourceError, match="no longer has the point") as caught:
            take(source)
    assert "minSnapshotHistoryWindowInSeconds" in caught.value.hint


def test_a_collection_that_reads_as_empty_because_it_was_dropped_is_noticed(database: tuple[MongoServer, str]) -> None:
    """Servers before 7 read a dropped collection as empty, also as of a time when it was there."""
    server, name = database
    server.fill(name, "c", many(5))
    server.fill(name, "d", many(5))
    for version, fails in (("6.0.1", True), ("8.0.0", False)):
        able = ShortOfMemory(batches=1000)

        def alter(command: dict[str, Any], reply: dict[str, Any], able: Any = able, version: str = version) -> None:
            able.alter(command, reply)
            if "buildInfo" in command:
                reply["version"] = version

        with answering(server.port, answer=able.answer, alter=alter) as port, server.database(name) as base:
            source = MongoSource(f"mongodb://127.0.0.1:{port}/{name}?directConnection=true")
            failing = pytest.raises(SourceError, match="dropped") if fails else nullcontext()
            with failing:
                take(source, between=base.d.drop)
            base.d.insert_one({"_id": 1})


def test_a_url_that_would_lose_writes_or_cursors_is_refused(database: tuple[MongoServer, str]) -> None:
    """Unacknowledged writes, a load balancer: what to do instead is said."""
    server, name = database
    for option, told in (("w=0", "w=0"), ("loadBalanced=true", "load balancer")):
        place = Place.parse(server.url(name, f"?{option}"))
        with pytest.raises(UsageError) as caught, place.client():
            pass
        assert told in str(caught.value.why)


def test_users_come_back_with_their_passwords_where_the_server_takes_them(database: tuple[MongoServer, str]) -> None:
    """As the server keeps them, into the new database, with its own roles; nothing of it is left lying about."""
    server, name = database
    copy, seen = f"{name}_copy", []
    with server.database(name) as base:
        base.c.insert_one({"_id": 1})
        base.command("createUser", "app", pwd="secret", roles=[{"role": "readWrite", "db": name}])
        (before,) = base.command("usersInfo", 1, showCredentials=True)["users"]
    source = MongoSource(server.url(name))
    taken = take(source)
    assert not taken.learned.not_protected

    def answer(command: dict[str, Any]) -> dict[str, Any] | None:
        if "_mergeAuthzCollections" not in command:
            return None
        with server.client() as client:
            seen.append((command, list(client.admin.tempusers.find())))
            client[copy].command("createUser", "app", pwd="x", roles=[])
        return {"ok": 1}

    with answering(server.port, answer=answer, alter=lambda _command, _reply: None) as port:
        to = f"mongodb://127.0.0.1:{port}/{copy}?directConnection=true"
        assert not restore(source, taken, to=to).bad
    ((command, (user,)),) = seen
    assert (command["tempUsersCollection"], command["db"], command["drop"]) == ("admin.tempusers", copy, False)
    assert (user["_id"], user["user"], user["db"]) == (f"{copy}.app", "app", copy)
    assert user["credentials"] == before["credentials"]
    assert user["roles"] == [{"role": "readWrite", "db": copy}]
    with server.client() as client:
        assert "tempusers" not in client.admin.list_collection_names()
        client.drop_database(copy)


def test_measurements_that_no_stream_tells_of_are_named(database: tuple[MongoServer, str]) -> None:
    """Where the change stream makes the point, time series are not part of it, and the snapshot says so."""
    server, name = database
    with server.database(name) as base:
        base.create_collection("weather", timeseries={"timeField": "t"})
        base.weather.insert_one({"t": datetime(2026, 1, 1, tzinfo=UTC), "v": 1})
    taken = take(MongoSource(server.url(name), modes=(STREAM,)))
    assert any("time series have no change stream" in text and "weather" in text for text in taken.learned.warnings)


def test_what_encrypted_queries_need_is_listed_as_missing() -> None:
    """The server keeps it in collections of its own, which it lets nobody write."""
    server = Server(version="8.0.0", replicated=True, sharded=False)
    entry = {"name": "people", "type": "collection", "options": {"encryptedFields": {"fields": []}}}
    (collection,) = definitions_of([bson.encode({"collection": entry, "indexes": []})])
    (told,) = not_protected(server, [collection])
    assert "people" in told
