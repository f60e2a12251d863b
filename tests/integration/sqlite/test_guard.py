"""What anybody deletes from a SQLite database under guard is kept, whole, in the transaction that deletes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from holdfast.model.errors import TargetError, UsageError
from holdfast.sources.guarding import Kept
from holdfast.sources.sqlite import SqliteSource

_ODD = 'o"dd; --\'t'
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE events (id INTEGER PRIMARY KEY, title TEXT);
CREATE TABLE parts (event INT REFERENCES events ON DELETE CASCADE, no INT, any, PRIMARY KEY (event, no)) WITHOUT ROWID;
CREATE TABLE "{_ODD.replace('"', '""')}" ("a""b" BLOB, "'" REAL, twice INT AS ("'" * 2) STORED, event INT
  REFERENCES events ON DELETE CASCADE);
INSERT INTO events VALUES (1, 'One'), (2, NULL), (3, CAST(x'ff00fe' AS TEXT));
INSERT INTO parts VALUES (1, 1, 1), (1, 2, 1.0), (1, 3, x'00ff'), (1, 4, 'é' || char(0) || 'x'), (2, 1, 9e999),
  (2, 2, -0.0), (2, 3, 9223372036854775807), (2, 4, CAST(x'c328' AS TEXT)), (2, 5, NULL);
INSERT INTO "{_ODD.replace('"', '""')}" VALUES (x'01', 0.1, 1), ('text', 3, 2), (NULL, NULL, 3);
"""
_ALL = ("events", "parts", _ODD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "app.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(_SCHEMA)
    return file


@pytest.fixture
def source(path: Path) -> SqliteSource:
    """The application, with its guard up."""
    made = SqliteSource(path)
    with made.guard() as guard:
        guard.install(_ALL)
    return made


@pytest.fixture
def application(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program at work."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def kept(source: SqliteSource) -> list[Kept]:
    with source.open_live() as book:
        return list(source.kept(book.rows(book.tables[source.guard_table])))


def stored(source: SqliteSource) -> list[str]:
    """Every row with the columns that are stored."""
    with source.open_live() as book:
        return sorted(
            f"{name} { {key: value for key, value in row.values.items() if key != 'twice'} }"
            for name in _ALL for row in book.rows(book.tables[name])
        )  # fmt: skip


@pytest.mark.parametrize("statement", ["DELETE FROM events WHERE id = 1", "DELETE FROM events", "DELETE FROM parts"])
def test_every_value_is_kept_as_it_was(
    source: SqliteSource, application: sqlite3.Connection, statement: str
) -> None:
    """Types, bytes, text that is not valid, cascades: what is gone is what is kept."""
    before = stored(source)
    application.execute(statement)
    gone = set(before) - set(stored(source))
    assert gone
    assert sorted(gone) == sorted(f"{each.table} {each.row.values}" for each in kept(source))


def test_what_is_rolled_back_is_not_kept(source: SqliteSource, application: sqlite3.Connection) -> None:
    """Rows are kept in the transaction that deletes them."""
    application.execute("BEGIN")
    application.execute("DELETE FROM events")
    application.execute("ROLLBACK")
    assert kept(source) == []


def test_a_table_that_changed_is_told_and_put_right(source: SqliteSource, application: sqlite3.Connection) -> None:
    """A column that came later is not kept until the guard is installed again, and the state says so."""
    application.execute("ALTER TABLE events ADD COLUMN fresh TEXT DEFAULT 'new'")
    with source.guard() as guard:
        gaps = {each.table: each.gaps for each in guard.state().watched}
        assert "changed since" in gaps["events"][0]
        assert not gaps["parts"]
        guard.install(_ALL)
        assert not any(each.gaps for each in guard.state().watched)
        assert guard.install(_ALL) == []
    application.execute("DELETE FROM events WHERE id = 2")
    assert {"fresh": "new"}.items() <= kept(source)[-1].row.values.items()


def test_a_wider_table_finds_room(source: SqliteSource, application: sqlite3.Connection) -> None:
    """The guard's table grows with what it has to hold."""
    names = [f"c{number}" for number in range(40)]
    application.execute(f"CREATE TABLE wide ({', '.join(names)})")
    with source.guard() as guard:
        guard.install(["wide"])
    application.execute(f"INSERT INTO wide VALUES ({', '.join('?' * 40)})", list(range(40)))
    application.execute("DELETE FROM wide")
    assert dict(kept(source)[0].row.values) == {name: number for number, name in enumerate(names)}


def test_rows_leave_the_guard_only_when_settled(source: SqliteSource, application: sqlite3.Connection) -> None:
    """Claims name what a shipment holds, take every row once, and outlive whoever made them."""
    application.execute("DELETE FROM events")
    with source.guard() as guard:
        first, second = guard.claim(10), guard.claim(10)
        assert first is not None and second is not None
        assert guard.claim(10) is None
    with source.guard() as guard:
        assert guard.claimed() == sorted([first, second])
        assert guard.settle(first) == 10
        with pytest.raises(TargetError, match="5 deleted rows wait"):
            guard.remove()
        assert guard.settle(second) == 5
        guard.remove()
        assert not guard.state().installed
    application.execute("INSERT INTO events VALUES (9, 'x')")
    application.execute("DELETE FROM events")


def test_what_cannot_be_guarded_is_refused_whole(source: SqliteSource, application: sqlite3.Connection) -> None:
    """A virtual table or a name that is not there leaves everything as it was."""
    application.execute("CREATE VIRTUAL TABLE words USING fts5(x)")
    application.execute("CREATE TABLE late (x)")
    with source.guard() as guard:
        for bad in ("words", "nothing"):
            with pytest.raises(UsageError, match=bad):
                guard.install(["late", bad])
        assert {each.table for each in guard.state().watched} == set(_ALL)


def test_replace_is_a_way_past_the_guard_unless_triggers_recurse(
    source: SqliteSource, application: sqlite3.Connection
) -> None:
    """What the guard says it cannot see is what it cannot see."""
    application.execute("INSERT OR REPLACE INTO events VALUES (2, 'again')")
    assert not [each for each in kept(source) if each.table == "events"]
    application.execute("PRAGMA recursive_triggers = ON")
    application.execute("INSERT OR REPLACE INTO events VALUES (2, 'once more')")
    assert [each.row.values["title"] for each in kept(source) if each.table == "events"] == ["again"]
