"""Nothing is deleted before it was captured, and nothing else is deleted than what was."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import World
from tests.integration.guard.application import EVENT, Application

from holdfast.model.errors import Damaged, HoldfastError, TargetError, UsageError
from holdfast.repository.repository import Repository
from holdfast.sources.base import RestoreRequest
from holdfast.storage.local import LocalStorage
from holdfast.usecases import entity_delete as entity_delete_module
from holdfast.usecases.entity_delete import EntityDeleteOrder, EntityDeleteResult, entity_delete
from holdfast.usecases.entity_deleting import deleting
from holdfast.usecases.entity_restore import EntityRestoreOrder, entity_restore
from holdfast.usecases.restore import RestoreOrder, restore
from holdfast.usecases.trash import Discarded, TrashOrder, one, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore


def delete(repository: Repository, application: Application, key: int = 1, **more: Any) -> EntityDeleteResult:
    order = EntityDeleteOrder(subject=application.subject(key), created_by="tester@here", **more)
    return entity_delete(repository, order)


def in_trash(repository: Repository, application: Application) -> list[Discarded]:
    return trash(repository, TrashOrder(sources={"shop": application.source}))


def test_what_was_deleted_comes_back_from_the_trash(world: World, application: Application) -> None:
    """Deleted with all that belongs to it, told in the trash with who did it, and brought back as it was."""
    before = application.rows()
    with world.opened() as repository:
        result = delete(repository, application)
        counts = (("events", 1), ("regs", 20), ("lines", 40))
        assert result.deleted == {application.table(name): number for name, number in counts}
        assert result.unlinked == {application.table("notes"): 2}
        after = application.rows()
        assert [row[0] for row in after["events"]] == [2, 3]
        assert len(after["notes"]) == 3
        (found,) = in_trash(repository, application)
        assert (found.entity, found.title, found.by.user, found.rows) == (("event", "1"), "One", "tester@here", 61)
        order = TrashRestoreOrder(discarded=one([found], found.id[:8]), source=application.source,
                                  entities=lambda: {"event": EVENT})  # fmt: skip
        assert not found.there
        snapshot = result.snapshot
        assert snapshot is not None
        entry = next(each for each in repository.snapshots() if each.info.id == snapshot.id)
        for wish in ({"exact": True}, {"overwrite": True}):
            request = RestoreRequest(label="x", in_place=True, **wish)
            asked = RestoreOrder(entry=entry, source=application.source, dry_run=True, request=request)
            refused = [text for text in restore(repository, asked).plan.refusals if "holds chosen rows only" in text]
            assert bool(refused) == (application.kind == "sqlite" or "exact" in wish)
        trash_restore(repository, order)
        assert in_trash(repository, application)[0].there
    assert application.rows() == before


@pytest.mark.parametrize("script", ["put_new@packs/*:break", "put_new@log/*#2+:break", "get@packs/*:break"])
def test_a_storage_failure_means_no_delete(world: World, application: Application, script: str) -> None:
    """Whatever the store refuses, to write or to read back: the application keeps every row."""
    before = application.rows()
    world.store = lambda: Scripted(LocalStorage(world.repo), script)
    with world.opened() as repository, pytest.raises(HoldfastError):
        delete(repository, application)
    assert application.rows() == before
    with world.opened() as repository, application.connected() as connection:
        subject = EntityDeleteOrder(subject=application.subject())
        with pytest.raises(HoldfastError), deleting(repository, subject, connection):
            connection.execute("DELETE FROM events WHERE id = 1")
        connection.rollback()
    assert application.rows() == before


def test_a_row_that_flips_in_the_store_means_no_delete(world: World, application: Application) -> None:
    """What cannot be read back as it was written does not count as captured."""
    before = application.rows()
    world.store = lambda: Scripted(LocalStorage(world.repo), "get@packs/*:flip")
    with world.opened() as repository, pytest.raises(HoldfastError):
        delete(repository, application)
    assert application.rows() == before
    with world.opened() as repository:
        assert in_trash(repository, application) == []


def test_a_snapshot_that_lacks_a_row_means_no_delete(world: World, application: Application) -> None:
    """What is read back is compared row by row: a defect on the way to the repository is found before the delete."""

    class Forgetful(type(application.source)):  # type: ignore[misc]
        def of_rows(self, book: Any, rows: Any) -> Any:
            regs = application.table("regs")
            return super().of_rows(book, {**rows, regs: rows[regs][1:]})

    before = application.rows()
    subject = replace(application.subject(), source=Forgetful(application.place))
    with world.opened() as repository:
        with pytest.raises(Damaged, match="does not hold"):
            entity_delete(repository, EntityDeleteOrder(subject=subject))
        assert application.rows() == before
        assert in_trash(repository, application) == []


def test_rows_that_hold_it_forbid_the_delete_unless_forced(world: World, application: Application) -> None:
    """A payment refers to event 2: refused and named; with force it refers to nothing, and a restore links it again."""
    before = application.rows()
    with world.opened() as repository:
        plan = delete(repository, application, 2, dry_run=True)
        assert "payments" in plan.blocked[0]
        with pytest.raises(TargetError, match="refer to event 2") as caught:
            delete(repository, application, 2)
        assert "payments" in caught.value.why
        assert application.rows() == before
        assert in_trash(repository, application) == []
        delete(repository, application, 2, force=True)
        assert application.rows()["payments"] == [(1, None)]
        entity_restore(repository, EntityRestoreOrder(subject=application.subject(2)))
    assert application.rows() == before


def test_a_trigger_that_deletes_more_stops_everything(world: World, application: Application) -> None:
    """What the database deletes beyond what was captured is counted, and nothing at all is deleted then."""
    body = "DELETE FROM audit"
    application.run("INSERT INTO audit VALUES (1, 1), (2, 2)")
    if application.kind == "sqlite":
        application.run(f"CREATE TRIGGER more AFTER DELETE ON regs BEGIN {body}; END")
    else:
        application.run(
            f"CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body}; RETURN NULL; END'",
            "CREATE TRIGGER more AFTER DELETE ON regs FOR EACH ROW EXECUTE FUNCTION more()",
        )
    before = application.rows()
    with world.opened() as repository:
        with pytest.raises(TargetError, match="other rows than were captured") as caught:
            delete(repository, application)
        assert "audit: 0 captured, 2 deleted" in caught.value.why
        assert application.rows() == before
        with application.connected() as connection:
            order = EntityDeleteOrder(subject=application.subject())
            with pytest.raises(TargetError, match="audit were deleted"), deleting(repository, order, connection):
                connection.execute("DELETE FROM events WHERE id = 1")
            connection.rollback()
        assert application.rows() == before
        assert [entry.there for entry in in_trash(repository, application)] == [True]


def test_in_ones_own_transaction_it_is_captured_first(world: World, application: Application) -> None:
    """The application deletes by its own connection, uncommitted work included, and settings stay what they were."""
    with world.opened() as repository, application.connected() as connection:
        connection.execute("INSERT INTO regs VALUES (100, 1, 'not yet committed')")
        if application.kind == "postgres":
            connection.execute("SET search_path = public, pg_catalog; SET datestyle = 'German'")
        with deleting(repository, EntityDeleteOrder(subject=application.subject()), connection) as captured:
            connection.execute("DELETE FROM events WHERE id = 1")
        if application.kind == "postgres":
            assert connection.execute("SHOW datestyle").fetchone()[0].startswith("German")
        connection.commit()
        assert captured.closure.counts("owned")[application.table("regs")] == 21
        entity_restore(repository, EntityRestoreOrder(subject=application.subject()))
        assert len(application.rows()["regs"]) == 61
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (3,)


def test_another_row_than_the_captured_one_is_noticed(world: World, application: Application) -> None:
    """Capturing event 1 and deleting event 3 is an error, though as many rows go; what did not go is told as there."""
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(TargetError, match="that had not been captured"), deleting(repository, order, connection):
            connection.execute("DELETE FROM events WHERE id = 3")
        connection.rollback()
        with deleting(repository, order, connection):
            connection.execute("UPDATE events SET title = 'kept' WHERE id = 1")
        connection.rollback()
        with pytest.raises(ZeroDivisionError), deleting(repository, order, connection):
            print(connection.execute("DELETE FROM events WHERE id = 1") and 1 / 0)
        connection.rollback()
        assert all(entry.there for entry in in_trash(repository, application))
    assert application.rows() == before


def _committed(connection: Any) -> None:
    connection.execute("DELETE FROM events WHERE id = 1")
    connection.commit()


def _committed_and_failed(connection: Any) -> None:
    _committed(connection)
    raise ZeroDivisionError


def _failed(connection: Any) -> None:
    connection.execute("DELETE FROM events WHERE id = 1")
    raise ZeroDivisionError


def _begun_again(connection: Any) -> None:
    connection.execute("DELETE FROM events WHERE id = 1")
    connection.rollback()
    connection.execute("DELETE FROM events WHERE id = 1")


def _rolled_back(connection: Any) -> None:
    connection.execute("DELETE FROM events WHERE id = 1")
    connection.rollback()
    raise ZeroDivisionError


@pytest.mark.parametrize("work", [_committed, _committed_and_failed, _failed, _begun_again])
def test_what_is_gone_in_the_end_is_in_the_trash(world: World, application: Application, work: Any) -> None:
    """Committed within, failed and caught, rolled back and begun again: whatever deleted it, it comes back."""
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository:
        with application.connected() as connection:
            with (
                contextlib.suppress(ZeroDivisionError, TargetError),
                deleting(repository, order, connection),
            ):
                work(connection)
            connection.commit()
        assert (1, "One", None) not in application.rows()["events"]
        entity_restore(repository, EntityRestoreOrder(subject=application.subject()))
    assert application.rows() == before


def test_a_transaction_begun_again_within_is_an_error(world: World, application: Application) -> None:
    """What the second one deletes was not captured, and is not compared."""
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(TargetError, match="another one"), deleting(repository, order, connection):
            _begun_again(connection)
        connection.rollback()


def test_a_delete_rolled_back_within_leaves_no_trash(world: World, application: Application) -> None:
    """Ended, and every row found there by another connection: only then the capture is forgotten."""
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(ZeroDivisionError), deleting(repository, order, connection):
            _rolled_back(connection)
        assert in_trash(repository, application) == []


def test_one_connection_captures_one_delete_at_a_time(world: World, application: Application) -> None:
    """A second one within the first is refused: what each deletes could not be told apart."""
    first, second = (EntityDeleteOrder(subject=application.subject(key)) for key in (1, 3))
    with world.opened() as repository, application.connected() as connection:
        with (
            pytest.raises(UsageError, match="capturing another"),
            deleting(repository, first, connection),
            deleting(repository, second, connection),
        ):
            pass
        connection.rollback()
        with deleting(repository, second, connection):
            pass


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "statements",
    [
        "TRUNCATE events CASCADE",
        "DELETE FROM events WHERE id = 1; TRUNCATE regs CASCADE",
        "DROP TABLE lines",
    ],
)
def test_what_nobody_counts_is_refused(world: World, application: Application, statements: str) -> None:
    """TRUNCATE and DROP take rows away that no count tells of: an error in one's own transaction, rolled back."""
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(TargetError, match="emptied, dropped"), deleting(repository, order, connection):
            connection.execute(statements)
        connection.rollback()
    assert application.rows() == before


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_trigger_that_truncates_stops_everything(world: World, application: Application) -> None:
    """What the application's trigger empties whole is not counted, so nothing is deleted."""
    application.run(
        "INSERT INTO audit VALUES (1, 1)",
        "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN TRUNCATE audit; RETURN NULL; END'",
        "CREATE TRIGGER more AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION more()",
    )
    before = application.rows()
    with world.opened() as repository, pytest.raises(TargetError, match="audit was emptied"):
        delete(repository, application)
    assert application.rows() == before


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_table_made_meanwhile_is_counted_too(
    world: World, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made after the catalog was read, and reached by a cascade: its rows forbid the delete."""
    found = entity_delete_module.find_whole

    def late(*asked: Any) -> Any:
        application.run(
            "CREATE TABLE late (event integer REFERENCES events (id) ON DELETE CASCADE, x text)",
            "INSERT INTO late VALUES (1, 'precious')",
        )
        return found(*asked)

    monkeypatch.setattr(entity_delete_module, "find_whole", late)
    with world.opened() as repository, pytest.raises(TargetError) as caught:
        delete(repository, application)
    assert "public.late: 0 captured, 1 deleted" in caught.value.why


def test_a_connection_that_leads_elsewhere_or_commits_by_itself_is_refused(
    world: World, application: Application
) -> None:
    """Each with a hint, before anything is looked at."""
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(UsageError, match="no connection"), deleting(repository, order, object()):
            pass
        if application.kind == "sqlite":
            connection.isolation_level = None
        else:
            connection.autocommit = True
        with pytest.raises(UsageError, match="commits each statement"), deleting(repository, order, connection):
            pass


def test_what_others_add_meanwhile_is_captured_or_waits(world: World, application: Application) -> None:
    """A writer keeps registering while its event is deleted: every row is in the snapshot, refused, or elsewhere."""
    stop = threading.Event()
    written: list[int] = []

    def register() -> None:
        number = 1000
        while not stop.is_set():
            number += 1
            try:
                application.run(f"INSERT INTO regs VALUES ({number}, {1 + number % 3}, 'late')")
            except Exception:
                continue
            written.append(number)

    writer = threading.Thread(target=register)
    writer.start()
    try:
        with world.opened() as repository:
            result = delete(repository, application)
    finally:
        stop.set()
        writer.join()
    after = application.rows()
    assert not [row for row in after["regs"] if row[1] == 1]
    with world.opened() as repository:
        entity_restore(repository, EntityRestoreOrder(subject=application.subject()))
    regs = {row[0] for row in application.rows()["regs"]}
    assert regs == set(range(60)) | set(written)
    assert result.deleted[application.table("regs")] == sum(1 for row in application.rows()["regs"] if row[1] == 1)


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_neighbours_are_deleted_at_the_same_time(world: World, application: Application) -> None:
    """Each refers to the next, so deletes wait for one another's rows: a deadlock is tried again, not handed on."""
    application.run(
        "ALTER TABLE events ADD next integer REFERENCES events (id) ON DELETE SET NULL",
        "INSERT INTO events SELECT n, 'E' || n FROM generate_series(10, 21) n",
        "UPDATE events SET next = id + 1 WHERE id BETWEEN 10 AND 20",
    )

    def one(key: int) -> None:
        with world.opened(f"deleter-{key}") as repository:
            delete(repository, application, key)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(10, 22)))
    assert [row[0] for row in application.rows()["events"]] == [1, 2, 3]
    with world.opened() as repository:
        assert len(in_trash(repository, application)) == 12


def test_a_missing_event_is_named(world: World, application: Application) -> None:
    """Nothing there: an error, not a silent success."""
    with world.opened() as repository, pytest.raises(UsageError, match="no event 77"):
        delete(repository, application, 77)


