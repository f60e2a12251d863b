"""One application on every kind of database, changed the same way."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.application import ROWS, quoted, statements
from tests.faults.world import World, cheap, room  # noqa: F401
from tests.servers import mongodb, postgres

from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.sqlite.source import SqliteSource
from holdfast.usecases.backup import BackupRequest, backup

HELD = ("users", "events", "venues", "registrations", "tags", "notifications")


@dataclass
class Application:
    """``kind`` of database; ``id``: how its keys are called."""

    kind: str
    source: Source
    id: str = "id"

    def run(self, sql: str) -> None:
        """Change rows as the application would."""
        raise NotImplementedError

    def set(self, table: str, number: int, **values: Any) -> None:
        told = ", ".join(f"{quoted(name)} = {_literal(value)}" for name, value in values.items())
        self.run(f"UPDATE {quoted(table)} SET {told} WHERE id = {number}")

    def delete(self, table: str, number: int) -> None:
        self.run(f"DELETE FROM {quoted(table)} WHERE id = {number}")

    def insert(self, table: str, **values: Any) -> None:
        names, told = ", ".join(map(quoted, values)), ", ".join(map(_literal, values.values()))
        self.run(f"INSERT INTO {quoted(table)} ({names}) VALUES ({told})")

    def taken(self, repository: Repository) -> SnapshotInfo:
        """A snapshot of it as it is now."""
        made = backup(repository, BackupRequest(sources={"shop": self.source}))
        assert not made.failures, made.failures
        return made.snapshots[0]


def _literal(value: Any) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


class OnSqlite(Application):
    """In a file."""

    def __init__(self, path: Path) -> None:
        super().__init__("sqlite", SqliteSource(path))
        self.path = path
        for statement in statements("sqlite"):
            self.run(statement)

    def run(self, sql: str) -> None:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.execute(sql)
            connection.commit()


class OnPostgres(Application):
    """On a server."""

    def __init__(self, server: postgres.PostgresServer, name: str) -> None:
        from holdfast.sources.postgres import PostgresSource

        super().__init__("postgres", PostgresSource(server.url(name)))
        self.server, self.name = server, name
        for statement in statements("postgres"):
            self.run(statement)

    def run(self, sql: str) -> None:
        with self.server.connect(self.name) as connection:
            connection.execute(sql.encode())


class OnMongo(Application):
    """Documents; what is a foreign key elsewhere is just a number here."""

    def __init__(self, server: mongodb.MongoServer, name: str) -> None:
        from holdfast.sources.mongodb.source import MongoSource

        super().__init__("mongodb", MongoSource(server.url(name)), "_id")
        self.server, self.name = server, name
        for table in HELD:
            for row in ROWS[table]:
                self.insert(table, **row)

    def set(self, table: str, number: int, **values: Any) -> None:
        with self.server.client() as client:
            client[self.name][table].update_one({"_id": number}, {"$set": values})

    def delete(self, table: str, number: int) -> None:
        with self.server.client() as client:
            client[self.name][table].delete_one({"_id": number})

    def insert(self, table: str, **values: Any) -> None:
        with self.server.client() as client:
            document = {"_id" if name == "id" else name: each for name, each in values.items()}
            client[self.name][table].insert_one(document)


@pytest.fixture(params=["sqlite", "postgres", "mongodb"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Application]:
    """The application, once on each kind."""
    if request.param == "sqlite":
        yield OnSqlite(tmp_path / "shop.db")
    elif request.param == "postgres":
        server = postgres.shared_server("18")
        with postgres.fresh_database(server) as database:
            yield OnPostgres(server, database)
    else:
        documents, name = mongodb.shared(), mongodb.fresh()
        yield OnMongo(documents, name)
        with documents.client() as client:
            client.drop_database(name)


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room).create()
