"""Books of SQLite keep every promise of the contract, on databases with and without a log."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.contracts.application import statements
from tests.contracts.book_contract import LiveBookContract, SnapshotBookContract, cheap, room  # noqa: F401

from holdfast.sources.sqlite.settings import Settings
from holdfast.sources.sqlite.source import SqliteSource


def made(path: Path, *pragmas: str) -> SqliteSource:
    """The application in a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        for statement in statements("sqlite"):
            connection.execute(statement)
        connection.commit()
    return SqliteSource(path, Settings(wait=2.0))


class TestLive(LiveBookContract):
    """The database itself."""

    @pytest.fixture(params=["wal", "delete"])
    def source(self, request: pytest.FixtureRequest, tmp_path: Path) -> SqliteSource:
        return made(tmp_path / "shop.db", f"journal_mode = {request.param}")


class TestSnapshot(SnapshotBookContract):
    """Its snapshots."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> SqliteSource:
        return made(tmp_path / "shop.db", "journal_mode = wal")


class TestSnapshotInUtf16(TestSnapshot):
    """Small pages, texts of two bytes."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> SqliteSource:
        return made(tmp_path / "shop.db", "encoding = 'UTF-16le'", "page_size = 512")
