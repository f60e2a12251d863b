"""How much processor time a look at the whole report takes: ten thousand snapshots of one, ten, a hundred sources.

python -m bench.report_look
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from holdfast.crypto import keys
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.repository import Places, Repository
from holdfast.storage.registry import open_storage
from holdfast.system import clock
from holdfast.wiring.build import App
from holdfast.wiring.journals import open_journal
from holdfast.wiring.load import from_text
from holdfast.wiring.reporting import system_report
from holdfast.wiring.surroundings import Surroundings

SNAPSHOTS = 10_000
PASSPHRASE = "a passphrase for benchmarks"


def look(folder: Path, sources: int) -> float:
    """Seconds of processor time, the least of seven looks."""
    places = Places(cache=folder / "m", state=folder / "m")
    Repository.create(open_storage(str(folder / "r"), credentials={}), PASSPHRASE, places)[0].close()
    environ = {"HOLDFAST_PASSPHRASE": PASSPHRASE, "HOME": str(folder), "HOLDFAST_STATE_DIR": str(folder / "s"),
               "HOLDFAST_CACHE_DIR": str(folder / "c"), "PATH": "/usr/bin"}  # fmt: skip
    named = "".join(f'[sources.s{number}]\nurl = "sqlite:{folder}/x.db"\n' for number in range(sources))
    defaults = '[defaults]\nkeep = { daily = 30, weekly = 12 }\nschedules = [{ cron = "20 * * * *" }]\n'
    text = f'[repository]\nurl = "{folder}/r"\n{defaults}{named}'
    found = from_text(text, folder / "holdfast.toml", Surroundings(environ=environ, folder=folder))
    app, journal = App(found, ask=lambda _url: None), open_journal(found)
    with contextlib.closing(app), contextlib.closing(journal):
        now = clock.now()
        for number in range(SNAPSHOTS):
            source = f"s{number % sources}"
            info = SnapshotInfo(
                id=f"{number:032x}", run="r" * 32, source=source, kind="postgres", trigger="schedule",
                status="complete", created_at=clock.stamp(now - timedelta(minutes=20 * (SNAPSHOTS - number))),
                rows=1000, item_count=5, bytes_source=10**8, bytes_read=0, bytes_new=2 * 10**6,
                bytes_stored=10**6, seconds=3.0, not_protected=[], warnings=[],
            )  # fmt: skip
            app.repository.log.state.snapshots[info.id] = LoggedSnapshot(info, b"", source, number)
        return min(_timed(app, journal) for _ in range(7))


def _timed(app: App, journal: object) -> float:
    began = time.process_time()
    system_report(app, journal)  # type: ignore[arg-type]
    return time.process_time() - began


if __name__ == "__main__":
    keys.ARGON2_MEMORY_KIB, keys.ARGON2_PASSES, keys.ARGON2_LANES = 8, 1, 1
    for count in (1, 10, 100):
        with tempfile.TemporaryDirectory() as place:
            print(f"{SNAPSHOTS} snapshots of {count:3} sources: {look(Path(place), count) * 1000:5.1f} ms")
