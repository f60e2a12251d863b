"""What the guard kept reaches the repository once, and comes back from wherever it is."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from tests.faults.scripted_storage import Script, Scripted
from tests.faults.test_kill_everywhere import every_call, scripted
from tests.faults.world import World, run_and_die
from tests.integration.guard.application import EVENT, Application

from holdfast.model.errors import Damaged, HoldfastError, TargetError
from holdfast.repository.repository import Repository
from holdfast.sources.postgres.records.live_transaction import PostgresTransaction
from holdfast.sources.sqlite import SqliteSource
from holdfast.storage.local import LocalStorage
from holdfast.usecases.guard import ShipOrder, Shipped, guarding, install, ship
from holdfast.usecases.guard_state import remove, status
from holdfast.usecases.row_undo import RowUndoOrder, undo_rows
from holdfast.usecases.trash import Discarded, TrashOrder, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, TrashRestoreResult, trash_restore


@pytest.fixture(autouse=True)
def guarded(application: Application) -> None:
    """The guard is up before anything is deleted."""
    install(application.source, "event", EVENT)


def shipped(repository: Repository, application: Application, **more: Any) -> Shipped:
    return ship(repository, ShipOrder(sources={"shop": application.source}, **more))


def in_trash(repository: Repository, application: Application) -> list[Discarded]:
    return trash(repository, TrashOrder(sources={"shop": application.source}))


def back(repository: Repository, application: Application, entry: Discarded, **more: Any) -> TrashRestoreResult:
    return trash_restore(repository, TrashRestoreOrder(discarded=entry, source=application.source, **more))


def test_a_delete_by_anybody_is_told_and_comes_back(world: World, application: Application) -> None:
    """Who, when and what, before it was shipped and after; brought back as it was, and that can be undone."""
    before = application.rows()
    application.run("DELETE FROM events WHERE id = 1")
    deleted = application.rows()
    with world.opened() as repository:
        (waiting,) = in_trash(repository, application)
        assert waiting.waiting
        assert waiting.tables == {application.table(n): c for n, c in (("events", 1), ("regs", 20), ("lines", 40))}
        if application.kind == "postgres":
            assert (waiting.by.user, waiting.by.application, waiting.by.address) == ("postgres", "shop", "127.0.0.1")
        assert shipped(repository, application).rows == 61
        (stored,) = in_trash(repository, application)
        assert (stored.id, stored.tables, stored.at) == (waiting.id, waiting.tables, waiting.at)
        assert not stored.waiting
        assert shipped(repository, application).snapshots == []
        result = back(repository, application, stored)
        assert sum(result.created.values()) == 61
        now = application.rows()
        assert {name: rows for name, rows in now.items() if name != "notes"} == {
            name: rows for name, rows in before.items() if name != "notes"
        }
        assert in_trash(repository, application)[0].restored == (result.run,)
        entry = next(each for each in repository.snapshots() if each.info.id == result.undo)
        undo_rows(repository, RowUndoOrder(entry=entry, source=application.source))
    assert application.rows() == deleted


def test_rows_come_back_from_the_guard_itself_too(world: World, application: Application) -> None:
    """Part of it shipped, part of it waiting: one entry in the trash, and all of it back; rows there again stay."""
    with application.connected() as connection:
        connection.execute("DELETE FROM lines WHERE reg < 30")
        connection.execute("DELETE FROM regs WHERE id < 3")
        connection.commit()
    application.run("INSERT INTO regs VALUES (1, 3, 'another')")
    with world.opened() as repository:
        with guarding(application.source).guard() as guard:
            assert guard.claim(40) is not None
        (entry,) = in_trash(repository, application)
        assert entry.rows == 63
        shipped(repository, application, at_once=30)
        (again,) = in_trash(repository, application)
        assert (again.id, again.rows, again.tables) == (entry.id, 63, entry.tables)
        assert len(again.snapshots) == 2
        result = back(repository, application, again)
        assert result.left == {application.table("regs"): 1}
        assert result.created == {application.table("lines"): 60, application.table("regs"): 2}
        assert back(repository, application, again, overwrite=True).replaced == {application.table("regs"): 1}
        assert (1, 2, "reg 1") in application.rows()["regs"]


def test_a_column_that_is_gone_is_named_and_left_out_when_told(world: World, application: Application) -> None:
    """The schema changed between the delete and the restore."""
    application.run("DELETE FROM regs WHERE id = 1")
    remove(application.source, {"event": EVENT}, "event")
    application.run("ALTER TABLE regs DROP COLUMN x", "ALTER TABLE regs ADD COLUMN y text DEFAULT 'new'")
    with world.opened() as repository:
        (entry,) = in_trash(repository, application)
        with pytest.raises(TargetError, match=r"columns of .*regs are gone: x"):
            back(repository, application, entry)
        back(repository, application, entry, drop_columns=True, only=(application.table("regs"),))
    assert [row[:2] for row in application.rows()["regs"] if row[0] == 1] == [(1, 2)]


def test_a_missing_parent_leaves_everything_as_it_was(world: World, application: Application) -> None:
    """A registration cannot come back without its event; nothing of it is written then."""
    application.run("DELETE FROM regs WHERE id = 1")
    with world.opened() as repository:
        shipped(repository, application)
        application.run("UPDATE payments SET event = NULL", "DELETE FROM events WHERE id = 2")
        before = application.rows()
        oldest = in_trash(repository, application)[-1]
        with pytest.raises(TargetError):
            back(repository, application, oldest)
    assert application.rows() == before


def test_what_was_stored_is_only_removed_the_next_time(world: World, application: Application) -> None:
    """Stored, and then the run ended: the next one removes the rows and stores nothing again."""
    application.run("DELETE FROM events WHERE id = 1")
    held = application.source

    class Unsettled:
        """The connection breaks before the rows could be removed."""

        def __init__(self, guard: Any) -> None:
            self.guard = guard

        def __getattr__(self, name: str) -> Any:
            if name == "settle":
                raise TargetError("the connection broke")
            return getattr(self.guard, name)

    class Breaking(type(held)):  # type: ignore[misc]
        def guard(self) -> Any:
            @contextlib.contextmanager
            def opened() -> Any:
                with type(held).guard(self) as guard:
                    yield Unsettled(guard)

            return opened()

    broken = Breaking(application.place)
    with world.opened() as repository:
        with pytest.raises(TargetError, match="the connection broke"):
            ship(repository, ShipOrder(sources={"shop": broken}))
        assert in_trash(repository, application)[0].rows == 61
        done = shipped(repository, application)
        assert (done.rows, done.snapshots) == (61, [])
        assert in_trash(repository, application)[0].rows == 61
        assert status({"shop": held}, {"event": EVENT})["shop"].state.waiting.rows == 0


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_restore_the_database_refuses_at_the_end_is_not_told_as_restored(
    world: World, application: Application
) -> None:
    """A deferred constraint says no to the commit: nothing came back, and the trash does not say it did."""
    application.run(
        "ALTER TABLE regs DROP CONSTRAINT regs_event_fkey",
        "ALTER TABLE regs ADD FOREIGN KEY (event) REFERENCES events DEFERRABLE INITIALLY DEFERRED",
        "DELETE FROM lines",
    )
    application.run("DELETE FROM regs WHERE event = 1")
    application.run("DELETE FROM events WHERE id = 1")
    with world.opened() as repository:
        wanted = next(entry for entry in in_trash(repository, application) if application.table("regs") in entry.tables)
        with pytest.raises(TargetError):
            back(repository, application, wanted)
        assert all(entry.restored == () for entry in in_trash(repository, application))
        assert repository.snapshots() == []


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_an_undo_of_what_may_be_committed_is_kept(
    world: World, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks while the answer to COMMIT is on its way: what it did can be taken back."""
    application.run("DELETE FROM events WHERE id = 1")
    deleted = application.rows()
    ended = PostgresTransaction.__exit__

    def unanswered(self: PostgresTransaction, kind: object, *more: object) -> None:
        ended(self, kind, *more)
        if kind is None:
            raise TargetError("the transaction could not be committed") from psycopg.OperationalError("lost")

    with world.opened() as repository:
        (entry,) = in_trash(repository, application)
        monkeypatch.setattr(PostgresTransaction, "__exit__", unanswered)
        with pytest.raises(TargetError, match="could not be committed"):
            back(repository, application, entry)
        monkeypatch.undo()
        assert application.rows() != deleted
        (kept,) = repository.snapshots()
        undo_rows(repository, RowUndoOrder(entry=kept, source=application.source))
    assert application.rows() == deleted


def test_nothing_is_replaced_that_cannot_be_read_back(world: World, application: Application) -> None:
    """The snapshot for undo lacks a row: found before anything is committed, and nothing is changed."""

    class Forgetful(type(application.source)):  # type: ignore[misc]
        def of_rows(self, book: Any, rows: Any) -> Any:
            return super().of_rows(book, {name: some[1:] for name, some in rows.items()})

    application.run("DELETE FROM regs WHERE event = 1")
    application.run("INSERT INTO regs SELECT id * 3, 1, 'others' FROM events")
    before = application.rows()
    with world.opened() as repository:
        entry = in_trash(repository, application)[-1]
        order = TrashRestoreOrder(discarded=entry, source=Forgetful(application.place), overwrite=True,
                                  only=(application.table("regs"),))  # fmt: skip
        with pytest.raises(Damaged, match="nothing was changed"):
            trash_restore(repository, order)
        assert repository.snapshots() == []
    assert application.rows() == before


def test_rows_of_others_are_not_deleted_by_a_forced_undo(world: World, application: Application) -> None:
    """What a cascade would take beyond the run is in no snapshot: refused and named, with force too."""
    application.run("DELETE FROM events WHERE id = 1")
    with world.opened() as repository:
        result = back(repository, application, in_trash(repository, application)[0])
        application.run("INSERT INTO regs VALUES (777, 1, 'new customer')")
        before = application.rows()
        entry = next(each for each in repository.snapshots() if each.info.id == result.undo)
        for force in (False, True):
            with pytest.raises(TargetError) as caught:
                undo_rows(repository, RowUndoOrder(entry=entry, source=application.source, force=force))
            assert "777 came later" in caught.value.why
            assert "or take them with" not in caught.value.hint
        assert application.rows() == before


def test_what_was_never_read_back_is_read_back_before_it_is_removed(world: World, application: Application) -> None:
    """Stored, and nothing could be read then: as long as that lasts every run fails, and no row is removed."""
    application.run("DELETE FROM events WHERE id = 1")
    world.store = lambda: Scripted(LocalStorage(world.repo), "get@packs/*:break")
    for _ in range(2):
        with world.opened() as repository, pytest.raises(HoldfastError):
            shipped(repository, application)
        assert status({"shop": application.source}, {"event": EVENT})["shop"].state.waiting.rows == 61
    world.store = None
    with world.opened() as repository:
        done = shipped(repository, application)
        assert (done.rows, done.snapshots) == (61, [])
        assert sum(back(repository, application, in_trash(repository, application)[0]).created.values()) == 61


def test_a_stored_shipment_that_lacks_a_row_is_stored_again(world: World, application: Application) -> None:
    """A bad snapshot that was never read back is found by the next run and replaced: every row comes back."""

    class Forgetful(type(application.source)):  # type: ignore[misc]
        def of_rows(self, book: Any, rows: Any) -> Any:
            return super().of_rows(book, {name: some[1:] for name, some in rows.items()})

    application.run("DELETE FROM events WHERE id = 1")
    world.store = lambda: Scripted(LocalStorage(world.repo), "get@packs/*:break")
    with world.opened() as repository, pytest.raises(HoldfastError):
        ship(repository, ShipOrder(sources={"shop": Forgetful(application.place)}))
    world.store = None
    with world.opened() as repository:
        (bad,) = repository.snapshots()
        done = shipped(repository, application)
        assert (done.rows, len(done.snapshots)) == (61, 1)
        assert [each.info.id for each in repository.snapshots()] == [done.snapshots[0].id] != [bad.info.id]
        assert sum(back(repository, application, in_trash(repository, application)[0]).created.values()) == 61


def test_killed_anywhere_nothing_is_lost_and_nothing_doubled(world: World, application: Application) -> None:
    """kill -9 at calls of storage all along: the trash tells the same, and the next run ends it."""
    held = application.source

    def action(one: World) -> None:
        with one.opened("shipper") as repository:
            ship(repository, ShipOrder(sources={"shop": held}))

    def told(repository: Repository) -> list[tuple[int, bool, int]]:
        return [(each.rows, each.waiting, len(each.snapshots)) for each in in_trash(repository, application)]

    application.run("DELETE FROM regs WHERE id = 0")
    scripts = every_call(world, action)[:: 3 if application.kind == "sqlite" else 6]
    deaths = 0
    for number, script in enumerate(scripts, 1):
        application.run(f"DELETE FROM lines WHERE reg = {number} AND no = 1")
        time.sleep(0.3)  # SQLite counts what follows at once as deleted together
        scripted(world, Script(script))
        deaths += run_and_die(lambda: action(world)) is not None
        world.store = None
        with world.opened() as repository:
            assert [rows for rows, _, _ in told(repository)] == [1] * number, script
        action(world)
        with world.opened() as repository:
            assert told(repository) == [(1, False, 1)] * number, script
    assert deaths > len(scripts) / 2


@pytest.mark.parametrize("application", ["sqlite"], indirect=True)  # of PostgreSQL: postgres/guard/test_restored.py
def test_a_copy_of_the_database_ships_what_it_holds_itself(world: World, application: Application) -> None:
    """A restored copy goes on numbering where the original stood: nothing of either is taken for the other's."""
    application.run("DELETE FROM regs WHERE id = 1")
    copy = world.root / "copy.db"
    with closing(sqlite3.connect(application.place)) as one, closing(sqlite3.connect(copy)) as other:
        one.backup(other)
    twin = replace(application, place=copy, source=SqliteSource(copy))
    application.run("DELETE FROM regs WHERE id = 2")
    twin.run("DELETE FROM regs WHERE id = 3")
    with world.opened() as repository:
        shipped(repository, application)
        shipped(repository, twin)
        gone: set[object] = set()
        for entry in in_trash(repository, application):
            back(repository, application, entry)
            gone |= {row[0] for row in application.rows()["regs"]}
        assert {1, 2, 3} <= gone
        assert status({"shop": twin.source}, {"event": EVENT})["shop"].state.waiting.rows == 0


def test_heavy_rows_are_shipped_in_parts(world: World, application: Application) -> None:
    """What a shipment weighs is bounded, not only how many rows it has; every row arrives."""
    with application.connected() as connection:
        mark = "?" if application.kind == "sqlite" else "%s"
        connection.execute(f"UPDATE regs SET x = {mark} WHERE id < 5", ("x" * (12 << 20),))
        connection.commit()
    application.run("DELETE FROM regs")
    with world.opened() as repository:
        done = shipped(repository, application)
        assert done.rows == 180
        assert len(done.snapshots) >= 2
        held = [entry.info.more["guard"]["rows"] for entry in repository.snapshots() if entry.info.more]
        assert sum(held) == 180
