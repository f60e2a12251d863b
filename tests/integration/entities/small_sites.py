"""Small applications of a few tables, on SQLite and on PostgreSQL alike, saved, deleted, restored and taken back."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.faults.world import World
from tests.servers.postgres import fresh_database, shared_server

from holdfast.entities.declared import Declaration, DeclaredEdge
from holdfast.entities.restoring import Wishes
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.sqlite.settings import Settings
from holdfast.sources.sqlite.source import SqliteSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.entity_backup import EntityBackupOrder, EntityBackupResult, entity_backup
from holdfast.usecases.entity_finding import Subject
from holdfast.usecases.entity_restore import EntityRestoreOrder, EntityRestoreResult, entity_restore
from holdfast.usecases.restore import RestoreResult
from holdfast.usecases.undo import UndoOrder, undo

State = dict[str, list[tuple[str, ...]]]


@dataclass
class SmallSite:
    """``connect`` gives a connection of the application's own; ``root``: the table of the entity."""

    kind: str
    source: Source
    connect: Any
    repository: Repository
    root: str = "events"
    edges: tuple[DeclaredEdge, ...] = ()
    declared: dict[str, Any] = field(default_factory=dict)

    def run(self, *statements: str) -> None:
        """Committed together."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement if self.kind == "sqlite" else statement.encode())
            connection.commit()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        with self.connect() as connection:
            return list(connection.execute(query if self.kind == "sqlite" else query.encode()).fetchall())

    def state(self, *tables: str) -> State:
        """Every row as text."""
        return {name: sorted(tuple(map(repr, row)) for row in self.rows(f"SELECT * FROM {name}")) for name in tables}

    def subject(self, key: object = 1) -> Subject:
        declaration = Declaration(source="app", root=self.root, edges=self.edges, **self.declared)
        return Subject(name="event", key=str(key), declaration=declaration, source=self.source)

    def save(self, key: object = 1) -> EntityBackupResult:
        return entity_backup(self.repository, EntityBackupOrder(subject=self.subject(key)))

    def save_all(self) -> None:
        assert not backup(self.repository, BackupRequest(sources={"app": self.source})).failures

    def restore(self, key: object = 1, *, dry_run: bool = False, **wishes: Any) -> EntityRestoreResult:
        order = EntityRestoreOrder(subject=self.subject(key), wishes=Wishes(**wishes), dry_run=dry_run)
        return entity_restore(self.repository, order)

    def take_back(self, run: str, *, force: bool = False) -> RestoreResult:
        return undo(self.repository, UndoOrder(run=run, source=lambda _info: self.source, force=force))


@contextlib.contextmanager
def _sqlite(path: Path) -> Iterator[tuple[Source, Any]]:
    @contextlib.contextmanager
    def connect() -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection

    with connect() as first:
        first.execute("PRAGMA journal_mode = wal")
    yield SqliteSource(path, Settings(wait=20.0)), connect


@contextlib.contextmanager
def _postgres(version: str) -> Iterator[tuple[Source, Any]]:
    server = shared_server(version)
    with fresh_database(server) as name:
        yield PostgresSource(server.url(name)), lambda: server.connect(name)


@contextlib.contextmanager
def small_site(kind: str, room: Path, path: Path, statements: Sequence[str] = ()) -> Iterator[SmallSite]:
    """An application of ``kind`` ("sqlite", "postgres", "postgres 15") with a repository beside it."""
    kind, _, version = kind.partition(" ")
    place = _sqlite(path / "app.db") if kind == "sqlite" else _postgres(version or "16")
    with World(room).create().opened("client") as repository, place as (source, connect):
        site = SmallSite(kind=kind, source=source, connect=connect, repository=repository)
        site.run(*statements)
        yield site


@pytest.fixture(params=["sqlite", "postgres"])
def small(request: pytest.FixtureRequest, room: Path, cheap: None, tmp_path: Path) -> Iterator[SmallSite]:
    """Nothing in it yet."""
    del cheap
    with small_site(request.param, room, tmp_path) as site:
        yield site
