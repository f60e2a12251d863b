"""The sample application's database, and the rows it begins with."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from holdfast.usecases.demo import wording

FIRST_DAY = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - the application stores local times without a zone
FILES = 300
VENUES, USERS, EVENTS, REGISTRATIONS, PAYMENTS = 150, 18_000, 1_850, 50_000, 30_000
_SEARCH = """
CREATE VIRTUAL TABLE events_search USING fts5(title, description, content='events', content_rowid='id');
INSERT INTO events_search(events_search) VALUES('rebuild');
"""
_METHODS = ("card", "transfer", "cash", "voucher")


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as the application opens it; committed at the end, undone on failure."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        with connection:
            yield connection
    finally:
        connection.close()


def create(path: Path, random: Random) -> None:
    """Create and fill the database at ``path``: 100,000 rows, write-ahead log, full-text search (where built in)."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")  # a sample that a power cut spoils is simply made again
    connection.executescript((Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"))
    connection.close()
    with connected(path) as connection:
        connection.executemany("INSERT INTO venues VALUES(?,?,?,?)", _venues(random))
        connection.executemany("INSERT INTO users VALUES(?,?,?,?)", _users(random))
        connection.executemany("INSERT INTO events VALUES(?,?,?,?,?,?,?,?)", _events(random))
        connection.executemany("INSERT INTO registrations VALUES(?,?,?,?,?,?)", registrations(random, 1, REGISTRATIONS))
        paying = sorted(random.sample(range(1, REGISTRATIONS + 1), PAYMENTS))
        connection.executemany("INSERT INTO payments VALUES(?,?,?,?,?,?,?)", payments(random, 1, paying))
    with contextlib.suppress(sqlite3.OperationalError), connected(path) as connection:
        connection.executescript(_SEARCH)


def registrations(random: Random, first: int, count: int) -> Iterator[tuple[object, ...]]:
    """Rows for people who come; popular events draw more of them."""
    for number in range(first, first + count):
        event = 1 + int(EVENTS * random.random() ** 2)
        status = random.choices(("confirmed", "waiting", "cancelled"), (85, 10, 5))[0]
        remark = random.choice(wording.REMARKS) if random.random() < 0.15 else None
        yield number, event, random.randint(1, USERS), moment(number), status, remark


def payments(random: Random, first: int, paying: list[int]) -> Iterator[tuple[object, ...]]:
    """Rows for what was paid for these registrations."""
    for number, registration in enumerate(paying, first):
        status = random.choices(("paid", "pending", "refunded"), (90, 7, 3))[0]
        paid_at = moment(registration + 40) if status != "pending" else None
        amount = 500 * random.randint(1, 30)
        yield number, registration, amount, random.choice(_METHODS), status, random.randbytes(12), paid_at


def moment(step: int) -> str:
    """The application's clock: some minutes go by with each registration."""
    return (FIRST_DAY + timedelta(minutes=5 * step)).isoformat(" ")


def _venues(random: Random) -> Iterator[tuple[object, ...]]:
    for number in range(1, VENUES + 1):
        yield number, random.choice(wording.HALLS), random.choice(wording.CITIES), random.randrange(20, 900, 10)


def _users(random: Random) -> Iterator[tuple[object, ...]]:
    for number in range(1, USERS + 1):
        yield new_user(random, number)


def new_user(random: Random, number: int) -> tuple[object, ...]:
    """One person."""
    name = wording.full_name(random)
    mailbox = name.lower().replace(" ", ".").replace("’", "")
    return number, name, f"{mailbox}.{number}@example.org", moment(number * 2)


def _events(random: Random) -> Iterator[tuple[object, ...]]:
    for number in range(1, EVENTS + 1):
        starts = FIRST_DAY + timedelta(days=random.randrange(400), hours=random.randrange(10))
        venue, organiser = random.randint(1, VENUES), random.randint(1, USERS)
        price, image = 500 * random.randrange(20), f"events/{number % 11:02d}/poster-{number:04d}.jpg"
        yield (number, venue, organiser, wording.title(random), wording.description(random), starts.isoformat(" "),
               price, image if number < FILES and number % 3 else None)  # fmt: skip
