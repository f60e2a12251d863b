"""Books are opened over what is a book, and nothing is taken away under them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
from tests.faults.world import EAGER, RowsSource, World, cheap, room, rows  # noqa: F401

from holdfast.model.errors import UsageError
from holdfast.repository.repository import SnapshotEntry
from holdfast.sources.sqlite.source import SqliteSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.looking import open_book, open_live


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room / "w").create()


@pytest.fixture
def source(tmp_path: Path) -> SqliteSource:
    """A database with some bytes in it."""
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        connection.executemany("INSERT INTO t VALUES (?, randomblob(900))", [(number,) for number in range(1_000)])
        connection.commit()
    return SqliteSource(tmp_path / "shop.db")


def _snapshot(world: World, source: object) -> SnapshotEntry:
    with world.opened("maker") as repository:
        made = backup(repository, BackupRequest(sources={"app": source}))  # type: ignore[dict-item]
        assert not made.failures
        return repository.snapshots()[-1]


def test_a_source_without_rows_is_refused(world: World) -> None:
    """In words, not with a missing attribute."""
    source = RowsSource({"t": [rows(1)]})
    entry = _snapshot(world, source)
    with world.opened() as repository:
        with pytest.raises(UsageError), open_book(repository, entry, source):  # type: ignore[arg-type]
            pass
        with pytest.raises(UsageError), open_live(source):  # type: ignore[arg-type]
            pass


def test_a_snapshot_of_another_kind_is_refused(world: World, source: SqliteSource) -> None:
    """Both kinds are named."""
    entry = _snapshot(world, RowsSource({"t": [rows(1)]}))
    with world.opened() as repository, pytest.raises(UsageError) as caught, open_book(repository, entry, source):
        pass
    assert "rows" in str(caught.value) and "sqlite" in str(caught.value)


def test_what_is_looked_at_is_not_pruned(world: World, source: SqliteSource) -> None:
    """Forgotten and pruned by another client while the book is open: its rows are still there."""
    entry = _snapshot(world, source)
    with world.opened("looking") as repository, open_book(repository, entry, source) as book:
        with world.opened("other") as other:
            other.forget([entry.info.id])
        for _ in range(3):
            world.prune(EAGER, "other")
        assert len(list(book.rows(book.tables["t"]))) == 1_000


def test_a_forgotten_snapshot_is_not_opened(world: World, source: SqliteSource) -> None:
    """Nothing protects it."""
    entry = _snapshot(world, source)
    with world.opened("looking") as repository:
        repository.forget([entry.info.id])
        with pytest.raises(UsageError) as caught, open_book(repository, entry, source):
            pass
    assert "forgotten" in str(caught.value)


def test_chosen_rows_are_partial_and_never_a_base(world: World, source: SqliteSource) -> None:
    """Facts are kept with the snapshot; the next backup goes on from the whole one before."""
    time.sleep(2.1)  # younger files are read again in any case
    whole = _snapshot(world, source)
    with world.opened() as repository:
        with open_book(repository, whole, source) as book:
            table = book.tables["t"]
            chosen = source.of_rows(book, {"t": list(book.find(table, ("id",), [(7,)]))})
            request = BackupRequest(sources={"app": chosen}, partial=True, more={"entity": {"name": "t", "key": "7"}})
            (made,) = backup(repository, request).snapshots
        assert made.partial and made.rows == 1
        (again,) = backup(repository, BackupRequest(sources={"app": source})).snapshots
        assert again.bytes_read == 0
    with world.opened() as repository:
        info = next(entry.info for entry in repository.snapshots() if entry.info.id == made.id)
        assert info.partial and info.more == {"entity": {"name": "t", "key": "7"}}
        assert info.origin == whole.info.origin
