"""Undo of what was restored, also where others lost or took something meanwhile."""

from __future__ import annotations

import pytest
from tests.faults.world import cheap, room  # noqa: F401
from tests.integration.entities.small_sites import SmallSite, small  # noqa: F401

from holdfast.model.errors import TargetError

_EVENTS = (
    "CREATE TABLE events (id INTEGER PRIMARY KEY, title TEXT)",
    """CREATE TABLE halls (id INTEGER PRIMARY KEY, name TEXT,
    shown INTEGER REFERENCES events (id) ON DELETE SET NULL,
    fallback INTEGER DEFAULT 9 REFERENCES events (id) ON DELETE SET DEFAULT)""",
    "INSERT INTO events VALUES (1, 'fair'), (9, 'none')",
)


def test_references_lost_to_a_forced_undo_come_back_with_its_undo(small: SmallSite) -> None:  # noqa: F811
    """SET NULL and SET DEFAULT alike: they are kept before the rows they named are taken away."""
    small.run(*_EVENTS)
    small.save()
    small.run("DELETE FROM events WHERE id = 1")
    run = small.restore().run
    small.run("INSERT INTO halls VALUES (1, 'a', 1, 1), (2, 'b', NULL, 1), (3, 'c', 1, 9)")
    before = small.state("events", "halls")
    with pytest.raises(TargetError, match="rows of others"):
        small.take_back(run)
    assert small.state("events", "halls") == before
    taken = small.take_back(run, force=True)
    assert small.rows("SELECT id, shown, fallback FROM halls ORDER BY id") == [(1, None, 9), (2, None, 9), (3, None, 9)]
    small.take_back(taken.run)
    assert small.state("events", "halls") == before


def test_rows_without_a_key_stop_even_a_forced_undo(small: SmallSite) -> None:  # noqa: F811
    """Nobody could find them again to give them their reference back."""
    small.run(*_EVENTS, "CREATE TABLE marks (event INTEGER REFERENCES events (id) ON DELETE SET NULL, text TEXT)")
    small.save()
    small.run("DELETE FROM events WHERE id = 1")
    run = small.restore().run
    small.run("INSERT INTO marks VALUES (1, 'x')")
    with pytest.raises(TargetError, match="of others") as refused:
        small.take_back(run, force=True)
    assert "no primary key" in (refused.value.hint or "")
    assert small.rows("SELECT event FROM marks") == [(1,)]


def test_rows_left_at_their_default_name_the_entity_again(small: SmallSite) -> None:  # noqa: F811
    """ON DELETE SET DEFAULT put the default there; a row that somebody pointed elsewhere stays."""
    small.run(*_EVENTS, "INSERT INTO events VALUES (5, 'other')",
              "INSERT INTO halls VALUES (1, 'a', 1, 1), (2, 'b', NULL, 1)")  # fmt: skip
    before = small.state("events", "halls")
    small.save()
    small.run("DELETE FROM events WHERE id = 1")
    assert small.rows("SELECT DISTINCT fallback FROM halls") == [(9,)]
    small.restore()
    assert small.state("events", "halls") == before
    small.run("DELETE FROM events WHERE id = 1", "UPDATE halls SET fallback = 5 WHERE id = 2")
    result = small.restore()
    assert small.rows("SELECT fallback FROM halls ORDER BY id") == [(1,), (5,)]
    assert any("refers to another row now" in step.reason for step in result.decision.steps)


_EVENT = "CREATE TABLE events (id INTEGER PRIMARY KEY)"
_UNIQUE = "CREATE TABLE seats (id INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,"


@pytest.mark.parametrize(
    "columns",
    ["place VARCHAR(6) UNIQUE", "place VARCHAR(6) NOT NULL UNIQUE", "place INTEGER NOT NULL, UNIQUE (event, place)"],
)
def test_rows_that_swapped_a_unique_value_get_their_own_again(small: SmallSite, columns: str) -> None:  # noqa: F811
    """Previewed, written, taken back, and that too; in a ring of three and in a chain."""
    small.run(_EVENT, f"{_UNIQUE} {columns})", "INSERT INTO events VALUES (1)")
    small.run(*(f"INSERT INTO seats VALUES ({n}, 1, '{n}')" for n in range(1, 6)))
    before = small.state("seats")
    small.save()
    small.run("DELETE FROM seats WHERE id = 5",
              *(f"UPDATE seats SET place = '{n + 10}' WHERE id = {n}" for n in (1, 2, 3, 4)),
              *(f"UPDATE seats SET place = '{new}' WHERE id = {n}" for n, new in ((1, 2), (2, 3), (3, 1), (4, 5))))
    changed = small.state("seats")
    assert small.restore(dry_run=True, existing="overwrite").decision.refusals == []
    run = small.restore(existing="overwrite").run
    assert small.state("seats") == before
    run = small.take_back(run).run
    assert small.state("seats") == changed
    small.take_back(run)
    assert small.state("seats") == before


def test_a_swap_that_nothing_can_open_is_refused_in_the_preview(small: SmallSite) -> None:  # noqa: F811
    """A truth that may not be NULL cannot be given up for a moment; nothing is changed."""
    kind = "BOOLEAN NOT NULL UNIQUE"
    small.run(_EVENT, f"{_UNIQUE} place {kind})", "INSERT INTO events VALUES (1)")
    if small.kind == "sqlite":
        pytest.skip("not proven: SQLite has no type whose values cannot be made")
    small.run("INSERT INTO seats VALUES (1, 1, true), (2, 1, false)")
    small.save()
    small.run("DELETE FROM seats WHERE id = 2", "UPDATE seats SET place = false",
              "INSERT INTO seats VALUES (2, 1, true)")  # fmt: skip
    now = small.state("seats")
    told = small.restore(dry_run=True, existing="overwrite").decision.refusals
    assert any("from one another" in text for text in told)
    with pytest.raises(TargetError, match="from one another"):
        small.restore(existing="overwrite")
    assert small.state("seats") == now


def test_rows_that_triggers_add_are_told_or_refused(small: SmallSite) -> None:  # noqa: F811
    """Elsewhere they are told; where rows of the entity stand, the restore would not be what was."""
    if small.kind == "sqlite":
        pytest.skip("not proven: triggers are written otherwise in SQLite; the counts are the same")
    small.run(_EVENT, "CREATE TABLE audit (id SERIAL PRIMARY KEY, event INTEGER)",
              f"{_UNIQUE} place TEXT)", "INSERT INTO events VALUES (1)", "INSERT INTO seats VALUES (1, 1, 'a')")
    small.save()
    small.run("DELETE FROM events",
              "CREATE FUNCTION audit() RETURNS trigger AS 'BEGIN INSERT INTO audit (event) VALUES (NEW.id);"
              " RETURN NULL; END' LANGUAGE plpgsql",
              "CREATE TRIGGER audit AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION audit()")  # fmt: skip
    result = small.restore()
    assert any("also added 1 of public.audit" in text for text in result.decision.warnings)
    small.run("DELETE FROM events",
              "CREATE OR REPLACE FUNCTION audit() RETURNS trigger AS 'BEGIN INSERT INTO seats VALUES (77, NEW.id);"
              " RETURN NULL; END' LANGUAGE plpgsql")  # fmt: skip
    with pytest.raises(TargetError, match="added that were not there before"):
        small.restore()
    assert small.rows("SELECT * FROM events") == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE seats ADD COLUMN must INTEGER NOT NULL DEFAULT 0; ALTER TABLE seats ALTER must DROP DEFAULT",
        "ALTER TABLE seats ALTER place TYPE INTEGER USING 1",
        "ALTER TABLE seats ADD CHECK (place <> 'a')",
        "CREATE UNIQUE INDEX ON seats ((1)); INSERT INTO events VALUES (2); INSERT INTO seats VALUES (2, 2, 'b')",
    ],
)
def test_a_dry_run_tells_what_only_the_database_knows(small: SmallSite, change: str) -> None:  # noqa: F811
    """It is tried and taken back: what the restore would be refused for, the preview is refused for too."""
    if small.kind == "sqlite":
        pytest.skip("not proven: the definitions are changed as PostgreSQL allows it")
    small.run(_EVENT, f"{_UNIQUE} place TEXT)", "INSERT INTO events VALUES (1)", "INSERT INTO seats VALUES (1, 1, 'a')")
    small.save()
    small.run("DELETE FROM events", *change.split("; "))
    now = small.state("events", "seats")
    assert small.restore(dry_run=True).decision.refusals
    assert small.state("events", "seats") == now
    with pytest.raises(TargetError):
        small.restore()
    assert small.state("events", "seats") == now


def test_one_and_one_point_nought_are_two_values(small: SmallSite) -> None:  # noqa: F811
    """What is stored otherwise differs: it is made as it was, and made again what it was before that."""
    if small.kind == "postgres":
        pytest.skip("not proven: columns of PostgreSQL have one type; 1 and 1.00 are two texts")
    small.run(_EVENT, f"{_UNIQUE} place, other)", "INSERT INTO events VALUES (1)",
              "INSERT INTO seats VALUES (1, 1, 1, 'a')")  # fmt: skip
    before = small.state("seats")
    small.save()
    small.run("UPDATE seats SET place = 1.0")
    only = small.state("seats")
    run = small.restore(existing="overwrite").run
    assert small.state("seats") == before
    small.take_back(run)
    assert small.state("seats") == only != before
    small.run("UPDATE seats SET place = 1.0, other = 'b'")
    small.restore(existing="overwrite")
    assert small.state("seats") == before


def test_a_row_that_the_database_keeps_is_no_success(small: SmallSite) -> None:  # noqa: F811
    """A trigger that keeps what should go: the undo fails, and nothing was changed."""
    small.run(_EVENT, f"{_UNIQUE} place TEXT)", "INSERT INTO events VALUES (1)", "INSERT INTO seats VALUES (1, 1, 'a')")
    small.save()
    small.run("DELETE FROM seats")
    run = small.restore().run
    if small.kind == "sqlite":
        small.run("CREATE TRIGGER keep BEFORE DELETE ON seats BEGIN SELECT RAISE(IGNORE); END")
    else:
        small.run("CREATE FUNCTION keep() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql",
                  "CREATE TRIGGER keep BEFORE DELETE ON seats FOR EACH ROW EXECUTE FUNCTION keep()")  # fmt: skip
    before = small.state("seats")
    with pytest.raises(TargetError, match="kept 1 rows"):
        small.take_back(run)
    assert small.state("seats") == before
