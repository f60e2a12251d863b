"""A restore that was killed: what it made says that it is unfinished, and a second one over it makes it whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.mongodb.taking import restore, take
from tests.servers.mongodb import MongoServer, fresh, shared

from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.source import MongoSource

KILLED = """
    from tests.integration.mongodb.taking import restore, take
    from holdfast.sources.mongodb.source import MongoSource
    source = MongoSource({url!r}, segment=4000)
    taken = take(source)
    print("taken", flush=True)
    restore(source, taken, {how})
    print("restored", flush=True)
"""


@pytest.fixture
def database() -> Iterator[tuple[MongoServer, str]]:
    """A database of its own on the shared server; copies beside it are removed too."""
    server, name = shared(), fresh()
    with server.database(name) as base:
        for collection in ("a", "b", "c"):
            base[collection].insert_many([{"_id": n, "text": f"document {n}", "n": n % 7} for n in range(400)])
            base[collection].create_index("n")
        base.command("create", "seen", viewOn="a", pipeline=[])
    yield server, name
    with server.client() as client:
        for each in client.list_database_names():
            if each.startswith(name):
                client.drop_database(each)


def kill_in(server: MongoServer, name: str, into: str, how: str, *, collections: int) -> None:
    """Run a restore in a process of its own and kill it once it has begun that many collections of ``into``."""
    script = textwrap.dedent(KILLED).format(url=server.url(name), how=how)
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"taken\n"
    with server.database(into) as base:
        while process.poll() is None and len(base.list_collection_names()) < collections:
            time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("collections", [1, 3])
def test_a_second_restore_over_a_half_made_one_makes_it_whole(
    database: tuple[MongoServer, str], collections: int
) -> None:
    """Killed when only its mark stood there, or in the midst of it: nothing is missing, and the mark is gone."""
    server, name = database
    copy = f"{name}_copy"
    kill_in(server, name, copy, f"to={copy!r}", collections=collections)
    source = MongoSource(server.url(name), segment=4000)
    taken = take(source)
    with server.database(copy) as base:
        names: set[Any] = set(base.list_collection_names())
        assert kinds.UNFINISHED in names
    first = restore(source, taken, to=copy)
    if names != {kinds.UNFINISHED}:
        assert "has collections already" in first.plan.refusals[0]
        assert not restore(source, taken, to=copy, in_place=True).bad
    for collection in ("a", "b", "c"):
        assert sorted(server.raw(copy, collection)) == sorted(server.raw(name, collection))
    with server.database(copy) as base:
        assert set(base.list_collection_names()) - {"system.views"} == {"a", "b", "c", "seen"}
        assert "n_1" in base.c.index_information()


def test_a_restore_in_place_that_was_killed_is_done_again(database: tuple[MongoServer, str]) -> None:
    """Nobody is locked out by the dead one."""
    server, name = database
    source = MongoSource(server.url(name), segment=4000)
    taken = take(source)
    before = {each: sorted(server.raw(name, each)) for each in ("a", "b")}
    with server.database(name) as base:
        base.b.drop()
    kill_in(server, name, name, "in_place=True, exact=True", collections=5)
    with server.database(name) as base:
        base.a.delete_many({"n": 3})
    assert not restore(source, taken, in_place=True, exact=True).bad
    assert {each: sorted(server.raw(name, each)) for each in ("a", "b")} == before
    with server.database(name) as base:
        assert not {kinds.UNFINISHED, kinds.RESTORING} & set(base.list_collection_names())
