"""A month in a minute: five weeks of a small application, as its people would have lived them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.world import cheap, room  # noqa: F401
from tests.simulation import proofs
from tests.simulation.timeline import timeline
from tests.simulation.world import ZONE, Month, environment, month

import holdfast
from holdfast.journal.base import RunQuery
from holdfast.model.run import RunStatus
from holdfast.system import clock
from holdfast.usecases import retention
from holdfast.usecases.anomaly import prune_hold
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.forget import forget, plan_forget
from holdfast.wiring.reporting import system_report
from holdfast.wiring.retaining import retention_request

GOLDEN = Path(__file__).parent / "month.txt"
REWRITE = "HOLDFAST_WRITE_GOLDEN"
YEAR = 2037
"""Its calendar is that of 2026. Not of the past: the store's own times must not lie in the future."""


def on(day: str, hour: str) -> datetime:
    """A moment of the autumn where the shop is."""
    return datetime.fromisoformat(f"{YEAR}-{day}T{hour}").replace(tzinfo=ZONE)


@pytest.mark.timeout(900)
def test_a_month(room: Path, cheap: None) -> None:  # noqa: F811
    """Schedules, a night of 25 hours, an outage, a failing source, ransomware, a kill, rules: as month.txt tells."""
    random.seed(5)
    with month(room, on("10-05", "00:30")) as lived:
        quiet_weeks(lived)
        a_source_fails(lived)
        the_store_is_away(lived)
        the_long_night(lived)
        killed_in_the_middle(lived)
        rewritten(lived)
        other_rules(lived)
        lived.until(on("11-09", "09:00"))
        told = timeline(lived)
        everything_is_whole(lived)
        it_is_as_promised(lived)
    if os.environ.get(REWRITE):
        GOLDEN.write_text(told)
    assert told == GOLDEN.read_text()


def quiet_weeks(lived: Month) -> None:
    """Nothing happens; the first letter comes on the second Monday."""
    lived.say("holdfast is started for the first time")
    lived.until(on("10-13", "10:00"))


def a_source_fails(lived: Month) -> None:
    """Somebody moves the notes; a day later they are put back."""
    away = lived.folder / "notes.moved"
    lived.say("the notes are moved away by mistake")
    lived.application = lambda: None  # type: ignore[method-assign]
    lived.notes.rename(away)
    lived.until(on("10-14", "09:00"))
    lived.say("the notes are put back")
    away.rename(lived.notes)
    del lived.application
    lived.until(on("10-19", "20:00"))


def the_store_is_away(lived: Month) -> None:
    """The store cannot be reached from one evening to the next noon."""
    lived.say("the repository's store goes away")
    store, away = lived.folder / "repository", lived.folder / "away"
    store.rename(away)
    lived.until(on("10-20", "12:30"))
    lived.say("the store is back")
    away.rename(store)
    lived.until(on("10-24", "12:00"))


def the_long_night(lived: Month) -> None:
    """On October 25, 02:30 comes twice: the nightly backup is taken once."""
    lived.until(on("10-26", "12:00"))
    runs = lived.service.journal.runs(RunQuery(kinds=("backup",), sources=("shop",), limit=500)).runs
    due = [datetime.fromisoformat(run.due_at or "").astimezone(ZONE) for run in runs]
    assert [f"{each:%H:%M %z}" for each in due if each.date() == on("10-25", "12:00").date()] == ["02:30 +0200"]
    lived.until(on("10-28", "02:00"))


_CHILD = """
import sys, threading, time_machine
from pathlib import Path
from tests.faults.world import cheap_keys
from tests.simulation.world import configuration
from holdfast.service.service import Service
from holdfast.system import clock
cheap_keys()
with time_machine.travel(sys.argv[5], tick=True):
    service = Service(configuration(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]))
    service.scheduler.round(clock.now())
    threading.Event().wait()
"""


def killed_in_the_middle(lived: Month) -> None:
    """The machine takes the process away while the nightly backup runs; the next one finds out, and does it again."""
    lived.service.close(grace=5)
    with lived.server.connect(lived.database, autocommit=False) as blocking:
        blocking.execute("lock table orders in access exclusive mode")
        at = on("10-28", "02:30").isoformat()
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(lived.folder), lived.database_url, lived.important, lived.inbox.url, at],
            cwd=Path(__file__).parents[2],
        )
        lived.travel.move_to(on("10-28", "02:30"))
        lived.start()
        deadline = time.monotonic() + 60
        while not _running(lived) and time.monotonic() < deadline:
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
    lived.travel.move_to(on("10-28", "02:31"))
    lived.say("the process was killed during the nightly backup; another is started")
    lived.restart()
    lived.look()
    lived.until(on("11-02", "13:00"))


def _running(lived: Month) -> bool:
    runs = lived.service.journal.runs(RunQuery(statuses=(RunStatus.RUNNING.value,), limit=5)).runs
    return any(run.sources == ["shop"] for run in runs)


def rewritten(lived: Month) -> None:
    """All notes become noise. The last clean snapshot is pinned, prune waits, people put it right."""
    lived.say("every note is overwritten with noise")
    lived.rewrite()
    lived.until(on("11-03", "09:00"))
    with lived.service.reading() as app:
        entries = [each for each in app.repository.snapshots() if each.info.source == "notes"]
        (clean,) = [each.info for each in entries if each.pinned]
        assert prune_hold(system_report(app, lived.service.journal))
        assert clean.created_at < on("11-02", "13:00").astimezone().isoformat()
    lived.say("the notes are restored in place from the pinned snapshot, and what came after it is forgotten")
    put_back(lived, clean.id)
    with lived.service.reading() as app:
        later = [each.info.id for each in entries if each.info.created_at > clean.created_at]
        forget(app.repository, plan_forget(app.repository, later))
    lived.until(on("11-05", "11:00"))


def put_back(lived: Month, snapshot: str) -> None:
    """As anybody would with a few lines of Python."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(lived.folder, lived.server.password, lived.inbox.url).items():
            patch.setenv(name, value)
        with holdfast.open(lived.folder / "holdfast.toml") as app:
            result = app.restore(snapshot, in_place=True, exact=True)
            assert result.verified


def other_rules(lived: Month) -> None:
    """Somebody writes far shorter rules: they are held for a day, then agreed to."""
    lived.say("the keep rules of important sources become: last = 2")
    lived.important = "last = 2"
    lived.restart()
    lived.until(on("11-06", "11:00"))
    with lived.service.reading() as app:
        plan = retention.plan(app.repository, retention_request(app.settings, clock.now()))
        assert [each.terms.source for each in plan.held] == ["notes"]
        gone = retention.apply(app.repository, plan, retention.Doing(who="ada", confirm=True))
    lived.say(f"ada confirms the shorter rules; {len(gone)} snapshots are forgotten")


def everything_is_whole(lived: Month) -> None:
    """At the end every byte can be read, and no run is running."""
    with lived.service.reading() as app:
        assert check(app.repository, CheckRequest(read_data=1)).ok
    assert lived.service.journal.unfinished() == []
    assert clock.now() - on("10-05", "00:30") > timedelta(weeks=5)


def it_is_as_promised(lived: Month) -> None:
    """What the page tells is asked for once more, of what is kept."""
    proofs.every_appointment_is_kept_once(lived, on("10-04", "12:00").date(), on("11-09", "12:00").date())
    proofs.the_night_of_the_outage_is_made_up_for(lived, on("10-20", "12:30"))
    proofs.the_rules_are_followed(lived)
    proofs.nothing_went_while_rules_were_held(lived, on("11-05", "11:00"), on("11-06", "11:00"))
    proofs.nothing_was_freed_while_something_looked_wrong(lived, on("11-02", "13:00"), on("11-03", "09:00"))
    proofs.people_were_told_once(lived)
