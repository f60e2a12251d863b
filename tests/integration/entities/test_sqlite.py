"""Entities of an application on SQLite."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.faults.world import cheap, room  # noqa: F401
from tests.integration.entities.event_application import BIG, FORCED_DELETE, TABLES, flat, rows, statements
from tests.integration.entities.promises import EntityPromises, State

from holdfast.sources.sqlite.settings import Settings
from holdfast.sources.sqlite.source import SqliteSource


class SqliteSite:
    """The application in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = SqliteSource(path, Settings(wait=20.0))

    def run(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.path, timeout=20)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def state(self) -> State:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return {
                name: sorted(tuple(map(str, row)) for row in connection.execute(f"SELECT * FROM {name}"))
                for name in TABLES
            }

    def delete(self, key: int) -> None:
        inside = "CAST(payload ->> 'eventId' AS TEXT)"
        self.run(*(each.format(event_id=inside).replace(str(BIG), str(key)) for each in FORCED_DELETE))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, copied for each test."""
    path = tmp_path_factory.mktemp("application") / "app.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        for statement in statements("sqlite"):
            connection.execute(statement)
        for name, each in rows().items():
            marks = ", ".join("?" for _ in each[0])
            connection.executemany(
                f"INSERT INTO {name} ({', '.join(each[0])}) VALUES ({marks})",
                [tuple(map(flat, row.values())) for row in each],
            )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(truncate)")
    return path


class TestSqlite(EntityPromises):
    """Every promise."""

    @pytest.fixture
    def site(self, template: Path, tmp_path: Path) -> SqliteSite:
        path = tmp_path / "app.db"
        path.write_bytes(template.read_bytes())
        return SqliteSite(path)
