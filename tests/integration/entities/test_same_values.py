"""What a database calls the same is the same, however it is written: letters, numbers, collations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.world import cheap, room  # noqa: F401
from tests.integration.entities.small_sites import small_site

from holdfast.model.errors import TargetError
from holdfast.sources.base import Source
from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.entity_restore import EntityRestoreOrder, entity_restore
from holdfast.usecases.guard import install
from holdfast.usecases.restore_rows import RowsOrder, restore_rows
from holdfast.usecases.trash import TrashOrder, trash
from holdfast.usecases.trash_restore import TrashRestoreOrder, trash_restore

_NO_CASE = "CREATE COLLATION no_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
_KINDS = [
    ("sqlite", "TEXT COLLATE NOCASE", (), "Fair", "fAIR"),
    ("sqlite", "NUMERIC", (), "1", "1.0"),
    ("postgres 15", "text COLLATE no_case", (_NO_CASE,), "Fair", "fAIR"),
    ("postgres", "numeric", (), "1", "1.00"),
    ("postgres", "numeric", (), "NaN", "nan"),
    ("postgres 15", "citext", ("CREATE EXTENSION citext",), "Fair", "fAIR"),
]
_CHILD = {"interval": "2 days", "numeric[]": "{2}"}


@pytest.mark.parametrize(("kind", "column", "before", "one", "other"), _KINDS)
def test_a_value_that_the_database_calls_taken_is_named(
    kind: str, column: str, before: tuple[str, ...], one: str, other: str, room: Path, cheap: None, tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    """Before anything is written, in the preview already."""
    del cheap
    with small_site(kind, room, tmp_path) as site:
        site.run(*before, f"CREATE TABLE events (id INTEGER PRIMARY KEY, slug {column} UNIQUE)",
                 f"INSERT INTO events VALUES (1, '{one}')")  # fmt: skip
        site.save()
        site.run("DELETE FROM events", f"INSERT INTO events VALUES (2, '{other}')")
        now = site.state("events")
        refused = site.restore(dry_run=True).decision.refusals
        assert len(refused) == 1 and "belongs to" in refused[0] and refused[0].endswith("events 2 now")
        with pytest.raises(TargetError, match="belongs to"):
            site.restore()
        assert site.state("events") == now


@pytest.mark.parametrize(
    ("kind", "column", "before", "one", "other"),
    [*_KINDS[:1], *_KINDS[2:4], *_KINDS[5:], ("postgres", "interval", (), "1 day", "24:00:00"),
     ("postgres", "jsonb", (), '{"a \\" 1.0": [1.0, "1.0"]}', '{"a \\" 1.0": [1.00, "1.0"]}'),
     ("postgres", "numeric[]", (), "{1.0,NULL}", "{1.00,NULL}")],
)  # fmt: skip
def test_rows_that_name_one_another_in_other_letters_come_back(
    kind: str, column: str, before: tuple[str, ...], one: str, other: str, room: Path, cheap: None, tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    """A child names its parent as the database allows it; both are found, ordered, and restored."""
    del cheap
    with small_site(kind, room, tmp_path) as site:
        site.run(
            *before,
            f"CREATE TABLE events (id {column} PRIMARY KEY, part_of {column} REFERENCES events (id) ON DELETE CASCADE)",
            f"CREATE TABLE notes (id INTEGER PRIMARY KEY, event {column} NOT NULL REFERENCES events (id)"
            " ON DELETE CASCADE)",
            f"CREATE TABLE outside (id INTEGER PRIMARY KEY, event {column} REFERENCES events (id) ON DELETE SET NULL)",
            f"INSERT INTO events VALUES ('{one}', NULL), ('{_CHILD.get(column, '2')}', '{other}')",
            f"INSERT INTO notes VALUES (1, '{one}'), (2, '{other}')",
            f"INSERT INTO outside VALUES (1, '{one}'), (2, '{other}'), (3, NULL)",
        )
        state = site.state("events", "notes", "outside")
        site.save(one)
        if "no_case" not in column:  # whole snapshots do not know how these compare
            site.save_all()
        site.run("DELETE FROM events")
        assert site.rows("SELECT * FROM notes") == []
        result = site.restore(one)
        assert result.decision.warnings == []
        assert site.state("events", "notes", "outside") == state
        run = site.take_back(result.run).run
        assert site.rows("SELECT * FROM notes") == []
        site.take_back(run)
        assert site.state("events", "notes", "outside") == state


@pytest.mark.parametrize(
    ("there", "here", "one", "others"),
    [("TEXT COLLATE NOCASE UNIQUE", "TEXT", "'Alpha'", "'Alpha', 'ALPHA', 'alpha'"),
     ("TEXT UNIQUE", "INTEGER", "'7'", "7, '7', 7")],
)  # fmt: skip
def test_references_are_followed_as_sqlite_does(
    there: str, here: str, one: str, others: str, room: Path, cheap: None, tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    """By the rules of the column they lead to: what a delete takes along is captured, and comes back."""
    del cheap
    own, link, long = others.split(", ")
    with small_site("sqlite", room, tmp_path) as site:
        site.run(
            f"CREATE TABLE events (id INTEGER PRIMARY KEY, code {there})",
            f"CREATE TABLE notes (id INTEGER PRIMARY KEY, code {here} NOT NULL REFERENCES events (code)"
            " ON DELETE CASCADE)",
            f"CREATE TABLE outside (code {here} REFERENCES events (code) ON DELETE SET NULL, id TEXT PRIMARY KEY)"
            " WITHOUT ROWID",
            f"INSERT INTO events VALUES (1, {one}), (2, 99)",
            f"INSERT INTO notes VALUES (1, {own}), (2, {link}), (3, {long})",
            f"INSERT INTO outside VALUES ({link}, 'a'), ({long}, 'b'), (NULL, 'c')",
            "INSERT INTO notes VALUES (4, 99)",
        )
        state = site.state("events", "notes", "outside")
        assert site.save().counts == {"events": 1, "notes": 3}
        site.save_all()
        entity_delete(site.repository, EntityDeleteOrder(subject=site.subject()))
        assert site.rows("SELECT id FROM notes") == [(4,)]
        for entry in site.repository.snapshots():
            if entry.info.undo is not None:
                continue
            order = EntityRestoreOrder(subject=site.subject(), from_=entry.info.id)
            result = entity_restore(site.repository, order)
            assert site.state("events", "notes", "outside") == state, entry.info.trigger
            site.take_back(result.run)


def test_columns_of_another_type_hold_what_they_held(room: Path, cheap: None, tmp_path: Path) -> None:  # noqa: F811
    """Rows come back as the columns hold such values now, where nothing is lost by that; else nothing is done."""
    del cheap
    with small_site("postgres", room, tmp_path) as site:
        site.run(
            "CREATE TABLE events (id int PRIMARY KEY, price numeric(6,2), day date, name varchar(9), ok boolean,"
            " told json, made timestamp)",
            "CREATE TABLE notes (id int PRIMARY KEY, event int NOT NULL REFERENCES events (id) ON DELETE CASCADE)",
            """INSERT INTO events VALUES (1, 1.5, '2026-01-02', 'Fair', true, '{"b":1, "a":2}', '2026-01-02'),
               (2, 2, NULL, 'Long name', NULL, '[1,2]', NULL)""",
            "INSERT INTO notes VALUES (1, 1), (2, 2)",
        )
        site.save_all()
        (entry,) = site.repository.snapshots()
        site.run(
            "ALTER TABLE notes ALTER event TYPE bigint", "ALTER TABLE events ALTER id TYPE bigint,"
            " ALTER price TYPE numeric(9,4), ALTER day TYPE timestamp, ALTER ok TYPE text, ALTER told TYPE jsonb"
        )  # fmt: skip
        assert {each.action for each in site.restore(dry_run=True).decision.steps} == {"unchanged"}
        before = site.state("events", "notes")
        site.run("DELETE FROM events WHERE id = 1")
        site.restore()
        assert site.state("events", "notes") == before
        site.run("DELETE FROM notes", "DELETE FROM events WHERE id = 1")

        def chosen(_info: object) -> Source:
            return site.source

        order = RowsOrder(snapshot=entry.info.id, item="events", keys=("1", "2"), source=chosen, target=chosen)
        site.run("ALTER TABLE events ADD CONSTRAINT none CHECK (id <> 1) NOT VALID")
        (told,) = restore_rows(site.repository, replace(order, dry_run=True)).refusals
        assert "none" in told and len(site.rows("SELECT * FROM events")) == 1
        site.run("ALTER TABLE events DROP CONSTRAINT none")
        assert restore_rows(site.repository, replace(order, dry_run=True)).refusals == []
        assert restore_rows(site.repository, order).counts["create"] == 1
        site.run("ALTER TABLE events ALTER name TYPE varchar(5) USING left(name, 5), ALTER made TYPE timestamptz",
                 "DELETE FROM events")  # fmt: skip
        dry = {each.key: each for each in restore_rows(site.repository, replace(order, dry_run=True)).rows}
        assert [each.fate for each in dry.values()] == ["blocked", "blocked"]
        assert "made was of type timestamp" in dry["1",].reason and "varchar" not in dry["1",].reason
        assert "name was of type character varying(9), and character varying(5)" in dry["2",].reason
        for number in (1, 2):
            assert "would not hold the same" in site.restore(number, dry_run=True).decision.refusals[0]
            with pytest.raises(TargetError, match="would not hold the same"):
                site.restore(number)
        assert site.rows("SELECT * FROM events") == []


def test_what_a_guard_kept_comes_back_into_columns_of_another_type(
    room: Path, cheap: None, tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    """Numbers of other digits, days that became times; a time whose zone nobody knows is not guessed."""
    del cheap
    with small_site("postgres", room, tmp_path) as site:
        site.run("CREATE TABLE events (id int PRIMARY KEY, price numeric(6,2), day date)",
                 "INSERT INTO events VALUES (1, 1.5, '2026-01-02'), (2, 2, NULL)")  # fmt: skip
        install(site.source, "event", site.subject().declaration)
        site.run("DELETE FROM events", "ALTER TABLE events ALTER price TYPE numeric(9,4), ALTER day TYPE timestamp")
        (found,) = trash(site.repository, TrashOrder(sources={"app": site.source}))
        order = TrashRestoreOrder(discarded=found, source=site.source, entities=dict)
        trash_restore(site.repository, order)
        told = [("1", "1.5000", "2026-01-02 00:00:00"), ("2", "2.0000", None)]
        assert site.rows("SELECT id::text, price::text, day::text FROM events ORDER BY 1") == told
        site.run("DELETE FROM events", "ALTER TABLE events ALTER day TYPE timestamptz")
        order = replace(order, discarded=trash(site.repository, TrashOrder(sources={"app": site.source}))[0])
        with pytest.raises(TargetError):
            trash_restore(site.repository, order)


@pytest.mark.parametrize("kind", ["sqlite", "postgres 15"])
def test_rows_without_key_are_told_apart_by_every_letter(
    kind: str, room: Path, cheap: None, tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    """Where their collation calls them the same too: undo takes away the one that came. A box hinders nobody."""
    del cheap
    with small_site(kind, room, tmp_path) as site:
        first = () if kind == "sqlite" else (_NO_CASE,)
        collation = "NOCASE" if kind == "sqlite" else "no_case"
        site.run(*first, f"CREATE TABLE events (said text COLLATE {collation}, area box, told json)",
                 """INSERT INTO events VALUES ('Fair', '1,1,0,0', '{}'), ('fAIR', '1,1,0,0', '{}')""",
                 "CREATE TABLE areas (n int, area box)", "INSERT INTO areas VALUES (1, '1,1,0,0')")  # fmt: skip
        site.save_all()
        (entry,) = site.repository.snapshots()
        own = "BINARY" if kind == "sqlite" else '"C"'
        site.run(f"DELETE FROM events WHERE said COLLATE {own} = 'Fair'", "DELETE FROM areas")
        before = site.state("events", "areas")

        def chosen(_info: object) -> Source:
            return site.source

        for table, where in (("events", "area is not null"), ("areas", "n = 1")):
            order = RowsOrder(snapshot=entry.info.id, item=table, where=where, source=chosen, target=chosen)
            done = restore_rows(site.repository, order)
            assert done.counts["create"] == 1 and site.state("events", "areas") != before
            site.take_back(done.run)
            assert site.state("events", "areas") == before
