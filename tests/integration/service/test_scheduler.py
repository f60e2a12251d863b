"""The scheduler over a real repository, with the clock in our hand."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from tests.integration.service.desk import HEAD, QUIET, Desk, at, cheap, desk  # noqa: F401

from holdfast.journal.base import SCHEDULER_ALIVE, JournalFailed, RunQuery
from holdfast.journal.unfinished import SILENCE, mark_interrupted
from holdfast.model.errors import RepositoryBusy
from holdfast.model.events import Advanced, PhaseStarted
from holdfast.model.run import LogLine, Run, RunStatus
from holdfast.repository.claims import Claims, Ending
from holdfast.service import orders
from holdfast.service.orders import BackupWish
from holdfast.service.rounds import Rounds
from holdfast.service.service import Service
from holdfast.system import clock
from holdfast.usecases.backup import BackupRequest
from holdfast.usecases.guard import install
from holdfast.wiring.reporting import system_report

pytestmark = pytest.mark.usefixtures("cheap")

HOURLY = f'{HEAD}schedules = [{{ name = "hourly", every = "1h" }}]\n{QUIET}'
NIGHTLY = f'{HEAD}timezone = "Europe/Vienna"\nschedules = [{{ name = "nightly", cron = "30 2 * * *" }}]\n{QUIET}'


def test_appointments_are_kept_and_the_first_is_due_at_once(tmp_path: Path) -> None:
    """One run for each, trigger "schedule", told in the snapshot which appointment it kept."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        assert mine.look() == at("2026-11-21T10:00")
        when.move_to(at("2026-11-21T09:59:50"))
        mine.look()
        when.move_to(at("2026-11-21T10:00:01"))
        mine.look()
        assert mine.told() == [("11-21T09:00", "succeeded", 1), ("11-21T10:00", "succeeded", 1)]
        infos = [entry.info for entry in mine.snapshots()]
        assert [info.trigger for info in infos] == ["schedule"] * 2
        assert infos[1].more["appointment"] == {"schedule": "shop/hourly", "due": "2026-11-21T10:00:00.000Z"}
        assert mine.service.next_due("shop") == at("2026-11-21T11:00")


def test_missed_appointments_are_caught_up_once(tmp_path: Path) -> None:
    """Suspended from Tuesday to Friday: one backup, and the number of those that were missed."""
    with time_machine.travel(at("2026-11-17T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        mine.look()
        when.move_to(at("2026-11-20T12:30"))
        mine.look()
        assert [told[0] for told in mine.told()] == ["11-17T09:00", "11-20T12:00"]
        assert mine.kept().missed == 74


def test_a_night_when_the_clocks_change_has_one_backup(tmp_path: Path) -> None:
    """Looked at every half hour through both nights."""
    for first in ("2026-10-24T12:00", "2027-03-27T12:00"):
        folder = tmp_path / first[:7]
        folder.mkdir()
        with time_machine.travel(at(first), tick=True) as when, desk(folder, NIGHTLY) as mine:
            mine.look()
            for half in range(1, 49):
                when.move_to(at(first) + half * timedelta(minutes=30, seconds=1))
                mine.service.scheduler.round(clock.now())
                mine.settled()
            assert len(mine.told()) == 2, "that of the evening before the first look, and that of the night"


def test_a_clock_that_jumps_ahead_and_back_stops_nothing(tmp_path: Path) -> None:
    """For a minute it is 2030; from then on the appointments of today are kept again."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        mine.look()
        when.move_to(at("2030-01-01T00:00:30"))
        mine.look()
        when.move_to(at("2026-11-21T10:30"))
        mine.look()
        when.move_to(at("2026-11-21T11:00:30"))
        mine.look()
        assert [told[0] for told in mine.told()] != []
        dues = [run.due_at[:16] for run in mine.runs()]
        assert sorted(dues) == ["2026-11-21T09:00", "2026-11-21T10:00", "2026-11-21T11:00", "2030-01-01T00:00"]


def test_a_failure_that_may_pass_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    """A store that is away for some minutes: attempts in the same appointment, then success."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        (tmp_path / "repository").rename(tmp_path / "away")
        mine.look()
        pauses = []
        for _ in range(3):
            kept = mine.kept()
            assert kept.state == "again"
            pauses.append(at(kept.again_at[:-1]) - clock.now())
            if len(pauses) == 3:
                (tmp_path / "away").rename(tmp_path / "repository")
            when.move_to(at(kept.again_at[:-1]) + timedelta(seconds=1))
            mine.look()
        assert [told[1:] for told in mine.told()] == [("failed", 1), ("failed", 2), ("failed", 3), ("succeeded", 4)]
        assert pauses[0] < pauses[1] < pauses[2]
        assert {run.due_at for run in mine.runs()} == {"2026-11-21T09:00:00.000Z"}
        assert mine.runs()[1].retry_of == mine.runs()[0].id
        assert mine.kept().state == "over"


def test_a_clock_that_was_a_week_ahead_takes_no_appointment_away(tmp_path: Path) -> None:
    """For one look on Monday it is Sunday: when Sunday comes the backup is made all the same, here or by another."""
    weekly = NIGHTLY.replace("30 2 * * *", "0 4 * * 0").replace("Europe/Vienna", "UTC")
    with time_machine.travel(at("2026-11-01T04:00:30"), tick=True) as when, desk(tmp_path, weekly) as mine:
        mine.look()
        when.move_to(at("2026-11-08T04:00:30"))
        mine.look()
        for day in range(2, 10):
            when.move_to(at(f"2026-11-{day:02d}T10:00:05"))
            mine.look()
        made = [told[0] for told in mine.told() if told[1] == "succeeded"]
        assert made == ["11-01T04:00", "11-08T04:00", "11-08T04:00"], "the second one by the wrong clock"
        assert len(mine.snapshots()) == 3
        assert mine.service.next_due("shop") == at("2026-11-15T04:00")


def test_what_a_wrong_clock_told_is_not_taken_from_the_repository(tmp_path: Path) -> None:
    """A daemon without a journal does not believe an appointment that has not come."""
    with time_machine.travel(at("2026-11-21T18:10"), tick=True) as when:
        with desk(tmp_path, HOURLY) as mine:
            mine.look()
        when.move_to(at("2026-11-21T09:10"))
        with desk(tmp_path, HOURLY, client="two") as other:
            other.look()
            assert other.told() == [("11-21T09:00", "succeeded", 1)]


def _attempts(mine: Desk, when: time_machine.Coordinates, until: str) -> list[timedelta]:
    """Let each attempt come when it is planned; the pauses between them."""
    pauses = []
    while (kept := mine.kept()).state == "again" and (again := at(kept.again_at[:-1])) < at(until):
        pauses.append(again - clock.now())
        when.move_to(again + timedelta(seconds=1))
        mine.look()
    return pauses


def test_after_the_retries_it_goes_on_at_longer_intervals_until_the_next_appointment(tmp_path: Path) -> None:
    """A nightly backup whose store comes back at noon is made at noon, not the next night."""
    text = NIGHTLY.replace("concurrency = 2", "retries = 2")
    with time_machine.travel(at("2026-11-21T01:30:10"), tick=True) as when, desk(tmp_path, text) as mine:
        (tmp_path / "repository").rename(tmp_path / "away")
        mine.look()
        quick, later = (pauses := _attempts(mine, when, "2026-11-21T11:00"))[:2], pauses[2:]
        assert all(pause <= timedelta(minutes=1) for pause in quick)
        assert later[0] >= timedelta(minutes=11)
        assert all(timedelta(minutes=45) <= pause <= timedelta(hours=1) for pause in later[2:])
        (tmp_path / "away").rename(tmp_path / "repository")
        when.move_to(at("2026-11-21T12:10"))
        mine.look()
        assert mine.told()[-1][:2] == ("11-21T01:30", "succeeded")
        assert mine.kept().state == "over"


def test_what_failed_is_tried_again_as_soon_as_the_store_is_seen_again(tmp_path: Path) -> None:
    """The watch looks every minute: when it can see again, nobody waits for the end of an hour."""
    text = NIGHTLY.replace("concurrency = 2", "retries = 1")
    with time_machine.travel(at("2026-11-21T01:30:10"), tick=True) as when, desk(tmp_path, text) as mine:
        rounds = Rounds(mine.service)
        (tmp_path / "repository").rename(tmp_path / "away")
        mine.look()
        _attempts(mine, when, "2026-11-21T05:00")
        rounds.round(clock.now())
        (tmp_path / "away").rename(tmp_path / "repository")
        mine.look()
        assert mine.told()[-1][1] == "failed"
        rounds.round(clock.now())
        mine.look()
        assert mine.told()[-1][:2] == ("11-21T01:30", "succeeded")


_KILLED_AT_THE_END = """
import os, signal, sys, time_machine
from pathlib import Path
from tests.faults.world import cheap_keys
from tests.integration.service.desk import at, desk
from holdfast.repository.claims import Claims
cheap_keys()
Claims.end = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with time_machine.travel(at("2026-11-21T09:10"), tick=True), desk(Path(sys.argv[1]), sys.argv[2]) as mine:
    mine.look()
"""


@pytest.mark.parametrize("retries", [0, 3])
def test_killed_after_the_snapshot_was_there_the_run_is_told_as_done(tmp_path: Path, retries: int) -> None:
    """It is not made a second time, and nobody is alarmed."""
    text = HOURLY.replace("concurrency = 2", f"retries = {retries}")
    script = [sys.executable, "-c", _KILLED_AT_THE_END, tmp_path, text]
    assert subprocess.run(script, cwd=Path(__file__).parents[3], check=False).returncode == -signal.SIGKILL
    with time_machine.travel(at("2026-11-21T09:11"), tick=True), desk(tmp_path, text) as mine:
        with mine.service.reading() as app:
            assert system_report(app, mine.service.journal)["shop"].findings == []
        mine.look()
        (run,) = mine.runs()
        assert (run.status.value, run.error, run.attempt) == ("succeeded", None, 1)
        assert run.snapshots == [entry.info.id for entry in mine.snapshots()]
        assert mine.kept().state == "over"


def test_without_retries_the_next_appointment_is_the_next_chance(tmp_path: Path) -> None:
    """retries = 0 turns them all off."""
    text = HOURLY.replace("concurrency = 2", "retries = 0")
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, text) as mine:
        (tmp_path / "repository").rename(tmp_path / "away")
        for minute in (10, 25, 59):
            when.move_to(at(f"2026-11-21T09:{minute}"))
            mine.look()
        assert [told[1:] for told in mine.told()] == [("failed", 1)]
        when.move_to(at("2026-11-21T10:00:30"))
        mine.look()
        assert mine.told()[-1] == ("11-21T10:00", "failed", 1)


def test_what_somebody_stopped_is_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop means stop, until the next appointment; here and for every other daemon."""

    def endless(_repository: object, request: BackupRequest) -> None:
        request.report(PhaseStarted(source="shop", phase="copy"))
        begun.set()
        while True:
            time.sleep(0.01)
            request.report(Advanced(source="shop", phase="copy", amount=1))

    begun = threading.Event()
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        with monkeypatch.context() as patch:
            patch.setattr(orders, "backup", endless)
            mine.service.scheduler.round(clock.now())
            assert begun.wait(20)
            assert mine.service.interrupt(mine.runs()[0].id)
            mine.look()
        assert (mine.told(), mine.kept().state) == ([("11-21T09:00", "interrupted", 1)], "over")
        with desk(tmp_path, HOURLY, client="two") as other:
            other.look()
            assert [told[1] for told in other.told()] == ["skipped"]
        when.move_to(at("2026-11-21T10:00:30"))
        mine.look()
        assert mine.told()[-1] == ("11-21T10:00", "succeeded", 1)


def test_the_journal_of_a_daemon_is_tidied_every_day(tmp_path: Path) -> None:
    """Runs and their logs go when the configuration says; the newest of a kind stays."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        journal, rounds = mine.service.journal, Rounds(mine.service)
        for letter, day in (("a", "01"), ("b", "02")):
            old = Run(id=letter * 32, kind="backup", status=RunStatus.SUCCEEDED, created_at=f"2019-01-{day}T00:00:00Z")
            old.ended_at, old.sources = old.created_at, ["shop"]
            journal.put(old)
        journal.write("b" * 32, [LogLine(number=1, at="2019-01-02T00:00:00Z", level="info", text="old")])
        rounds.round(clock.now())
        assert journal.get("a" * 32) is None
        assert journal.lines("b" * 32) == []
        when.shift(timedelta(days=1))
        mine.look()
        rounds.round(clock.now())
        assert journal.get("b" * 32) is None


def test_a_failure_for_good_is_not_tried_again_before_the_next_appointment(tmp_path: Path) -> None:
    """A file that is not there does not come back by asking again."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        (tmp_path / "shop.db").unlink()
        for minute in (10, 20, 40):
            when.move_to(at(f"2026-11-21T09:{minute}"))
            mine.look()
        assert mine.told() == [("11-21T09:00", "failed", 1)]
        when.move_to(at("2026-11-21T10:00:30"))
        mine.look()
        assert len(mine.told()) == 2


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """What was kept is not done again, what was to be tried again is."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when:
        with desk(tmp_path, HOURLY) as mine:
            (tmp_path / "repository").rename(tmp_path / "away")
            mine.look()
        (tmp_path / "away").rename(tmp_path / "repository")
        with desk(tmp_path, HOURLY) as mine:
            mine.look()
            when.move_to(at("2026-11-21T09:12"))
            mine.look()
        with desk(tmp_path, HOURLY) as mine:
            mine.look()
            assert [told[1:] for told in mine.told()] == [("failed", 1), ("succeeded", 2)]


def test_a_lost_journal_is_made_up_for_by_the_repository(tmp_path: Path) -> None:
    """The newest snapshots tell which appointments were kept: nothing runs twice, nothing is left out."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when:
        with desk(tmp_path, HOURLY) as mine:
            mine.look()
        with desk(tmp_path, HOURLY, client="two") as other:
            other.look()
            assert other.told() == []
            when.move_to(at("2026-11-21T10:00:30"))
            other.look()
            assert other.told() == [("11-21T10:00", "succeeded", 1)]


def test_a_schedule_that_is_new_is_not_due_while_a_fresh_snapshot_is_there(tmp_path: Path) -> None:
    """A backup by hand counts."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True), desk(tmp_path, HOURLY) as mine:
        run = mine.service.back_up(BackupWish(source="shop", trigger="manual"))
        assert mine.service.work.wait(run.id, 60).status is RunStatus.SUCCEEDED
        mine.look()
        assert len(mine.runs()) == 1


def test_of_two_daemons_one_keeps_each_appointment(tmp_path: Path) -> None:
    """The other skips it, and takes over what the first gave up."""
    with (
        time_machine.travel(at("2026-11-21T09:10"), tick=True) as when,
        desk(tmp_path, HOURLY) as one, desk(tmp_path, HOURLY, client="two") as two,
    ):  # fmt: skip
        for hour in (9, 10, 11):
            when.move_to(at(f"2026-11-21T{hour:02d}:00:30"))
            for each in (one, two):
                each.service.scheduler.round(clock.now())
            for each in (one, two):
                each.look()
        assert len(one.snapshots()) == 3
        statuses = [run.status.value for run in [*one.runs(), *two.runs()]]
        assert statuses.count("succeeded") == 3
        assert set(statuses) <= {"succeeded", "skipped"}


def test_a_source_is_never_backed_up_twice_at_once(tmp_path: Path) -> None:
    """While a run goes on, another order is refused, and an appointment waits for its turn."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True), desk(tmp_path, HOURLY) as mine:
        mine.service.work._keys["backup:shop"] = "a run that goes on"
        with pytest.raises(RepositoryBusy, match="being done already"):
            mine.service.back_up(BackupWish(source="shop"))
        mine.service.scheduler.round(clock.now())
        assert mine.runs() == []
        del mine.service.work._keys["backup:shop"]
        mine.look()
        assert mine.told() == [("11-21T09:00", "succeeded", 1)]


def test_an_appointment_waits_for_a_backup_that_a_person_takes(tmp_path: Path) -> None:
    """By another process of the same journal; another source does not wait, nor does anybody wait for the dead."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        theirs = _lost(host="elsewhere", seen_at="2026-11-21T09:09:00.000Z", sources=["shop"])
        mine.service.journal.put(theirs)
        mine.look()
        assert mine.told() == [("", "running", 1)]
        theirs.sources = ["blog"]
        mine.service.journal.put(theirs)
        mine.look()
        assert mine.told()[-1] == ("11-21T09:00", "succeeded", 1)
        theirs.sources = ["shop"]
        mine.service.journal.put(theirs)
        when.move_to(at("2026-11-21T10:00:10"))
        mine.look()
        assert mine.told()[-1] == ("11-21T10:00", "succeeded", 1)


def test_two_schedules_of_a_source_do_not_overlap_in_two_daemons(tmp_path: Path) -> None:
    """While one daemon keeps the one, the other leaves the other for a few minutes, and then makes it."""
    nightly = '{ name = "nightly", cron = "0 9 * * *" }'
    text = f'{HEAD}schedules = [{{ name = "hourly", every = "1h" }}, {nightly}]\n{QUIET}'
    with time_machine.travel(at("2026-11-21T09:00:10"), tick=True) as when, desk(tmp_path, text) as mine:
        with mine.service.reading() as app:
            claims = Claims(app.repository.vault)
            claims.take("shop/hourly", at("2026-11-21T09:00"), "of a process that lives on")
            mine.look()
            mine.look()
            assert {run.schedule: run.status.value for run in mine.runs()} == {
                "shop/hourly": "skipped", "shop/nightly": "skipped"
            }  # fmt: skip
            claims.end("shop/hourly", at("2026-11-21T09:00"), 1, Ending(status="succeeded"))
        when.shift(timedelta(minutes=6))
        mine.look()
        mine.look()
        assert [run.schedule for run in mine.runs() if run.status is RunStatus.SUCCEEDED] == ["shop/nightly"]


def test_a_paused_source_rests_and_catches_up_once(tmp_path: Path) -> None:
    """Nothing runs, the agenda says so, and what is late is done when it goes on."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        mine.look()
        mine.service.pause("shop", who="anna")
        when.move_to(at("2026-11-21T13:10"))
        mine.look()
        assert len(mine.runs()) == 1
        assert mine.service.next_due("shop") is None
        assert "anna" in mine.service.paused()["shop"]
        mine.service.resume("shop")
        mine.look()
        assert [told[0] for told in mine.told()] == ["11-21T09:00", "11-21T13:00"]


def test_several_schedules_of_a_source_each_keep_their_own(tmp_path: Path) -> None:
    """An hourly one, and a pinned weekly one with a label."""
    weekly = '{ name = "weekly", cron = "0 10 * * 6", pin = true, label = "week" }'
    text = f'{HEAD}schedules = [{{ name = "hourly", every = "1h" }}, {weekly}]\n{QUIET}'
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, text) as mine:
        mine.look()
        mine.look()
        when.move_to(at("2026-11-21T10:00:30"))
        for _ in range(3):
            mine.look()
        kept = {run.schedule for run in mine.runs() if run.due_at == "2026-11-21T10:00:00.000Z"}
        assert kept == {"shop/hourly", "shop/weekly"}
        assert {(entry.info.name, entry.pinned) for entry in mine.snapshots()} >= {("week", True), (None, False)}


def test_the_repository_is_cared_for_and_rules_of_retention_are_followed(tmp_path: Path) -> None:
    """Prune and check come by themselves; after each good scheduled backup what is not kept is let go of."""
    text = f'{HEAD}keep = {{ last = 2 }}\nschedules = [{{ every = "1h" }}]\n'
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, text) as mine:
        for hour in range(9, 14):
            when.move_to(at(f"2026-11-21T{hour:02d}:10"))
            mine.look()
            mine.settled()
        assert len(mine.runs()) == 5
        assert len(mine.snapshots()) == 2
        assert {run.status.value for run in mine.runs("forget")} == {"succeeded"}
        assert [run.status.value for run in [*mine.runs("prune"), *mine.runs("check")]] == ["succeeded"] * 2
        when.move_to(at("2026-11-22T09:10"))
        mine.look()
        assert len(mine.runs("prune")) == 2
        assert len(mine.runs("check")) == 1


def test_what_a_guard_kept_is_shipped_every_hour(tmp_path: Path) -> None:
    """A row that somebody deleted is in the repository soon, without anybody having asked."""
    text = f'{HEAD}[entities.thing]\nsource = "shop"\nroot = "things"\n{QUIET}'
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, text) as mine:
        with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
            database.execute("create table things (id integer primary key, name text)")
            database.execute("insert into things values (1, 'kept')")
        with mine.service.reading() as app:
            install(app.source("shop"), "thing", app.settings.entities["thing"])
        mine.look()
        with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
            database.execute("delete from things")
        when.move_to(at("2026-11-21T10:00:30"))
        mine.look()
        assert [(run.status.value, run.rows) for run in mine.runs("ship")] == [("succeeded", 0), ("succeeded", 1)]
        assert [entry.info.trigger for entry in mine.snapshots()] == ["guard"]


def test_the_scheduler_tells_that_it_lives(tmp_path: Path) -> None:
    """A fact in the journal, renewed at each look."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=False), desk(tmp_path, HOURLY) as mine:
        mine.look()
        assert mine.service.journal.recall(SCHEDULER_ALIVE)[SCHEDULER_ALIVE] == "2026-11-21T09:10:00.000Z"


class _Gone:
    """A journal whose server went away."""

    url = "gone:"

    def __getattr__(self, name: str) -> object:
        def fail(*_arguments: object, **_named: object) -> object:
            raise JournalFailed("the journal does not answer")

        return fail


def test_a_journal_that_fails_stops_no_backup_and_repeats_none(tmp_path: Path) -> None:
    """The scheduler goes on by what it has seen itself."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True) as when, desk(tmp_path, HOURLY) as mine:
        mine.look()
        whole = mine.service.journal
        for holder in (mine.service.agenda, mine.service.work):
            holder._journal = _Gone()
        mine.service.scheduler._means = replace(mine.service.scheduler._means, journal=_Gone())
        for minute in ("09:20", "10:01", "10:02", "10:30", "11:01", "11:02"):
            when.move_to(at(f"2026-11-21T{minute}"))
            mine.look()
        assert len(mine.snapshots()) == 3
        assert len(whole.runs(RunQuery()).runs) == 1


def _lost(**facts: object) -> Run:
    run = Run(id="f" * 32, kind="backup", status=RunStatus.RUNNING, created_at="2026-11-21T09:00:00.000Z")
    for name, value in facts.items():
        setattr(run, name, value)
    return run


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"pid": 2**22 - 1, "started": "1"}, "process 4194303 is gone"),
        ({"pid": 1, "started": "not when it started"}, "process 1 is gone"),
        ({"boot": "an earlier one"}, "the machine was restarted"),
        ({"host": "elsewhere", "seen_at": "2026-11-21T08:00:00.000Z"}, "no sign of life"),
    ],
)
def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path, facts: dict[str, object], why: str) -> None:
    """At the first look after a restart, whatever it was that killed it."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True), desk(tmp_path, HOURLY) as mine:
        mine.service.journal.put(_lost(**{"host": clock.host(), "boot": clock.boot(), **facts}))
        mine.service.scheduler.round(clock.now())
        run = mine.service.journal.get("f" * 32)
        assert run.status is RunStatus.INTERRUPTED
        assert why in run.error.why
        assert run.ended_at


_IN_A_CONTAINER = _KILLED_AT_THE_END.replace(
    "Claims.end = ",
    "from holdfast.service import orders\n"
    "from holdfast.system import clock\n"
    "clock.host = lambda: 'a container that is gone'\n"
    "orders.backup = ",
)


def test_a_run_that_went_with_its_container_is_told_and_done_again_at_once(tmp_path: Path) -> None:
    """Nobody sees a process of another container, but the only service of a journal knows that the last one is gone."""
    script = [sys.executable, "-c", _IN_A_CONTAINER, tmp_path, HOURLY]
    assert subprocess.run(script, cwd=Path(__file__).parents[3], check=False).returncode == -signal.SIGKILL
    with time_machine.travel(at("2026-11-21T09:11"), tick=True), desk(tmp_path, HOURLY) as mine:
        mine.look()
        assert mine.told() == [("11-21T09:00", "interrupted", 1), ("11-21T09:00", "succeeded", 2)]
        assert mine.runs()[0].error.why == "the service that carried it out is gone"
        with contextlib.closing(Service(mine.service.configuration)) as second:
            assert (mine.service.work.sole, second.work.sole) == (True, False)


def test_a_run_elsewhere_that_was_heard_of_lately_goes_on(tmp_path: Path) -> None:
    """Nobody can see its process from here; it tells every minute that it lives."""
    with time_machine.travel(at("2026-11-21T09:10"), tick=True), desk(tmp_path, HOURLY) as mine:
        mine.service.journal.put(_lost(host="elsewhere", seen_at="2026-11-21T09:05:00.000Z"))
        assert mark_interrupted(mine.service.journal, clock.now()) == []
        assert len(mark_interrupted(mine.service.journal, clock.now() + SILENCE)) == 1
