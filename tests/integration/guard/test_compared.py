"""What was deleted is compared with what was captured row by row, not only counted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
from tests.faults.world import World
from tests.integration.guard.application import EVENT, Application

from holdfast.model.errors import TargetError
from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.entity_deleting import deleting
from holdfast.usecases.entity_restore import EntityRestoreOrder, entity_restore
from holdfast.usecases.guard import ShipOrder, install, ship
from holdfast.usecases.trash import Discarded, TrashOrder, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore


def in_trash(world: World, application: Application) -> list[Discarded]:
    with world.opened() as repository:
        return trash(repository, TrashOrder(sources={"shop": application.source}))


def _all(block: AbstractContextManager[Any], connection: Any, statements: Sequence[str]) -> None:
    with block:
        for statement in statements:
            connection.execute(statement)


def trigger(application: Application, name: str, event: str, table: str, body: str) -> None:
    if application.kind == "sqlite":
        application.run(f"CREATE TRIGGER {name} {event} ON {table} BEGIN {body}; END")
        return
    application.run(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {body}; RETURN OLD; END$$",
        f"CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    )


@pytest.mark.parametrize(
    ("statements", "lost"),
    [
        (("UPDATE regs SET id = 1000 WHERE id = 0", "DELETE FROM regs WHERE id = 1"), "(1)"),
        (("DELETE FROM regs WHERE id = 0", "UPDATE regs SET id = 0 WHERE id = 1", "DELETE FROM regs WHERE id = 0"), ""),
        (("INSERT INTO regs VALUES (900, 1, 'x')", "DELETE FROM regs WHERE id IN (0, 1)"), "(1)"),
    ],
)
def test_as_many_rows_but_others_are_refused(
    world: World, application: Application, statements: tuple[str, ...], lost: str
) -> None:
    """A captured row that gets another key hides no other row from the comparison: the lost one is named."""
    application.run("DELETE FROM lines")
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(TargetError, match="had not been captured") as caught:
            _all(deleting(repository, order, connection), connection, statements)
        assert lost in (caught.value.why or "")
        connection.rollback()
    assert application.rows() == before


def test_what_a_savepoint_brings_back_is_not_held_against_it(world: World, application: Application) -> None:
    """The server counts deletes that were rolled back too; the rows are there, so nothing is refused."""
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with deleting(repository, order, connection):
            connection.execute("SAVEPOINT s")
            connection.execute("DELETE FROM regs WHERE event = 2")
            connection.execute("DELETE FROM audit")
            connection.execute("DELETE FROM events WHERE id = 1")
            connection.execute("ROLLBACK TO SAVEPOINT s")
            connection.execute("DELETE FROM events WHERE id = 1")
        connection.commit()
        assert [row[0] for row in application.rows()["events"]] == [2, 3]
        entity_restore(repository, EntityRestoreOrder(subject=application.subject()))
    assert len(application.rows()["regs"]) == 60


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM lines WHERE reg = 0", "DELETE FROM regs WHERE event = 1", "INSERT INTO audit VALUES (1, 1)"],
)
def test_a_part_of_what_was_captured_is_refused(world: World, application: Application, statement: str) -> None:
    """All or nothing: what is there still is named; a block that deletes nothing does no harm."""
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        if statement.startswith("INSERT"):
            _all(deleting(repository, order, connection), connection, [statement])
        else:
            with pytest.raises(TargetError, match="only a part") as caught:
                _all(deleting(repository, order, connection), connection, [statement])
            assert "events: 1 of 1 are there still: (1)" in (caught.value.why or "")
        connection.rollback()
    assert application.rows() == before


@pytest.mark.parametrize("application", ["sqlite"], indirect=True)
def test_a_connection_that_does_not_cascade_is_refused(world: World, application: Application) -> None:
    """The root goes alone where foreign keys are off: its rows would be left behind, referring to nothing."""
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        with pytest.raises(TargetError, match="only a part") as caught:
            _all(deleting(repository, order, connection), connection, ["DELETE FROM events WHERE id = 1"])
        assert "foreign_keys = ON" in (caught.value.hint or "") and "regs: 20 of 20" in (caught.value.why or "")
        connection.rollback()
    assert application.rows() == before


_REPLACING = {
    "REPLACE INTO events (id, title) VALUES (9, 'Three')": "events were deleted",
    "INSERT OR REPLACE INTO events (title) VALUES ('Three')": "events were deleted",
    "UPDATE OR REPLACE events SET title = 'Three' WHERE id = 2": "events were deleted",
    "REPLACE INTO lines VALUES (1, 0)": "",
    "REPLACE INTO events (id, title) VALUES (2, 'Two again')": "(regs|lines) were deleted",
    "INSERT OR IGNORE INTO events (title) VALUES ('Two')": "",
    "INSERT INTO events (id, title) VALUES (2, 'b') ON CONFLICT DO UPDATE SET title = 'c'": "",
    "UPDATE events SET id = 90 WHERE id = 3": "",
}


@pytest.mark.parametrize("application", ["sqlite"], indirect=True)
def test_what_replace_takes_the_place_of_is_seen(world: World, application: Application) -> None:
    """By number, by unique value, on insert and on update; what only conflicted, or changed, is not held against it."""
    application.run("DELETE FROM regs WHERE event = 3")
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        for statement, told in _REPLACING.items():
            statements = [statement, "DELETE FROM events WHERE id = 1"]
            if told:
                with pytest.raises(TargetError, match=told):
                    _all(deleting(repository, order, connection), connection, statements)
            else:
                _all(deleting(repository, order, connection), connection, statements)
            connection.rollback()
            assert not connection.execute("SELECT name FROM temp.sqlite_schema").fetchall()
    assert application.rows() == before


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_row_made_and_deleted_within_is_nobodys_loss(world: World, application: Application) -> None:
    """Only this transaction ever saw it."""
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with deleting(repository, order, connection):
            connection.execute("INSERT INTO audit VALUES (1, 1)")
            connection.execute("DELETE FROM audit")
            connection.execute("DELETE FROM events WHERE id = 1")
        connection.commit()
    assert [row[0] for row in application.rows()["events"]] == [2, 3]


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_what_deferred_triggers_delete_at_the_commit_counts(world: World, application: Application) -> None:
    """They run before the comparison: holdfast's own delete is refused, and so is the application's."""
    application.run(
        "INSERT INTO audit VALUES (1, 1), (2, 2)",
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM audit; RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER late AFTER DELETE ON events DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION late()",
    )
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(TargetError, match="other rows than were captured"):
            entity_delete(repository, order)
        with pytest.raises(TargetError, match=r"2 rows of public\.audit"), deleting(repository, order, connection):
            connection.execute("DELETE FROM events WHERE id = 1")
        connection.rollback()
        assert application.rows() == before
        application.run("DELETE FROM audit")
        with deleting(repository, order, connection):
            connection.execute("DELETE FROM events WHERE id = 1")
        connection.execute("INSERT INTO audit VALUES (7, 7)")
        connection.commit()
    after = application.rows()
    assert after["audit"] == []  # the trigger waited for the commit, as the application meant it
    assert [row[0] for row in after["events"]] == [2, 3]


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_delete_the_commit_would_refuse_is_told_within(world: World, application: Application) -> None:
    """What a deferred trigger says no to is an error before anything is committed, and nothing was deleted."""
    application.run(
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not on Sundays'; END$$",
        "CREATE CONSTRAINT TRIGGER never AFTER DELETE ON events DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION never()",
    )
    before = application.rows()
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        with pytest.raises(TargetError) as caught:
            entity_delete(repository, order)
        assert "not on Sundays" in (caught.value.why or "")
        with pytest.raises(TargetError, match="would refuse to commit"), deleting(repository, order, connection):
            connection.execute("DELETE FROM events WHERE id = 1")
        connection.rollback()
    assert application.rows() == before
    assert all(entry.there for entry in in_trash(world, application))


def test_a_row_a_trigger_keeps_stops_the_delete(world: World, application: Application) -> None:
    """As many rows go as were captured, yet one of those stays and another goes in its place: refused."""
    application.run("DELETE FROM lines")
    if application.kind == "sqlite":
        body = "DELETE FROM regs WHERE id = 1; SELECT RAISE(IGNORE)"
        application.run(f"CREATE TRIGGER swap BEFORE DELETE ON regs WHEN OLD.id = 0 BEGIN {body}; END")
    else:
        application.run(
            "CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN DELETE FROM regs WHERE id = 1; RETURN NULL; END'",
            "CREATE TRIGGER swap BEFORE DELETE ON regs FOR EACH ROW WHEN (OLD.id = 0) EXECUTE FUNCTION swap()",
        )
    before = application.rows()
    with world.opened() as repository, pytest.raises(TargetError, match=r"nothing was deleted|database kept 1 rows"):
        entity_delete(repository, EntityDeleteOrder(subject=application.subject()))
    assert application.rows() == before


def test_rows_that_triggers_change_beside_are_told(world: World, application: Application) -> None:
    """A counter elsewhere: its old value is in no snapshot, and the result says so; unlinked notes are not among it."""
    application.run("INSERT INTO audit VALUES (9, 60)")
    trigger(application, "counting", "AFTER DELETE", "regs", "UPDATE audit SET event = event - 1 WHERE id = 9")
    with world.opened() as repository:
        result = entity_delete(repository, EntityDeleteOrder(subject=application.subject()))
    assert result.touched == {application.table("audit"): 20}
    assert result.unlinked == {application.table("notes"): 2}


def test_what_holdfast_deletes_under_guard_is_in_the_trash_once(world: World, application: Application) -> None:
    """Before it is shipped, after, and for each of two deletes; what somebody else deleted beside stays told."""
    before = application.rows()
    install(application.source, "event", EVENT)
    application.run("DELETE FROM lines WHERE reg = 4")
    for key in (1, 3):
        with world.opened() as repository:
            entity_delete(repository, EntityDeleteOrder(subject=application.subject(key)))
    for _ in range(2):
        found = in_trash(world, application)
        assert [entry.entity for entry in found] == [("event", "3"), ("event", "1"), None]
        assert found[2].rows == 2
        with world.opened() as repository:
            ship(repository, ShipOrder(sources={"shop": application.source}))
    with world.opened() as repository:
        for entry in found:
            trash_restore(repository, TrashRestoreOrder(discarded=entry, source=application.source,
                                                        entities=lambda: {"event": EVENT}))  # fmt: skip
    assert application.rows() == before


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_partitions_and_tables_without_key_are_compared_too(world: World, application: Application) -> None:
    """Rows are told apart by all they hold where there is no key, and by the partitioned table's key."""
    application.run(
        "CREATE TABLE marks (event int REFERENCES events (id) ON DELETE CASCADE, x text)",
        "INSERT INTO marks VALUES (1, 'a'), (1, 'a'), (2, 'b'), (2, NULL)",
        "CREATE TABLE seats (event int REFERENCES events (id) ON DELETE CASCADE, no int, PRIMARY KEY (event, no))"
        " PARTITION BY LIST (event)",
        "CREATE TABLE seats_1 PARTITION OF seats FOR VALUES IN (1)",
        "CREATE TABLE seats_x PARTITION OF seats DEFAULT",
        "INSERT INTO seats SELECT e, n FROM generate_series(1, 3) e, generate_series(1, 5) n",
    )
    order = EntityDeleteOrder(subject=application.subject())
    with world.opened() as repository, application.connected() as connection:
        for wrong in (
            "DELETE FROM marks WHERE event = 2",
            "DELETE FROM seats WHERE event = 3",
            "UPDATE seats SET no = 99 WHERE event = 1 AND no = 1; DELETE FROM seats_x WHERE no = 1",
        ):
            with pytest.raises(TargetError, match="had not been captured"), deleting(repository, order, connection):
                connection.execute(wrong)
            connection.rollback()
        statements = ("UPDATE marks SET x = 'c' WHERE event = 2 AND x = 'b'", "DELETE FROM events WHERE id = 1")
        with pytest.raises(TargetError, match="which no key tells apart"):
            _all(deleting(repository, order, connection), connection, statements)
        connection.rollback()
        with deleting(repository, order, connection):
            connection.execute("UPDATE events SET title = 'x' WHERE id = 2")
            connection.execute("DELETE FROM events WHERE id = 1")
        connection.commit()
    with psycopg.connect(application.place) as one:
        assert one.execute("SELECT count(*) FROM marks").fetchone() == (2,)
        assert one.execute("SELECT count(*) FROM seats").fetchone() == (10,)
        assert one.execute("SELECT title FROM events WHERE id = 2").fetchone() == ("x",)


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_a_row_that_moved_to_another_partition_is_not_doubled(world: World, application: Application) -> None:
    """The restore leaves it where it stands and says so; what was deleted in the same transaction comes back."""
    application.run(
        "CREATE TABLE seats (no int, state text, event int NOT NULL REFERENCES events (id) ON DELETE CASCADE,"
        " PRIMARY KEY (no, state)) PARTITION BY LIST (state)",
        "CREATE TABLE seats_new PARTITION OF seats FOR VALUES IN ('new')",
        "CREATE TABLE seats_paid PARTITION OF seats FOR VALUES IN ('paid')",
        "INSERT INTO seats SELECT n, 'new', 1 FROM generate_series(1, 4) n",
    )
    install(application.source, "event", EVENT)
    application.run("UPDATE seats SET state = 'paid' WHERE no = 1", "DELETE FROM seats WHERE no = 2")
    (entry,) = in_trash(world, application)
    assert set(entry.operations) == {"move", "delete"}
    with world.opened() as repository:
        done = trash_restore(repository, TrashRestoreOrder(discarded=entry, source=application.source))
    assert (done.left, done.created) == ({"public.seats": 1}, {"public.seats": 1})
    with psycopg.connect(application.place) as one:
        assert one.execute("SELECT no, state FROM seats ORDER BY 1").fetchall() == [
            (1, "paid"), (2, "new"), (3, "new"), (4, "new"),
        ]  # fmt: skip


@pytest.mark.parametrize("application", ["postgres"], indirect=True)
def test_rows_that_name_it_several_times_are_let_go(world: World, application: Application) -> None:
    """By two columns, one of which the database empties itself, or by half of a key: deleted, and as before again."""
    application.run(
        "DELETE FROM payments",
        "CREATE TABLE games (id int PRIMARY KEY, home int REFERENCES events (id) ON DELETE SET NULL,"
        " away int REFERENCES events (id) ON DELETE SET NULL,"
        " won int DEFAULT 3 REFERENCES events (id) ON DELETE SET DEFAULT)",
        "INSERT INTO games VALUES (1, 1, 1, 1), (2, 1, 2, 2), (3, 2, 1, 3)",
        "CREATE TABLE bets (id int PRIMARY KEY, a int REFERENCES regs (id), b int REFERENCES regs (id))",
        "INSERT INTO bets VALUES (1, 0, 3), (2, 0, 1), (3, 0, 0)",
        "CREATE TABLE turns (id int PRIMARY KEY, event int NOT NULL REFERENCES events (id) ON DELETE RESTRICT,"
        " other int REFERENCES events (id) ON DELETE RESTRICT DEFERRABLE,"
        " own int REFERENCES turns (id) ON DELETE SET NULL DEFERRABLE)",
        "INSERT INTO turns VALUES (1, 1, NULL, NULL), (2, 2, 1, 1)",
        "CREATE TABLE halves (k1 int, k2 int, event int NOT NULL REFERENCES events (id) ON DELETE CASCADE, s2 int,"
        " PRIMARY KEY (k1, k2), FOREIGN KEY (k1, s2) REFERENCES halves DEFERRABLE)",
        "INSERT INTO halves VALUES (1, 1, 1, NULL), (1, 2, 2, 1)",
        "CREATE TABLE teams (id int PRIMARY KEY, event int NOT NULL REFERENCES events (id) ON DELETE CASCADE,"
        " head int)",
        "CREATE TABLE heads (id int PRIMARY KEY, team int NOT NULL REFERENCES teams (id) ON DELETE RESTRICT,"
        " next int REFERENCES heads (id) ON DELETE RESTRICT DEFERRABLE)",
        "ALTER TABLE teams ADD FOREIGN KEY (head) REFERENCES heads (id) ON DELETE RESTRICT DEFERRABLE",
        "INSERT INTO teams VALUES (1, 1, NULL), (2, 2, NULL)",
        "INSERT INTO heads VALUES (1, 1, 1), (2, 1, 1), (3, 2, NULL)", "UPDATE heads SET next = 2 WHERE id = 1",
        "UPDATE teams SET head = id * 2 - 1",
    )  # fmt: skip
    names = ("events", "games", "bets", "turns", "halves", "regs", "teams", "heads")

    def state() -> list[list[tuple[Any, ...]]]:
        with psycopg.connect(application.place) as one:
            return [one.execute(f"SELECT * FROM {name} ORDER BY 1, 2".encode()).fetchall() for name in names]

    before = state()
    with world.opened() as repository:
        done = entity_delete(repository, EntityDeleteOrder(subject=application.subject(), force=True))
        events, games, bets, turns, halves, _, teams, heads = state()
        assert [row[0] for row in events] == [2, 3]
        assert games == [(1, None, None, 3), (2, None, 2, 2), (3, 2, None, 3)]
        assert bets == [(1, None, None), (2, None, 1), (3, None, None)]
        assert (teams, heads) == ([(2, 2, 3)], [(3, 2, None)])
        assert (turns, halves) == ([(2, 2, None, None)], [(1, 2, 2, None)])
        assert done.unlinked["public.games"] == done.unlinked["public.bets"] == 3
        entity_restore(repository, EntityRestoreOrder(subject=application.subject()))
    assert state() == before
