"""A small application, its repository and a service whose scheduler is asked to look by hand."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.faults.world import cheap_keys

from holdfast.journal.base import RunQuery
from holdfast.model.run import Run
from holdfast.repository.repository import Places, Repository
from holdfast.service.agenda import Keeping
from holdfast.service.service import Service
from holdfast.storage.registry import open_storage
from holdfast.system import clock
from holdfast.wiring.load import Configuration, from_text
from holdfast.wiring.surroundings import Surroundings

PASSPHRASE = "a passphrase for tests"
HEAD = '[repository]\nurl = "{folder}/repository"\n[sources.shop]\nurl = "sqlite:{folder}/shop.db"\n'
QUIET = '[running]\ncheck_every = "0s"\nprune_every = "0s"\nconcurrency = 2\n'


def at(text: str) -> datetime:
    """An instant, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def configured(folder: Path, text: str, client: str = "one") -> Configuration:
    """``text`` as the configuration of one client; clients share the repository and nothing else."""
    environ = {
        "HOLDFAST_PASSPHRASE": PASSPHRASE, "HOME": str(folder), "HOLDFAST_STATE_DIR": str(folder / client / "state"),
        "HOLDFAST_CACHE_DIR": str(folder / client / "cache"), "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    path = folder / "holdfast.toml"
    path.write_text(text.replace("{folder}", str(folder)))
    return from_text(path.read_text(), path, Surroundings(environ=environ, folder=folder))


def application(folder: Path) -> None:
    """A database with a row, and an empty repository whose key costs nothing to derive."""
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.execute("create table t (x)")
        database.execute("insert into t values (1)")
    places = Places(cache=folder / "maker", state=folder / "maker")
    Repository.create(open_storage(str(folder / "repository"), credentials={}), PASSPHRASE, places)[0].close()


@dataclass
class Desk:
    """One service; ``look`` is a round of its scheduler, with everything that it began ended."""

    folder: Path
    service: Service

    def look(self) -> datetime | None:
        """A round, and a second one that sees how the runs of the first ended."""
        self.service.scheduler.round(clock.now())
        self.settled()
        return self.service.scheduler.round(clock.now())

    def settled(self) -> None:
        """Wait until nothing runs, nor follows from what ran."""
        quiet = 0
        while quiet < 3:
            quiet = 0 if self.service.work.busy() else quiet + 1
            time.sleep(0.01)

    def runs(self, kind: str = "backup") -> list[Run]:
        """Oldest first."""
        return list(reversed(self.service.journal.runs(RunQuery(kinds=(kind,), limit=500)).runs))

    def told(self, kind: str = "backup") -> list[tuple[str, str, int]]:
        """(appointment, status, attempt) of each run."""
        return [((run.due_at or "")[5:16], run.status.value, run.attempt) for run in self.runs(kind)]

    def kept(self, number: int = 0) -> Keeping | None:
        """What became of a schedule's last appointment."""
        return self.service.agenda.kept(self.service.agenda.jobs[number].schedule)

    def snapshots(self) -> list[Any]:
        """What is in the repository."""
        with self.service.reading() as app:
            return list(app.repository.snapshots())


@contextlib.contextmanager
def desk(folder: Path, text: str, client: str = "one") -> Iterator[Desk]:
    """A service over the application in ``folder``; made when it is not there yet."""
    if not (folder / "shop.db").exists():
        application(folder)
    with contextlib.closing(Service(configured(folder, text, client))) as service:
        yield Desk(folder=folder, service=service)


@pytest.fixture
def cheap() -> None:
    """Keys that cost nothing."""
    cheap_keys()
