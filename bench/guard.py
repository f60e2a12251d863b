"""What a guard costs: a delete that cascades over 10,000 rows, without and with triggers; then shipping them.

``python -m bench.guard`` prints the table that docs/guard.md quotes. Each delete is rolled back and done again, so that
all are of the same rows; the median of the repeats counts, and how far the repeats lie apart is told beside it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.servers.postgres import fresh_database, postgres_server

from holdfast.entities.declared import Declaration
from holdfast.repository.repository import Places, Repository
from holdfast.sources.base import Source
from holdfast.sources.postgres import PostgresSource
from holdfast.sources.sqlite import SqliteSource
from holdfast.storage.local import LocalStorage
from holdfast.usecases.entity_delete import EntityDeleteOrder, entity_delete
from holdfast.usecases.entity_finding import Subject
from holdfast.usecases.guard import ShipOrder, install, ship

REPEATS = 15
EVENT = Declaration(source="shop", root="events")
_TABLES = (
    "CREATE TABLE events (id integer PRIMARY KEY, title text)",
    ("CREATE TABLE registrations (id integer PRIMARY KEY, event integer NOT NULL REFERENCES events (id)"
    " ON DELETE CASCADE, name text, email text, note text, paid integer)"),
    "CREATE INDEX registrations_event ON registrations (event)",
    ("CREATE TABLE lines (id integer PRIMARY KEY, registration integer NOT NULL REFERENCES registrations (id)"
    " ON DELETE CASCADE, item text, price integer)"),
    "CREATE INDEX lines_registration ON lines (registration)",
)
_FLAT, _NESTED = 1, 2


def _fill(run: Callable[[str], object]) -> None:
    """Event 1: 10,000 registrations, one cascade. Event 2: 5,000 with a line each, a cascade for every row."""
    for statement in _TABLES:
        run(statement)
    for event in range(1, 51):
        run(f"INSERT INTO events VALUES ({event}, 'event {event}')")
    for first in range(0, 60_000, 1000):
        rows = range(first, first + 1000)
        event = _FLAT if first < 10_000 else _NESTED if first < 15_000 else 3 + first // 1000 % 48
        run(
            "INSERT INTO registrations VALUES "
            + ", ".join(f"({n}, {event}, 'Name {n}', 'name{n}@example.org', 'a note of length {n}', 1)" for n in rows)
        )
        if first >= 10_000:
            run("INSERT INTO lines VALUES " + ", ".join(f"({n}, {n}, 'ticket', 2500)" for n in rows))


def _times(connection: Any, event: int) -> list[float]:
    found = []
    for _ in range(REPEATS + 1):
        connection.execute("BEGIN")
        started = time.perf_counter()
        connection.execute(f"DELETE FROM events WHERE id = {event}")
        found.append(time.perf_counter() - started)
        connection.execute("ROLLBACK")
    return found[1:]


def _tell(what: str, times: list[float]) -> float:
    middle = statistics.median(times) * 1000
    print(f"{what:58} {middle:8.1f} ms   ({min(times) * 1000:.1f} .. {max(times) * 1000:.1f})")
    return middle


def _measure(name: str, connection: Any, source: Source, repository: Repository) -> None:
    cases = {"10,000 rows in one cascade": _FLAT, "5,000 rows with one row below each": _NESTED}
    without = {what: _tell(f"{name}, {what}", _times(connection, event)) for what, event in cases.items()}
    install(source, "event", EVENT)
    for what, event in cases.items():
        middle = _tell(f"{name}, {what}, under guard", _times(connection, event))
        print(f"{'':58} {middle / without[what]:8.2f} times, {(middle - without[what]) / 10:.1f} µs a row")
    connection.execute(f"DELETE FROM events WHERE id = {_FLAT}")
    started = time.perf_counter()
    shipped = ship(repository, ShipOrder(sources={"shop": source}))
    print(f"{name}, guard ship of {shipped.rows:,} rows: {time.perf_counter() - started:.2f} s")
    subject = Subject(name="event", key=str(_NESTED), declaration=EVENT, source=source)
    started = time.perf_counter()
    result = entity_delete(repository, EntityDeleteOrder(subject=subject))
    took = time.perf_counter() - started
    print(f"{name}, entity delete of {sum(result.deleted.values()):,} rows, captured, verified, guarded: {took:.2f} s")


@contextlib.contextmanager
def _repository(folder: Path) -> Iterator[Repository]:
    places = Places(cache=folder / "cache", state=folder / "state")
    repository, _ = Repository.create(LocalStorage(folder / "repo"), "a passphrase of a bench", places)
    with contextlib.closing(repository):
        yield repository


def main() -> None:
    """Both databases, one after the other."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as place:
        folder = Path(place)
        with _repository(folder) as repository:
            path = folder / "app.db"
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("BEGIN")
                _fill(connection.execute)
                connection.execute("COMMIT")
                _measure("SQLite", connection, SqliteSource(path), repository)
        with (
            _repository(folder / "pg") as repository,
            postgres_server("18", fsync=True) as server,
            fresh_database(server) as database,
            server.connect(database) as connection,
        ):
            with connection.transaction():
                _fill(lambda text: connection.execute(text.encode()))
            connection.execute("VACUUM ANALYZE")
            _measure("PostgreSQL", connection, PostgresSource(server.url(database)), repository)


if __name__ == "__main__":
    main()
