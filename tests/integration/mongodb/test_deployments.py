"""Deployments that cannot be had here, played by a real server behind something that answers as they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.integration.mongodb.taking import take
from tests.servers.mongodb import MongoServer, fresh, shared
from tests.servers.mongodb_proxy import answering

from holdfast.model.errors import UsageError
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.point import STREAM
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


def test_a_url_that_would_lose_writes_or_cursors_is_refused(database: tuple[MongoServer, str]) -> None:
    """Unacknowledged writes, a load balancer: what to do instead is said."""
    server, name = database
    for option, told in (("w=0", "w=0"), ("loadBalanced=true", "load balancer")):
        place = Place.parse(server.url(name, f"?{option}"))
        with pytest.raises(UsageError) as caught, place.client():
            pass
        assert told in str(caught.value.why)
