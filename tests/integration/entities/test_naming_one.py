"""Which row is meant by what was typed, and which row is named by what was restored."""

from __future__ import annotations

import pytest
from tests.faults.world import cheap, room  # noqa: F401
from tests.integration.entities.small_sites import SmallSite, small  # noqa: F401

from holdfast.model.errors import UsageError
from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.entity_finding import versions
from holdfast.usecases.entity_map import entity_map
from holdfast.usecases.history import HistoryOrder, history


def test_an_id_that_is_gone_never_means_another_row(small: SmallSite) -> None:  # noqa: F811
    """A delete that is run again deletes nothing; another column counts only when it is named."""
    small.run("CREATE TABLE events (id INTEGER PRIMARY KEY, number INTEGER UNIQUE, slug TEXT UNIQUE)",
              "INSERT INTO events VALUES (5, 1, 'old'), (9, 5, 'new')")  # fmt: skip
    small.save_all()
    entity_delete(small.repository, EntityDeleteOrder(subject=small.subject(5)))
    with pytest.raises(UsageError, match="no event with id 5") as refused:
        entity_delete(small.repository, EntityDeleteOrder(subject=small.subject(5)))
    assert "number=5" in (refused.value.hint or "")
    small.save_all()
    assert small.rows("SELECT id FROM events") == [(9,)]
    assert [each.is_entity for each in versions(small.repository, small.subject(5))] == [True, False]
    small.restore(5)
    assert small.rows("SELECT id, slug FROM events ORDER BY id") == [(5, "old"), (9, "new")]
    entity_delete(small.repository, EntityDeleteOrder(subject=small.subject("number=5")))
    assert small.rows("SELECT id FROM events") == [(5,)]
    small.restore("new")
    assert small.rows("SELECT id FROM events ORDER BY id") == [(5,), (9,)]
    with pytest.raises(UsageError):
        small.restore("number=77")


def test_shared_rows_are_named_by_the_column_that_names_them(small: SmallSite) -> None:  # noqa: F811
    """A reference to another column than the primary key follows that column, and nothing else."""
    small.run(
        "CREATE TABLE events (id INTEGER PRIMARY KEY)",
        "CREATE TABLE tags (id INTEGER PRIMARY KEY, code INTEGER UNIQUE, name TEXT UNIQUE)",
        "CREATE TABLE others (code INTEGER REFERENCES tags (code))",
        """CREATE TABLE posts (id INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        code INTEGER REFERENCES tags (code))""",
        "INSERT INTO tags VALUES (5, 7, 'red'), (9, 5, 'blue')",
        "INSERT INTO events VALUES (1)",
        "INSERT INTO posts VALUES (1, 1, 7), (2, 1, 5)",
    )
    small.save()
    small.run("DELETE FROM events", "DELETE FROM tags WHERE id = 5", "INSERT INTO tags VALUES (11, 8, 'red')")
    small.restore()
    assert small.rows("SELECT id, code FROM posts ORDER BY id") == [(1, 8), (2, 5)]


def test_large_tables_are_estimated_and_small_ones_counted(small: SmallSite) -> None:  # noqa: F811
    """The map is there at once, however many rows there are."""
    small.run("CREATE TABLE events (id INTEGER PRIMARY KEY)", "INSERT INTO events VALUES (1), (2)",
              "CREATE TABLE seats (id INTEGER PRIMARY KEY, event INTEGER NOT NULL REFERENCES events (id), text TEXT)",
              "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 250000)"
              " INSERT INTO seats SELECT n, 1 + n % 2, 'some text of a seat' FROM n")  # fmt: skip
    found = entity_map(small.repository, small.subject(""))
    bare = {name.rpartition(".")[2]: number for name, number in found.sizes.items()}
    assert {name.rpartition(".")[2] for name in found.guessed} == {"seats"}
    assert bare["events"] == 2 and 100_000 < bare["seats"] < 600_000


def test_a_row_is_not_followed_by_a_key_that_became_another(small: SmallSite) -> None:  # noqa: F811
    """What has the same value in another column is another row; the snapshot is told as passed over."""
    small.run("CREATE TABLE events (a INTEGER PRIMARY KEY, b INTEGER, v TEXT)",
              "INSERT INTO events VALUES (1, 2, 'x'), (2, 1, 'y')")  # fmt: skip
    small.save_all()
    small.run("CREATE TABLE other (a INTEGER, b INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO other SELECT * FROM events",
              "DROP TABLE events", "ALTER TABLE other RENAME TO events")  # fmt: skip
    small.save_all()
    found = history(
        small.repository,
        HistoryOrder(source_name="app", item="events", words=("1",), source=lambda _info: small.source),
    )
    (row,) = found.rows
    assert [(each.status, each.row and each.row["v"]) for each in row.versions] == [("added", "x")]
    assert ["key of" in why for why in found.skipped.values()] == [True]
