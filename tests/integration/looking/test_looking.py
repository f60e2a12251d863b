"""What can be asked of snapshots, and brought back row by row, is the same for every kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.faults.world import World
from tests.integration.looking.conftest import Application

from holdfast.model.errors import TargetError, UsageError
from holdfast.repository.repository import Repository
from holdfast.usecases.diff import DiffOrder, DiffResult, diff
from holdfast.usecases.find import FindOrder, FindResult, find
from holdfast.usecases.history import HistoryOrder, history
from holdfast.usecases.restore_rows import RowsOrder, RowsResult, restore_rows
from holdfast.usecases.sql import SqlOrder, sql
from holdfast.usecases.undo import UndoOrder, undo


@pytest.fixture
def repository(world: World) -> Iterator[Repository]:
    with world.opened() as opened:
        yield opened


def found(repository: Repository, app: Application, snapshot: str, item: str, *words: str, **more: Any) -> FindResult:
    order = FindOrder(snapshot=snapshot, item=item, words=words, source=lambda _info: app.source, **more)
    return find(repository, order)


def differing(repository: Repository, app: Application, before: str, after: str, *items: str) -> DiffResult:
    return diff(
        repository,
        DiffOrder(
            before=before, after=after, items=items, source=lambda _info: app.source, live=lambda _name: app.source
        ),
    )


def brought_back(repository: Repository, app: Application, snapshot: str, item: str, **more: Any) -> RowsResult:
    order = RowsOrder(
        snapshot=snapshot, item=item, source=lambda _info: app.source, target=lambda _info: app.source, **more
    )
    return restore_rows(repository, order)


def test_rows_are_found_by_key_unique_key_column_and_condition(app: Application, repository: Repository) -> None:
    """What is gone now is found in the snapshot; what is not there is found elsewhere."""
    first = app.taken(repository)
    app.delete("tags", 3) if app.kind == "mongodb" else app.run("DELETE FROM event_tags WHERE tag = 3")
    app.delete("tags", 3)
    second = app.taken(repository)
    (row,) = found(repository, app, first.id, "tags", "3").rows
    assert row["name"] == "free"
    (row,) = found(repository, app, first.id, "users", "email=user3@example.org").rows
    assert (str(row[app.id]), row["name"]) == ("3", None)
    condition = f"{app.id} >= 100 and {app.id} < 104 and note is not null"
    rows = found(repository, app, first.id, "registrations", where=condition).rows
    assert [row["note"] for row in rows] == ["note 102"]
    missing = found(repository, app, second.id, "tags", "3")
    assert (missing.rows, [info.id for info in missing.elsewhere]) == ([], [first.id])
    with pytest.raises(UsageError):
        found(repository, app, first.id, "tagz", "3")


def test_every_version_of_a_row_is_told(app: Application, repository: Repository) -> None:
    """Unchanged snapshots are one version; deletion and return are versions too, also for a question by value."""
    app.taken(repository)
    app.taken(repository)
    app.set("events", 3, title="Autumn")
    app.taken(repository)
    app.set("events", 3, title="Winter")
    for words in (("3",), ("title=Autumn",)):
        order = HistoryOrder(
            source_name="shop",
            item="events",
            words=words,
            source=lambda _info: app.source,
            live=lambda _name: app.source,
        )
        (row,) = history(repository, order).rows
        assert [(each.status, each.count) for each in row.versions] == [("added", 2), ("changed", 1), ("changed", 1)]
        assert [each.changed.get("title") for each in row.versions] == [None, (None, "Autumn"), ("Autumn", "Winter")]
        assert row.versions[-1].last is None


def test_two_snapshots_and_the_application_are_compared(app: Application, repository: Repository) -> None:
    """Counts and rows are exact against another snapshot and against the living application, either way round."""
    first = app.taken(repository)
    app.set("registrations", 110, note="other")
    app.delete("registrations", 111)
    app.insert("registrations", id=900, event=1, user=1, note="new")
    app.set("events", 1, title="Frühling")
    second = app.taken(repository)
    for after in (second.id, "live"):
        result = differing(repository, app, first.id, after)
        told = {table.table.rpartition(".")[2]: table for table in result.tables}
        odd = {name: (each.added, each.removed, each.changed) for name, each in told.items() if each.status != "same"}
        assert odd == {"registrations": (1, 1, 1), "events": (0, 0, 1)}
        rows = {(row["did"], str(row["key"][app.id])): row for row in told["registrations"].rows}
        assert set(rows) == {("changed", "110"), ("removed", "111"), ("added", "900")}
        assert rows["changed", "110"]["columns"] == ["note"]
    assert not differing(repository, app, second.id, "live").different
    back = differing(repository, app, second.id, first.id, "registrations")
    assert [(each.added, each.removed, each.changed) for each in back.tables] == [(1, 1, 1)]


def test_a_snapshot_is_asked_in_sql(app: Application, repository: Repository) -> None:
    """Joins, aggregates and types; two snapshots side by side; nothing else can be done."""
    first = app.taken(repository)
    app.delete("registrations", 111)
    second = app.taken(repository)

    def asked(statement: str, **more: Any) -> list[tuple[Any, ...]]:
        order = SqlOrder(snapshot=first.id, sql=statement, source=lambda _info: app.source, **more)
        with sql(repository, order) as result:
            return list(result.answer.rows)

    key = f'"{app.id}"'
    joined = (
        f"SELECT e.title, count(*), sum(r.{key}) FROM registrations r JOIN events e ON e.{key} = r.event"
        " GROUP BY ALL ORDER BY 2, 1"
    )
    assert asked(joined) == [("Summer", 15, 1935), (None, 15, 1950), ("Spring", 30, 3885)]
    assert asked("SELECT count(*) FROM users WHERE name IS NULL") == [(1,)]
    gone = f"SELECT {key} FROM a.registrations EXCEPT SELECT {key} FROM b.registrations"
    assert asked(gone, compare=second.id) == [(111,)]
    for statement in (
        "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "COPY events TO '/tmp/x'",
        "SELECT * FROM read_text('/etc/passwd')", "ATTACH '/tmp/x.db'", "INSTALL httpfs", "LOAD httpfs",
        "PRAGMA enable_external_access=true", "SET enable_external_access=true", "SELECT 1; SELECT 2", "SELEC 1", "",
        "SELECT * FROM glob('/etc/*')", "CREATE TABLE x AS SELECT 1", "DROP VIEW events", "EXPORT DATABASE '/tmp/x'",
        "SELECT * FROM app",
    ):  # fmt: skip
        with pytest.raises(UsageError):
            asked(statement)


def test_chosen_rows_come_back_and_go_again(app: Application, repository: Repository) -> None:
    """What is missing is created, what differs is left alone unless asked for; undo makes all of it as it was."""
    first = app.taken(repository)
    app.delete("registrations", 110)
    app.delete("registrations", 114)
    app.set("registrations", 118, note="changed since")
    app.insert("registrations", id=901, event=1, user=1, note="mine")
    second = app.taken(repository)
    keys = {"keys": ("110,114", "118,122")}

    dry = brought_back(repository, app, first.id, "registrations", dry_run=True, **keys)
    assert dry.counts == {"create": 2, "unchanged": 1, "update": 0, "conflict": 1, "blocked": 0}
    assert not differing(repository, app, second.id, "live").different

    done = brought_back(repository, app, first.id, "registrations", **keys)
    assert (done.counts["create"], done.counts["conflict"]) == (2, 1)
    again = brought_back(
        repository, app, first.id, "registrations", where=f"{app.id} in (110, 114, 118)", overwrite=True
    )
    assert again.counts == {"create": 0, "unchanged": 2, "update": 1, "conflict": 0, "blocked": 0}
    (left,) = (table for table in differing(repository, app, first.id, "live").tables if table.status != "same")
    assert (left.added, left.removed, left.changed) == (1, 0, 0)

    for run in (again.run, done.run):
        undo(repository, UndoOrder(run=run, source=lambda _info: app.source))
    assert not differing(repository, app, second.id, "live").different


def test_an_undo_does_not_take_what_was_changed_since(app: Application, repository: Repository) -> None:
    """Unless it is forced."""
    first = app.taken(repository)
    app.delete("registrations", 110)
    done = brought_back(repository, app, first.id, "registrations", keys=("110",))
    app.set("registrations", 110, note="worked on")
    with pytest.raises(TargetError):
        undo(repository, UndoOrder(run=done.run, source=lambda _info: app.source))
    undo(repository, UndoOrder(run=done.run, source=lambda _info: app.source, force=True))
    (table,) = (each for each in differing(repository, app, first.id, "live").tables if each.status != "same")
    assert (table.added, table.removed, table.changed) == (0, 1, 0)


@pytest.mark.parametrize("app", ["sqlite", "postgres"], indirect=True)
def test_blocked_rows_stop_everything_unless_they_may_be_left_out(app: Application, repository: Repository) -> None:
    """A missing parent is told by name, and nothing is written; documents have no foreign keys."""
    first = app.taken(repository)
    app.run("DELETE FROM registrations WHERE event = 4")
    app.run("DELETE FROM event_tags WHERE event = 4")
    app.run("UPDATE events SET parent = NULL WHERE id = 4")
    app.delete("events", 4)
    app.delete("registrations", 104)
    second = app.taken(repository)
    dry = brought_back(repository, app, first.id, "registrations", where="id in (103, 104)", dry_run=True)
    assert dry.counts["blocked"] == 1 and dry.counts["create"] == 1
    with pytest.raises(TargetError, match="cannot be written"):
        brought_back(repository, app, first.id, "registrations", where="id in (103, 104)")
    assert not differing(repository, app, second.id, "live").different
    done = brought_back(repository, app, first.id, "registrations", where="id in (103, 104)", skip_blocked=True)
    assert done.counts["create"] == 1 and done.undo
