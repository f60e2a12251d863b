"""A day in the sample application's life: about half a percent of it changes."""

from __future__ import annotations

from pathlib import Path
from random import Random

from holdfast.usecases.demo import making, shop, wording

_PEOPLE, _COMING, _PAYING = 60, 300, 140
_NEW_FILES = 4
_LATER = 400  # days after the calendar's first


def live_on(folder: Path, seed: int) -> list[str]:
    """People register and pay, an event moves, files appear. What happened, in sentences."""
    random = Random(f"life {seed}")
    happened = _business(folder / making.DATABASE, random)
    media = folder / "media"
    for number in range(_NEW_FILES):
        size = random.randrange(20_000, 400_000)
        making.write(media / "events" / "new" / f"poster-{9000 + number}.jpg", making.picture(random, size), _LATER)
    leaflets = sorted((media / "texts").rglob("*.txt"))
    changed = random.choice(leaflets)
    making.write(changed, changed.read_bytes() + b"\nChange of plan: " + wording.title(random).encode(), _LATER)
    making.set_folder_times(media)
    return [*happened, f"{_NEW_FILES} new posters, one leaflet rewritten"]


def _business(path: Path, random: Random) -> list[str]:
    with shop.connected(path) as connection:

        def last(table: str) -> int:
            return int(connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])

        user, registration, payment = last("users"), last("registrations"), last("payments")
        people = [shop.new_user(random, user + number) for number in range(1, _PEOPLE + 1)]
        connection.executemany("INSERT INTO users VALUES(?,?,?,?)", people)
        coming = shop.registrations(random, registration + 1, _COMING)
        connection.executemany("INSERT INTO registrations VALUES(?,?,?,?,?,?)", coming)
        paying = sorted(random.sample(range(registration + 1, registration + _COMING + 1), _PAYING))
        connection.executemany("INSERT INTO payments VALUES(?,?,?,?,?,?,?)", shop.payments(random, payment + 1, paying))
        arrived = connection.execute(
            "UPDATE payments SET status = 'paid', paid_at = ? WHERE id IN "
            "(SELECT id FROM payments WHERE status = 'pending' ORDER BY id DESC LIMIT 50)",
            (shop.moment(registration + _COMING),),
        ).rowcount
        event = random.randint(1, shop.EVENTS)
        connection.execute("UPDATE events SET starts_at = datetime(starts_at, '+7 days') WHERE id = ?", (event,))
    return [
        f"{_PEOPLE} people joined, {_COMING} registrations and {_PAYING} payments came in",
        f"{arrived} pending payments arrived, event {event} was put off by a week",
    ]
