"""kill -9 around the guard, and two that ship at once: every row is in the application or comes back, once."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from tests.faults.scripted_storage import Script
from tests.faults.test_kill_everywhere import every_call, scripted
from tests.faults.test_kill_in_place import dying_at
from tests.faults.world import World, run_and_die
from tests.integration.guard.application import EVENT, Application, application, cheap, room, world

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.guard import ShipOrder, install, ship
from holdfast.usecases.guard_state import status
from holdfast.usecases.trash import Discarded, TrashOrder, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore

__all__ = ["application", "cheap", "room", "world"]
_DELETED = 10
# how many moments of each kind; all of them take long: make faults
_POINTS = int(os.environ.get("HOLDFAST_KILL_POINTS", "2"))


def in_trash(world: World, application: Application) -> list[Discarded]:
    with world.opened() as repository:
        return trash(repository, TrashOrder(sources={"shop": application.source}))


def bring_back(world: World, application: Application, entry: Discarded) -> None:
    with world.opened() as repository:
        order = TrashRestoreOrder(
            discarded=entry, source=application.source, entities=lambda: {"event": EVENT}, overwrite=True
        )
        trash_restore(repository, order)


def shipped(world: World, application: Application, writer: str = "one") -> int:
    with world.opened(writer) as repository:
        return ship(repository, ShipOrder(sources={"shop": application.source}, at_once=7)).rows


def waiting(application: Application) -> int:
    return status({"shop": application.source}, {"event": EVENT})["shop"].state.waiting.rows


def idle(application: Application) -> None:
    """Wait until the server has noticed that the killed client is gone."""
    if application.kind == "postgres":
        with psycopg.connect(application.place, autocommit=True) as one:
            asked = ("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                     " AND backend_type = 'client backend'")  # fmt: skip
            while one.execute(asked).fetchone():
                time.sleep(0.02)


def dying_sqlite(number: int, log: Any = None) -> None:
    """From now on in this process: kill -9 right before SQLite runs the statement of that number."""
    count, plain = 0, sqlite3.connect

    def told(_: str) -> None:
        nonlocal count
        count += 1
        if log is not None:
            log.write_text(str(count))
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = plain(*arguments, **options)
        made.set_trace_callback(told)
        return made

    sqlite3.connect = connect  # type: ignore[assignment]


def deaths(world: World, application: Application, action: Callable[[World], Any]) -> Iterator[str]:
    """``action`` killed at calls of the store, then at statements of the database, spread over all there are."""
    calls = every_call(world, action)
    for script in calls[:: max(1, len(calls) // _POINTS)]:
        yield from _died(world, application, action, script)
    dying = dying_sqlite if application.kind == "sqlite" else dying_at
    log = world.root.parent / "statements"

    def counted() -> None:
        dying(0, log)
        action(world)

    yield "counted" if run_and_die(counted) is None else "killed"
    total = int(log.read_text())
    last = [total - number for number in range(2)]
    for number in sorted({*range(1, total, max(1, total // _POINTS)), *last}):

        def act(number: int = number) -> None:
            dying(number)
            action(world)

        run_and_die(act)
        idle(application)
        yield f"statement {number} of {total}"


def _died(world: World, application: Application, action: Callable[[World], Any], script: str) -> Iterator[str]:
    scripted(world, Script(script))
    run_and_die(lambda: action(world))
    world.store = None
    idle(application)
    yield script


def test_a_killed_delete_leaves_the_event_or_its_way_back(world: World, application: Application) -> None:
    """Before the commit every row is there; after it the whole event is in the trash, once under guard."""
    install(application.source, "event", EVENT)
    before = application.rows()
    outcomes = set()

    def action(one: World) -> None:
        with one.opened("deleter") as repository, suppress(TargetError):
            entity_delete(repository, EntityDeleteOrder(subject=application.subject()))

    for where in _restoring(world, application, before, deaths_of_delete(world, application, action)):
        outcomes.add(where)
    assert outcomes == {"as before", "brought back"}


def deaths_of_delete(world: World, application: Application, action: Callable[[World], Any]) -> Iterator[str]:
    """As ``deaths``; the first run, which only counts, deletes too and is taken back."""
    before = application.rows()
    dying = dying_sqlite if application.kind == "sqlite" else dying_at
    log = world.root.parent / "statements"

    def counted() -> None:
        dying(0, log)
        action(world)

    assert run_and_die(counted) is None
    yield "counted"
    assert application.rows() == before
    total = int(log.read_text())
    for number in sorted({*range(1, total, max(1, total // _POINTS)), *(total - back for back in range(3))}):

        def act(number: int = number) -> None:
            dying(number)
            action(world)

        run_and_die(act)
        idle(application)
        yield f"statement {number} of {total}"
    for number in range(1, 60, 20):
        yield from _died(world, application, action, f"*#{number}:kill-after")


def _restoring(
    world: World, application: Application, before: dict[str, list[tuple[Any, ...]]], moments: Iterator[str]
) -> Iterator[str]:
    for where in moments:
        if application.rows() == before:
            yield "as before"
            continue
        assert 1 not in [row[0] for row in application.rows()["events"]], where
        gone = [entry for entry in in_trash(world, application) if not entry.there]
        assert {entry.entity for entry in gone} == {("event", "1")}, where
        bring_back(world, application, gone[0])
        assert application.rows() == before, where
        yield "brought back"


def test_a_killed_shipment_loses_nothing_and_doubles_nothing(world: World, application: Application) -> None:
    """Killed between any two statements: the trash tells every row once, and the next run ends it."""
    install(application.source, "event", EVENT)

    def action(one: World) -> None:
        shipped(one, application, "shipper")

    gone = 0
    for number, where in enumerate(deaths(world, application, action)):
        found = in_trash(world, application)
        assert sum(entry.rows for entry in found) == gone, where
        action(world)
        idle(application)
        found = in_trash(world, application)
        assert (sum(entry.rows for entry in found), waiting(application)) == (gone, 0), where
        application.run(f"DELETE FROM lines WHERE reg = {number}")
        gone += 2
        time.sleep(0.26)  # SQLite counts what follows at once as deleted together


def test_a_killed_restore_from_the_trash_is_all_or_nothing(world: World, application: Application) -> None:
    """What was there stays, all comes back or nothing does, and the same command again ends it: also without keys."""
    application.run(
        "CREATE TABLE marks (event integer REFERENCES events (id) ON DELETE CASCADE, x text)",
        "INSERT INTO marks VALUES (1, 'a'), (1, 'a'), (1, NULL), (2, 'b')",
    )
    install(application.source, "event", EVENT)
    before = application.rows()
    application.run("DELETE FROM events WHERE id = 1")
    after = application.rows()
    application.run("UPDATE notes SET event = 1 WHERE FALSE")
    (entry,) = in_trash(world, application)

    def marks() -> int:
        with application.connected() as connection:
            return int(connection.execute("SELECT count(*) FROM marks").fetchone()[0])

    def action(one: World) -> None:
        with one.opened("restorer") as repository:
            (found,) = [each for each in trash(repository, TrashOrder(sources={"shop": application.source}))
                        if each.id == entry.id]  # fmt: skip
            trash_restore(repository, TrashRestoreOrder(discarded=found, source=application.source))

    time.sleep(0.26)  # SQLite counts what follows at once as deleted together
    dying = dying_sqlite if application.kind == "sqlite" else dying_at
    log = world.root.parent / "statements"
    total, outcomes = 0, set()
    for number in [0, *range(_POINTS), *(-back for back in range(1, 5))]:
        at = (total * number // _POINTS if number > 0 else total + 1 + number) if total else 0

        def act(at: int = at) -> None:
            dying(at, log)
            action(world)

        run_and_die(act)
        idle(application)
        total = total or int(log.read_text())
        done = marks() == 4
        now = application.rows()
        assert (now["events"], now["lines"]) == ((before if done else after)["events"],
                                                 (before if done else after)["lines"])  # fmt: skip
        outcomes.add(done)
        action(world)
        assert marks() == 4
        assert application.rows()["lines"] == before["lines"]
        application.run("DELETE FROM lines WHERE reg IN (SELECT id FROM regs WHERE event = 1)",
                        "DELETE FROM regs WHERE event = 1", "DELETE FROM marks WHERE event = 1",
                        "DELETE FROM events WHERE id = 1")  # fmt: skip
    assert outcomes == {True, False}


def test_two_that_ship_at_once_while_rows_go_on_being_deleted(world: World, application: Application) -> None:
    """Each deleted row is told once, and nothing waits in the end, whoever shipped it."""
    install(application.source, "event", EVENT)
    stop = threading.Event()

    def delete() -> None:
        for number in range(_DELETED):
            application.run(f"DELETE FROM lines WHERE reg = {number} AND no = 1")
            time.sleep(0.01)
        stop.set()

    def keep_shipping(writer: str) -> Callable[[], None]:
        def act() -> None:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                with suppress(HoldfastError):
                    shipped(world, application, writer)
        return act

    shippers = [threading.Thread(target=run_and_die, args=(keep_shipping(name),)) for name in ("a", "b")]
    deleter = threading.Thread(target=delete)
    for each in (*shippers, deleter):
        each.start()
    for each in (*shippers, deleter):
        each.join()
    assert stop.is_set()
    shipped(world, application)
    assert waiting(application) == 0
    found = in_trash(world, application)
    assert sum(entry.rows for entry in found) == _DELETED
    for entry in found:
        bring_back(world, application, entry)
    assert len(application.rows()["lines"]) == 120


@pytest.mark.parametrize("application", ["sqlite"], indirect=True)
def test_a_shipment_somebody_else_ended_meanwhile_is_not_taken_for_bad(
    world: World, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claimed rows that another process stored, read back and removed in between: its snapshot stays."""
    install(application.source, "event", EVENT)
    application.run("DELETE FROM events WHERE id = 1")
    with application.source.guard() as guard:
        assert guard.claim(100) is not None
        kind = type(guard)
    claimed = kind.claimed

    def late(self: Any) -> list[str]:
        found = claimed(self)
        monkeypatch.setattr(kind, "claimed", claimed)
        assert shipped(world, application, "other") == 61
        return found

    monkeypatch.setattr(kind, "claimed", late)
    assert shipped(world, application) == 0
    (entry,) = in_trash(world, application)
    assert (entry.rows, entry.waiting, len(entry.snapshots)) == (61, False, 1)


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_connection_that_is_ended_is_an_error_that_says_so(world: World, application: Application) -> None:
    """In the middle of a delete: told as what it is, nothing is deleted, and the trash says nothing of it."""
    application.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(5); RETURN NULL; END'",
        "CREATE TRIGGER slow AFTER DELETE ON lines FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    )
    before = application.rows()

    def end_it() -> None:
        with psycopg.connect(application.place, autocommit=True) as one:
            sleeping = "pid <> pg_backend_pid() AND datname = current_database()"
            while not one.execute(
                f"SELECT 1 FROM pg_stat_activity WHERE {sleeping} AND wait_event = 'PgSleep'"
            ).fetchone():
                time.sleep(0.02)
            one.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {sleeping}")

    ender = threading.Thread(target=end_it)
    ender.start()
    with world.opened() as repository, pytest.raises(TargetError) as caught:
        entity_delete(repository, EntityDeleteOrder(subject=application.subject()))
    ender.join()
    assert "terminating connection" in (caught.value.why or "")
    assert application.rows() == before
    assert in_trash(world, application) == []
