"""A small shop with three sources, its holdfast, and a clock that jumps from one appointment to the next."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import time_machine
from tests.servers.postgres import PostgresServer, fresh_database, shared_server
from tests.servers.receiver import Receiver, receiver

from holdfast.model.errors import HoldfastError
from holdfast.model.run import Run
from holdfast.repository.repository import Places, Repository
from holdfast.service.rounds import Rounds
from holdfast.service.service import Service
from holdfast.service.work import Order
from holdfast.storage.registry import open_storage
from holdfast.system import clock
from holdfast.wiring.load import Configuration, load
from holdfast.wiring.surroundings import Surroundings

ZONE = ZoneInfo("Europe/Vienna")
PASSPHRASE = "a passphrase for a simulated month"
GRID, SOON = 4 * 3600.0, timedelta(minutes=10)
"""Somebody looks every four hours at the latest, and soon after something was done."""

CONFIGURATION = """\
[repository]
url = "{folder}/repository"

[defaults]
timezone = "Europe/Vienna"

[tiers.critical]
rpo = "26h"
keep = {{ daily = 7, weekly = 4, monthly = 12 }}

[tiers.important]
rpo = "8h"
keep = {{ {important} }}

[tiers.supporting]
rpo = "8d"

[sources.shop]
url = "{postgres}"
tier = "critical"
schedules = [{{ name = "nightly", cron = "30 2 * * *" }}]

[sources.notes]
url = "sqlite:{folder}/notes.db"
tier = "important"
schedules = [{{ name = "often", cron = "0 */6 * * *" }}]

[sources.media]
url = "files:{folder}/media"
tier = "supporting"
schedules = [{{ name = "sundays", cron = "0 5 * * sun" }}]

[running]
concurrency = 2
retries = 3

[alerts.channels.ops]
kind = "webhook"
url = "env:OPS"
secret = "env:OPS_SECRET"
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A message that reached the people on duty."""

    at: datetime
    kind: str
    severity: str
    title: str


@dataclass
class Month:
    """``said``: what people did; ``messages``: what they were told; ``kept`` by day: snapshots alive, and forgotten.

    ``service`` and ``rounds`` are those that run now.
    """

    folder: Path
    server: PostgresServer
    database: str
    inbox: Receiver
    travel: time_machine.Coordinates
    important: str = "hourly = 4, daily = 7, weekly = 8"
    service: Service = field(init=False)
    rounds: Rounds = field(init=False)
    said: list[tuple[datetime, str]] = field(default_factory=list)
    messages: list[Told] = field(default_factory=list)
    kept: dict[date, tuple[int, int]] = field(default_factory=dict)
    _day: int = 0
    _busy: bool = False
    _begun: int = 0
    _ended: int = 0

    # -- the clock

    def until(self, moment: datetime) -> None:
        """Let time pass: every appointment on the way is kept, and between them people work."""
        while (now := clock.now()) < moment:
            upcoming = self.service.scheduler.round(now) or moment
            ahead = max(upcoming, now + timedelta(seconds=1))
            grid = datetime.fromtimestamp((now.timestamp() // GRID + 1) * GRID, now.tzinfo)
            soon = now + SOON if self._busy else grid
            self.travel.move_to(min(moment, ahead, grid, soon))
            self.look()

    def look(self) -> None:
        """What the scheduler's threads would do now, one after the other."""
        self.application()
        before = self._ended
        for _ in range(2):  # the second round sees how the runs of the first ended
            self.service.scheduler.round(clock.now())
            self._settle()
        self.rounds.round(clock.now())
        self._busy = self._ended > before
        for each in self.inbox.requests:
            body = json.loads(each.body)
            self.messages.append(Told(clock.now(), body["kind"], body["severity"], body["title"]))
        self.inbox.requests.clear()

    def _settle(self) -> None:
        """Wait until all that began has ended, and what follows from it too."""
        while self._ended < self._begun or self.service.work.busy():
            time.sleep(0.002)

    def say(self, text: str) -> None:
        """A line of its own for what was done by hand."""
        self.said.append((clock.now(), text))

    # -- the application

    def application(self) -> None:
        """Each day a few orders, notes and pictures come."""
        day = clock.now().toordinal()
        if day == self._day:
            return
        self._day = day
        self._count()
        orders = f"insert into orders select {day}, i, 'order ' || i from generate_series(1, 20) i"
        self.server.run(orders, self.database)
        with contextlib.closing(sqlite3.connect(self.notes)) as database, database:
            database.executemany("insert into notes (text) values (?)", [(f"note {n} of {day}",) for n in range(20)])
        (self.folder / "media" / f"{day}.txt").write_text(f"a picture of day {day}\n" * 50)

    @property
    def notes(self) -> Path:
        """The file of the source "notes"."""
        return self.folder / "notes.db"

    def rewrite(self) -> None:
        """What ransomware does: every note becomes noise of the same length."""
        chance = random.Random(13)
        with contextlib.closing(sqlite3.connect(self.notes)) as database, database:
            rows = database.execute("select id, length(text) from notes").fetchall()
            database.executemany(
                "update notes set text = ? where id = ?", [(chance.randbytes(length), row) for row, length in rows]
            )

    def _count(self) -> None:
        """How many snapshots there are as the day begins, and how many could be brought back, if that can be told."""
        with contextlib.suppress(HoldfastError), self.service.reading() as app:
            known = [each.forgotten for each in app.repository.snapshots(forgotten=True)]
            self.kept[clock.now().astimezone(ZONE).date()] = known.count(False), known.count(True)

    # -- the service

    def restart(self) -> None:
        """Another process, with the configuration as it is now."""
        self.service.close(grace=5)
        self.start()

    def start(self) -> None:
        """Begin with what the journal and the repository know."""
        self.service = Service(configuration(self.folder, self.database_url, self.important, self.inbox.url))
        self.rounds = Rounds(self.service)
        self._begun = self._ended = 0
        self.service.work.on_over.append(self._over)
        begin = self.service.work.start

        def counted(order: Order) -> Run:
            run = begin(order)
            self._begun += 1
            return run

        self.service.work.start = counted  # type: ignore[method-assign]

    def _over(self, _run: Run) -> None:
        """Called last of all who hear of an end: what they begin because of it is counted by then."""
        self._ended += 1

    @property
    def database_url(self) -> str:
        """Where the shop's orders are."""
        return self.server.url(self.database)


def configuration(folder: Path, postgres: str, important: str, inbox: str) -> Configuration:
    """holdfast.toml in ``folder``, read."""
    path = folder / "holdfast.toml"
    password = postgres.split(":")[2].split("@", maxsplit=1)[0]
    told = CONFIGURATION.format(folder=folder, postgres=postgres.replace(f":{password}@", "@"), important=important)
    path.write_text(told.replace('tier = "critical"', 'tier = "critical"\npassword = "env:PGPASSWORD"'))
    return load(path, Surroundings(environ=environment(folder, password, inbox), folder=folder))


def environment(folder: Path, password: str, inbox: str) -> dict[str, str]:
    """What the service finds around it."""
    return {
        "HOLDFAST_PASSPHRASE": PASSPHRASE, "HOME": str(folder), "PATH": "/usr/bin:/bin", "PGPASSWORD": password,
        "HOLDFAST_STATE_DIR": str(folder / "state"), "HOLDFAST_CACHE_DIR": str(folder / "cache"), "OPS": inbox,
        "OPS_SECRET": "a secret for the webhook",
    }  # fmt: skip


@contextlib.contextmanager
def month(folder: Path, begin: datetime) -> Iterator[Month]:
    """The shop on its first morning."""
    server = shared_server("16")
    with fresh_database(server) as database, receiver() as inbox, time_machine.travel(begin, tick=False) as travel:
        _fill(folder, server, database)
        lived = Month(folder, server, database, inbox, travel)
        lived.start()
        try:
            yield lived
        finally:
            lived.service.close(grace=5)


def _fill(folder: Path, server: PostgresServer, database: str) -> None:
    chance = random.Random(1)
    server.run("create table orders (day int, number int, what text, primary key (day, number))", database)
    with contextlib.closing(sqlite3.connect(folder / "notes.db")) as notes, notes:
        notes.execute("create table notes (id integer primary key, text)")
        words = ["lorem", "ipsum", "dolor", "sit", "amet", "consetetur", "sadipscing"]
        rows = ((" ".join(chance.choices(words, k=120)),) for _ in range(2_000))
        notes.executemany("insert into notes (text) values (?)", rows)
    (folder / "media").mkdir()
    places = Places(cache=folder / "maker", state=folder / "maker")
    Repository.create(open_storage(str(folder / "repository"), credentials={}), PASSPHRASE, places)[0].close()
