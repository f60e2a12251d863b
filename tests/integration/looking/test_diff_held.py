"""A living SQLite database compared page by page tells what comparing it row by row tells."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.faults.world import World

from holdfast.repository.repository import Repository
from holdfast.sources.sqlite.records import held
from holdfast.sources.sqlite.records.live_book import SqliteLiveBook
from holdfast.sources.sqlite.source import SqliteSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.diff import DiffOrder, diff

_ROWS = 4000
_MADE = (
    "CREATE TABLE numbered (id INTEGER PRIMARY KEY, note TEXT, long BLOB)",
    "CREATE TABLE named (name TEXT PRIMARY KEY, note TEXT) WITHOUT ROWID",
    "CREATE TABLE keyless (number INT, note TEXT)",
    "CREATE VIRTUAL TABLE words USING fts5(word)",
)
_TABLES = ("numbered", "named", "keyless", "words")


@pytest.fixture(params=["wal", "delete"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as keeper:  # keeps the log from being folded in
        keeper.execute(f"PRAGMA journal_mode = {request.param}")
        for statement in _MADE:
            keeper.execute(statement)
        keeper.execute("BEGIN")
        for n in range(_ROWS):
            keeper.execute(
                "INSERT INTO numbered VALUES (?, ?, ?)", (n, f"note {n}", bytes(9000) if n % 500 == 0 else b"")
            )
            keeper.execute("INSERT INTO named VALUES (?, 'x')", (f"name {n * 7919 % _ROWS}",))
            keeper.execute("INSERT INTO keyless VALUES (?, 'same')", (n % 50,))
        keeper.execute("INSERT INTO words VALUES ('first')")
        keeper.execute("COMMIT")
        yield path


def _told(repository: Repository, source: SqliteSource) -> dict[str, Any]:
    order = DiffOrder(
        before="latest:shop", after="live", limit=None, source=lambda _info: source, live=lambda _name: source
    )
    found = {each.table: asdict(each) for each in diff(repository, order).tables}
    for table in found.values():
        table["rows"].sort(key=repr)
        table.pop("same")
    return found


@pytest.mark.parametrize("seed", range(4))
def test_pages_tell_what_rows_tell(world: World, database: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After random changes, some of them in the log only: rows added, removed and changed in every kind of table."""
    chance = random.Random(seed)
    source = SqliteSource(database)
    with world.opened() as repository, closing(sqlite3.connect(database)) as connection:
        assert not backup(repository, BackupRequest(sources={"shop": source})).failures
        for _ in range(3):
            spots = ", ".join(str(chance.randrange(_ROWS)) for _ in range(20))
            for table, column in (("numbered", "id"), ("keyless", "number")):
                connection.execute(f"UPDATE {table} SET note = 'new {seed}' WHERE {column} IN ({spots})")
                connection.execute(f"DELETE FROM {table} WHERE {column} % 97 = {chance.randrange(97)}")
                connection.execute(
                    f"INSERT INTO {table} ({column}, note) VALUES ({_ROWS + chance.randrange(10**6)}, 'z')"
                )
            connection.execute(f"UPDATE named SET note = 'y' WHERE name = 'name {chance.randrange(_ROWS)}'")
            connection.execute("UPDATE numbered SET long = zeroblob(9001) WHERE id % 1000 = 500")
            connection.execute("INSERT INTO words VALUES ('later')")
            connection.commit()
        monkeypatch.setattr(held, "_WORTH_HOLDING", 1 << 40)
        by_rows = _told(repository, source)
        monkeypatch.setattr(held, "_WORTH_HOLDING", 0)
        monkeypatch.setattr(SqliteLiveBook, "__init__", _never)
        by_pages = _told(repository, source)
        assert {name: by_pages[name] for name in _TABLES} == {name: by_rows[name] for name in _TABLES}
        assert by_pages["numbered"]["changed"] > 0
        assert by_pages["numbered"]["removed"] > 0


def test_nothing_stays_locked_afterwards(world: World, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application writes at once, and no child or side file is left."""
    monkeypatch.setattr(held, "_WORTH_HOLDING", 0)
    source = SqliteSource(database)
    with world.opened() as repository, closing(sqlite3.connect(database, timeout=0.1)) as connection:
        assert not backup(repository, BackupRequest(sources={"shop": source})).failures
        beside = sorted(each.name for each in database.parent.iterdir())
        assert not _told(repository, source)["numbered"]["rows"]
        assert sorted(each.name for each in database.parent.iterdir()) == beside
        connection.execute("DELETE FROM numbered WHERE id = 1")
        connection.commit()


def _never(*_: Any) -> None:
    pytest.fail("rows were compared one by one")
