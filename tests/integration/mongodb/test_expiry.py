"""What deletes documents by age stands still while they are restored, and goes on afterwards whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.mongodb.taking import restore, take
from tests.servers.mongodb import MongoServer, fresh, shared

from holdfast.model.errors import TargetError
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.expiry import paused
from holdfast.sources.mongodb.inventory import Choice, read_collections
from holdfast.sources.mongodb.pausing import alone, pause
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.source import MongoSource

OLD = datetime(1971, 1, 1, tzinfo=UTC)
LIVES = 1_500_000_000


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database whose documents go by age: by an index, and by the key of a clustered collection."""
    server, name = shared(), fresh()
    with server.database(name) as base:
        base.c.insert_many([{"_id": n, "t": datetime.now(UTC)} for n in range(20)])
        base.c.create_index("t", name="aging", expireAfterSeconds=LIVES)
        clustered = {"key": {"_id": 1}, "unique": True}
        base.create_collection("k", clusteredIndex=clustered, expireAfterSeconds=LIVES)
        base.k.insert_many([{"_id": datetime.now(UTC)}])
    yield server, name
    with server.client() as client:
        client.drop_database(name)


def lives(server: MongoServer, name: str) -> list[Any]:
    """How long documents live, as the server has it."""
    with server.database(name) as base:
        options = {each["name"]: each["options"] for each in base.list_collections()}
        index = [each["expireAfterSeconds"] for each in base.c.list_indexes() if each["name"] == "aging"]
        return [*index, options["k"].get("expireAfterSeconds", "off")]


def test_nothing_expires_while_documents_come_back(database: tuple[MongoServer, str]) -> None:
    """Seen by the server's own events: stopped before the first write, given back after the last."""
    server, name = database
    with server.database(name) as base:
        base.c.update_many({}, {"$set": {"t": OLD}})
    source = MongoSource(server.url(name))
    taken = take(source)
    with server.database(name) as base, base.watch(show_expanded_events=True, max_await_time_ms=50) as events:
        base.c.delete_many({"_id": {"$lt": 5}})
        outcome = restore(source, taken, in_place=True)
        seen = []
        while (event := events.try_next()) is not None:
            if event["ns"].get("coll") == "c":
                seen.append(event["operationType"])
        assert kinds.RESTORING not in base.list_collection_names()
    assert not outcome.bad
    assert [each.name for each in outcome.verified] == ["c"]
    assert outcome.of("c").detail.endswith("20 are older than they may get here and expire now")
    assert seen == ["delete"] * 5 + ["modify"] + ["insert"] * 5 + ["modify"]
    assert lives(server, name) == [LIVES, LIVES]


KILLED = """
    import time
    from holdfast.sources.mongodb.inventory import Choice, read_collections
    from holdfast.sources.mongodb.pausing import alone, pause
    from holdfast.sources.mongodb.place import Place
    place = Place.parse({url!r})
    with place.client() as client:
        base = place.base(client)
        with alone(base, "killed"):
            pause(base, read_collections(base, Choice()))
            print("paused", flush=True)
            time.sleep(60)
"""


def test_a_killed_restore_leaves_a_way_back(database: tuple[MongoServer, str]) -> None:
    """Backups know how long documents live all the same, doctor names the command, the next restore gives it back."""
    server, name = database
    script = textwrap.dedent(KILLED).format(url=server.url(name))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"paused\n"
    source = MongoSource(server.url(name))
    with pytest.raises(TargetError, match="another restore is writing"), _base(server, name) as base, alone(base, "x"):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert lives(server, name)[0] == 2**31 - 1  # this server takes "off" for a collection and does nothing
    taken = take(source)
    assert any("stands still since a restore was killed" in text for text in taken.learned.warnings)
    assert any("collMod" in finding.mend for finding in source.examine() if finding.level == "warn")
    with server.database(name) as base:
        base.c.delete_one({"_id": 3})
    assert not restore(source, taken, in_place=True).bad
    assert lives(server, name) == [LIVES, LIVES]
    restore(source, taken, to=f"{name}_copy")
    assert lives(server, f"{name}_copy")[0] == LIVES
    with server.client() as client:
        client.drop_database(f"{name}_copy")


def test_what_cannot_be_stopped_is_told_and_nothing_is_left_behind(database: tuple[MongoServer, str]) -> None:
    """A collection that is gone, an index that is gone: nothing to give back, no error."""
    server, name = database
    with _base(server, name) as base:
        with alone(base, "x"):
            problems = pause(base, read_collections(base, Choice()))
            assert not problems
            assert {each.seconds for each in paused(base)} == {LIVES}
            base.drop_collection("k")
            base.c.drop_index("aging")
        assert kinds.RESTORING not in base.list_collection_names()


def _base(server: MongoServer, name: str) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[Any]:
        place = Place.parse(server.url(name))
        with place.client() as client:
            yield place.base(client)

    return opened()
