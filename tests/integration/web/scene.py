"""A small application with a month behind it: every page of the dashboard has something true to show."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
import uvicorn
from fastapi import Request

from holdfast.journal.base import SCHEDULER_ALIVE
from holdfast.model.ids import new_id
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.repository.repository import Places, Repository
from holdfast.service.orders import BackupWish
from holdfast.service.plans import Plans
from holdfast.service.service import Service
from holdfast.storage.registry import open_storage
from holdfast.usecases import guard
from holdfast.web.app import create_app
from holdfast.web.security.identity import Identity
from holdfast.wiring.load import from_text
from holdfast.wiring.sections import SCOPES
from holdfast.wiring.surroundings import Surroundings

PASSPHRASE = "a long passphrase for tests only"
LOST = 42
_NAMES = ("Spring Fair", "Harbour Concert", "Book Night", "Garden Day", "Winter Market", "Open Studio", "Film Week")
CONFIG = """
[repository]
url = "{folder}/repository"

[defaults]
timezone = "Europe/Vienna"

[sources.tickets]
url = "sqlite:{folder}/tickets.db"
tier = "important"
keep = {{ daily = 30, weekly = 12, monthly = 12 }}
schedules = [{{ name = "every two hours", cron = "20 */2 * * *" }}]

[sources.media]
url = "files:{folder}/media"
tier = "supporting"
schedules = [{{ name = "twice a day", cron = "20 3,15 * * *" }}]

[sources.accounts]
url = "sqlite:{folder}/accounts.db"
tier = "critical"
schedules = [{{ name = "half-hourly", every = "30m" }}]

[entities.event]
source = "tickets"
root = "events"
title = "name"
"""
_SCHEMA = """
create table venues (id integer primary key, name text not null, city text);
create table events (id integer primary key, name text not null, venue_id integer references venues, starts_at text,
  capacity integer, price numeric, status text);
create table attendees (id integer primary key, event_id integer not null references events on delete cascade,
  email text, paid integer, registered_at text);
"""


@dataclass
class Scene:
    """A service over a configuration in ``folder``."""

    folder: Path
    service: Service
    url: str = ""
    identity: Identity = field(default_factory=lambda: Identity(name="anna", kind="session", scopes=frozenset(SCOPES)))

    @property
    def database(self) -> Path:
        return self.folder / "tickets.db"

    def execute(self, statement: str, *values: Any) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("pragma foreign_keys = on")
            return connection.execute(statement, values).fetchall()

    def back_up(self, source: str, **more: Any) -> Run:
        run = self.service.back_up(BackupWish(source=source, **more))
        found = self.service.work.wait(run.id, 60)
        assert found is not None
        assert found.status.over
        return found

    def put_under_guard(self) -> None:
        with self.service.reading() as app:
            declared = app.settings.entities["event"]
            guard.install(app.source(declared.source), "event", declared)

    def lose_an_event(self) -> None:
        self.execute("delete from events where id = ?", LOST)


def environment(folder: Path) -> dict[str, str]:
    """Of whoever works in ``folder``."""
    return {
        "HOLDFAST_PASSPHRASE": PASSPHRASE, "HOME": str(folder), "HOLDFAST_STATE_DIR": str(folder / "state"),
        "HOLDFAST_CACHE_DIR": str(folder / "cache"), "PATH": "/usr/bin:/bin",
    }  # fmt: skip


def configured(folder: Path, text: str = CONFIG) -> Any:
    """The configuration of the scene, in ``folder``."""
    around = Surroundings(environ=environment(folder), folder=folder)
    path = folder / "holdfast.toml"
    path.write_text(text.format(folder=folder))
    return from_text(path.read_text(), path, around)


@contextlib.contextmanager
def scene(folder: Path, text: str = CONFIG, *, size: int = 1) -> Iterator[Scene]:
    """An application of so many times its usual rows and its service, without any backup yet."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = configured(folder, text)
    _application(folder, size)
    storage = open_storage(str(folder / "repository"), credentials={})
    places = Places(cache=folder / "cache", state=folder / "state")
    Repository.create(storage, PASSPHRASE, places)[0].close()
    with contextlib.closing(Service(configuration)) as service:
        yield Scene(folder=folder, service=service)


def _application(folder: Path, size: int) -> None:
    media = folder / "media"
    media.mkdir()
    for number in range(40):
        (media / f"poster-{number:02}.svg").write_text(f"<svg>{'x' * (400 * number * size)}{number}</svg>")
    for name in ("tickets.db", "accounts.db"):
        with contextlib.closing(sqlite3.connect(folder / name)) as connection, connection:
            connection.executescript(_SCHEMA)
            connection.executemany(
                "insert into venues values (?, ?, ?)",
                [(n, f"Hall {n}", ("Vienna", "Graz", "Linz")[n % 3]) for n in range(1, 9)],
            )
            connection.executemany("insert into events values (?, ?, ?, ?, ?, ?, ?)", map(_event, range(1, 121)))
            connection.executemany(
                "insert into attendees values (?, ?, ?, ?, ?)",
                [_attendee(number) for number in range(1, 2400 * size + 1)],
            )


def _event(number: int) -> tuple[Any, ...]:
    name = f"{_NAMES[number % len(_NAMES)]} {2020 + number % 7}"
    starts = f"2026-{1 + number % 12:02}-{1 + number % 28:02}T19:00:00Z"
    return number, name, 1 + number % 8, starts, 50 + number % 9 * 25, 12.5 + number % 5, "published"


def _attendee(number: int) -> tuple[Any, ...]:
    return number, 1 + number % 120, f"guest{number}@example.org", number % 3 and 1, f"2026-10-{1 + number % 28:02}"


def live_a_month(scene: Scene, days: int = 31) -> None:
    """Backups, growth, failures and gaps up to this hour."""
    today = datetime.now(UTC).replace(microsecond=0)
    for back in range(days, -1, -1):
        moment = today - timedelta(days=back, minutes=37 + back * 7 % 23, seconds=back * 17 % 60)
        with time_machine.travel(moment, tick=True):
            _one_day(scene, back, days)
    _fail(scene, "accounts", today - timedelta(hours=1, minutes=2))
    scene.put_under_guard()
    scene.service.journal.remember(SCHEDULER_ALIVE, today.isoformat())
    scene.lose_an_event()


def _one_day(scene: Scene, back: int, days: int) -> None:
    first = 1_000_000 + (days - back) * 100
    with contextlib.closing(sqlite3.connect(scene.database)) as connection, connection:
        connection.executemany(
            "insert into attendees values (?, ?, ?, ?, ?)", [_attendee(first + number) for number in range(100)]
        )
    if back % 9 == 4:
        scene.execute("update events set capacity = capacity + 25 where id = ?", LOST)
    if back == 2:
        scene.execute("update events set name = 'Spring Fair, moved indoors', status = 'sold out' where id = ?", LOST)
    if back not in (17, 18):  # nobody was there to run it
        if back == 12:
            _fail(scene, "tickets", datetime.now(UTC))
        else:
            scene.back_up("tickets", trigger="schedule", who="scheduler", schedule="tickets/every two hours")
    if back % 3:
        (scene.folder / "media" / f"poster-{100 + back}.svg").write_text("y" * 9000 * (back + 1))
    if back != 6:
        scene.back_up("media", trigger="schedule", who="scheduler", schedule="media/twice a day")
    if back > 2:
        scene.back_up("accounts", trigger="schedule", who="scheduler", schedule="accounts/half-hourly")


def _fail(scene: Scene, source: str, moment: datetime) -> None:
    """A run that could not reach its database, as journals keep one."""
    at = moment.isoformat(timespec="milliseconds")
    error = RunError(
        code="source", what="the database cannot be reached", where=f"sqlite:{source}.db",
        why="connection refused: is the server running on db.internal and accepting connections?",
        hint="holdfast doctor",
    )  # fmt: skip
    run = Run(
        id=new_id(), kind="backup", status=RunStatus.FAILED, created_at=at, sources=[source], error=error,
        key=f"backup:{source}", trigger="schedule", who="scheduler", started_at=at, ended_at=at, seconds=2.4,
    )  # fmt: skip
    scene.service.journal.put(run)


@contextlib.contextmanager
def served(scene: Scene, doorkeeper: Callable[[Request], Identity | None] | None = None) -> Iterator[Scene]:
    """The scene on a free port of loopback."""
    app = create_app(scene.service, doorkeeper or (lambda _request: scene.identity))
    if not hasattr(app.state, "plans"):
        app.state.plans = Plans()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    scene.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield scene
    finally:
        server.should_exit = True
        thread.join(10)
