"""kill -9 of a restore into a living database, and of its undo: the database is as before or as after."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.faults.world import World, cheap, room, run_and_die
from tests.servers.postgres import PostgresServer, fresh_database, shared_server

from holdfast.model.errors import UsageError
from holdfast.repository.repository import Repository
from holdfast.sources.base import RestoreRequest
from holdfast.sources.postgres.source import PostgresSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.restore import RestoreOrder, restore
from holdfast.usecases.undo import UndoOrder, undo

__all__ = ["cheap", "room"]

POINTS = 6
RUN = "5" * 32
SHOP = """
CREATE TABLE event (id int PRIMARY KEY, v text); CREATE TABLE booking (id int PRIMARY KEY, event int REFERENCES event);
CREATE TABLE venue (id int PRIMARY KEY); CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM event;
INSERT INTO event SELECT n, 'e' FROM generate_series(1, 500) n;
INSERT INTO booking SELECT n, n FROM generate_series(1, 500) n; INSERT INTO venue SELECT generate_series(1, 500);
REFRESH MATERIALIZED VIEW counted; SELECT lo_from_bytea(4711, 'abc');
"""
DAMAGE = """
DELETE FROM booking WHERE id < 100; DELETE FROM event WHERE id < 50; UPDATE event SET v = 'x' WHERE id > 400;
DROP TABLE venue; REFRESH MATERIALIZED VIEW counted; SELECT lo_unlink(4711);
"""
STATE = """
SELECT (SELECT md5(string_agg(e::text, ';' ORDER BY id)) FROM event e), (SELECT count(*) FROM booking),
  to_regclass('venue') IS NOT NULL, (SELECT n FROM counted), (SELECT count(*) FROM pg_largeobject_metadata)
"""


@pytest.fixture
def world(room: Path, cheap: None) -> World:
    return World(room / "world").create()


@pytest.fixture
def server() -> PostgresServer:
    return shared_server("16")


@pytest.fixture
def shop(server: PostgresServer) -> Iterator[str]:
    with fresh_database(server) as name:
        server.run(SHOP, name)
        yield name


def dying_at(number: int, log: Path | None = None) -> None:
    """From now on in this process: kill -9 right before the statement of that number, or count them all."""
    plain, count = psycopg.Connection.execute, 0

    def execute(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if log is not None:
            log.write_text(str(count))
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, *arguments, **options)

    psycopg.Connection.execute = execute  # type: ignore[method-assign]


def restored(repository: Repository, source: PostgresSource, run: str) -> None:
    entry = next(entry for entry in repository.snapshots() if entry.info.name == "then")
    request = RestoreRequest(label="then", in_place=True, overwrite=True)
    restore(repository, RestoreOrder(entry=entry, source=source, request=request, run=run))


def undone(repository: Repository, source: PostgresSource, run: str) -> None:
    undo(repository, UndoOrder(run=run, source=lambda _: source))


def left_alone(server: PostgresServer, shop: str) -> None:
    """Wait until the server has noticed that the client is gone."""
    deadline = time.monotonic() + 20
    asked = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{shop}' AND pid <> pg_backend_pid()"
    while server.run(asked) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not server.run(asked)


Verb = Callable[[Repository, PostgresSource, str], None]


def killed(world: World, server: PostgresServer, shop: str, verb: Verb, state: str) -> Iterator[tuple[str, World]]:
    """``verb`` killed at moments spread over its statements, each time on the same database and repository."""
    log = world.root.parent / f"statements-{state}"
    template = f"{shop}_{state}"
    server.run(f"CREATE DATABASE {template} TEMPLATE {shop}")

    def once(number: int, twin: World, log: Path | None = None) -> int | None:
        def act() -> None:
            dying_at(number, log)
            with twin.opened() as repository:
                verb(repository, PostgresSource(server.url(shop)), RUN)
        return run_and_die(act)

    try:
        assert once(0, world.twin(f"counted-{state}"), log) is None
        total = int(log.read_text())
        for point in range(POINTS):
            left_alone(server, shop)
            server.drop_database(shop)
            server.run(f"CREATE DATABASE {shop} TEMPLATE {template}")
            twin = world.twin(f"twin-{state}-{point}")
            number = total - point if point < 3 else total * (point - 2) // (POINTS - 2)
            assert once(number, twin) == signal.SIGKILL
            left_alone(server, shop)
            yield f"statement {number} of {total}", twin
    finally:
        server.drop_database(template)


def test_a_killed_restore_leaves_all_or_nothing_and_undo_goes_on(
    world: World, server: PostgresServer, shop: str
) -> None:
    """The database is what it was or what was asked for; undo brings what was, or there is nothing to undo."""
    source = PostgresSource(server.url(shop))
    with world.opened() as repository:
        backup(repository, BackupRequest(sources={"app": source}, name="then"))
    after = server.run(STATE, shop)
    server.run(DAMAGE, shop)
    before = server.run(STATE, shop)
    outcomes = set()
    for where, twin in killed(world, server, shop, restored, "damaged"):
        now = server.run(STATE, shop)
        assert now in (before, after), where
        with twin.opened() as repository:
            if any(entry.info.trigger == "pre-restore" for entry in repository.snapshots()):
                undone(repository, source, RUN)
                outcomes.add("undone")
            else:
                assert now == before, where
                with pytest.raises(UsageError, match="nothing to undo"):
                    undone(repository, source, RUN)
                outcomes.add("nothing")
        assert server.run(STATE, shop) == before, where
    assert outcomes == {"undone", "nothing"}


def test_a_killed_undo_can_be_run_again(world: World, server: PostgresServer, shop: str) -> None:
    """All of it is taken back or none of it; the same command comes to the end."""
    source = PostgresSource(server.url(shop))
    with world.opened() as repository:
        backup(repository, BackupRequest(sources={"app": source}, name="then"))
        after = server.run(STATE, shop)
        server.run(DAMAGE, shop)
        before = server.run(STATE, shop)
        restored(repository, source, RUN)
    assert server.run(STATE, shop) == after
    for where, twin in killed(world, server, shop, undone, "restored"):
        assert server.run(STATE, shop) in (before, after), where
        with twin.opened() as repository:
            undone(repository, source, RUN)
        assert server.run(STATE, shop) == before, where
