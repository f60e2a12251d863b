"""The scheduler: looks who is due, starts what is, tries again what failed and may succeed, and tells that it lives."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from holdfast.journal.base import SCHEDULER_ALIVE, Journal, JournalFailed
from holdfast.journal.unfinished import mark_interrupted
from holdfast.model.environments import elsewhere
from holdfast.model.errors import HoldfastError, Interrupted, RepositoryBusy
from holdfast.model.ids import new_id
from holdfast.model.run import Run, RunStatus
from holdfast.planning.timetable import believed, due_now
from holdfast.repository.claims import Claims
from holdfast.service.agenda import Agenda, Job, Keeping, Slot
from holdfast.service.work import STOPPED_BY_HAND, Work
from holdfast.system import clock
from holdfast.usecases.rebuilding_runs import run_of
from holdfast.wiring.build import App

LOOK = 30.0
"""Seconds after which it looks again, whatever the clock says: clocks jump, laptops sleep."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
"""Before the retries that the configuration asks for."""
LATER, LATEST = timedelta(minutes=15), timedelta(hours=1)
"""Before those that follow until the next appointment: a store back at noon is not left alone until midnight."""
_ELSEWHERE = timedelta(minutes=5)
"""How often an appointment that another daemon keeps is looked after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the scheduler works with. ``reading``: open objects to look with; ``on_error`` hears why a look failed."""

    journal: Journal
    work: Work
    agenda: Agenda
    reading: Callable[[], AbstractContextManager[App]]
    retries: int
    rounds: list[Callable[[datetime], None]] = field(default_factory=list)
    on_error: Callable[[BaseException], None] = lambda _error: None


def pause_before(attempt: int, retries: int) -> timedelta:
    """How long to wait before attempt 2, 3 …: twice as long each time, up to a quarter hour for ``retries`` of them
    and up to an hour from then on, never quite the same."""
    later = attempt - 2 - retries
    first, longest, doubled = (FIRST_PAUSE, LONGEST_PAUSE, attempt - 2) if later < 0 else (LATER, LATEST, later)
    return min(first * float(1 << min(doubled, 16)), longest) * random.uniform(0.75, 1.0)


class Scheduler:
    """``round`` is one look; ``start`` makes a thread that looks at every appointment and at least twice a minute."""

    def __init__(self, means: Means) -> None:
        self._means, self._agenda = means, means.agenda
        self._wake, self._stop, self._back = threading.Event(), threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._recalled = False
        self._backed_up: set[str] = set()
        means.work.on_over.append(lambda _run: self.wake())

    def start(self) -> None:
        """Begin to look after the schedules."""
        for name, loop in (("scheduler", self._loop), ("rounds", self._rounds)):
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=LOOK)

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def store_is_back(self) -> None:
        """Try again now what failed: the store answers after a time in which it did not."""
        self._back.set()
        self.wake()

    def round(self, now: datetime) -> datetime | None:
        """One look at everything; returns when the next appointment is, None when there is none."""
        journal = self._means.journal
        with contextlib.suppress(JournalFailed):  # that is told elsewhere, and stops no backup
            journal.remember(SCHEDULER_ALIVE, clock.stamp(now))
            work = self._means.work
            for run in mark_interrupted(journal, now, knows=work.knows, sole=work.sole):
                self._made(run.id, run)
            self._backed_up = {
                source for run in journal.unfinished() if run.kind == "backup" and not work.knows(run.id)
                for source in run.sources
            }  # fmt: skip
        self._recall()
        if self._back.is_set():
            self._back.clear()
            self._hasten(now)
        paused = self._agenda.paused()
        for job in self._agenda.jobs:
            if "" not in paused and job.schedule.source not in paused:
                self._see_to(job, now)
        times = [each.next_at for each in self._agenda.standing(now) if each.next_at is not None]
        return min(times, default=None)

    def _see_to(self, job: Job, now: datetime) -> None:
        kept = self._agenda.kept(job.schedule)
        if kept is not None and kept.state == "running":
            kept = self._after_run(job, kept, now)
            if kept.state == "running":
                return
        due = due_now(job.schedule, kept.instant if kept else None, now)
        if due is not None:
            if kept is not None and not believed(kept.instant, now):
                self._disbelieve(job, now)
            before = due.missed + (kept.missed if kept and kept.state != "over" else 0)
            self._begin(job, Keeping(due=clock.stamp(due.appointment.due), missed=before))
        elif kept is not None and kept.again_at and datetime.fromisoformat(kept.again_at) <= now:
            if kept.state == "elsewhere" and not self._abandoned(job, kept, now):
                return
            self._begin(job, replace(kept, attempt=kept.attempt + 1))

    def _hasten(self, now: datetime) -> None:
        for job in self._agenda.jobs:
            kept = self._agenda.kept(job.schedule)
            if kept is not None and kept.state == "again":
                self._agenda.keep(job.schedule, replace(kept, again_at=clock.stamp(now)))

    def _disbelieve(self, job: Job, now: datetime) -> None:
        """The clock went back: what was claimed ahead of time is due after all when its time comes."""
        with contextlib.suppress(HoldfastError), self._means.reading() as app:
            Claims(app.repository.vault).disbelieve(job.schedule.key, now)

    def _begin(self, job: Job, keeping: Keeping) -> None:
        """Start an attempt. While the same is being done already, the appointment stays due."""
        if job.backup and job.schedule.source in self._backed_up:
            return  # by another process, such as a person's; looked after again soon
        earlier = keeping.run or None
        run = new_id()
        slot = Slot(
            schedule=job.schedule, due=keeping.instant, attempt=keeping.attempt, run=run, retry_of=earlier
        )
        with contextlib.suppress(RepositoryBusy, Interrupted):
            self._means.work.start(job.order(slot))
            self._agenda.keep(job.schedule, replace(keeping, state="running", run=run, again_at=None))

    def _after_run(self, job: Job, kept: Keeping, now: datetime) -> Keeping:
        """What follows from how the run ended."""
        if self._means.work.knows(kept.run):
            return kept
        try:
            run = self._means.work.ended(kept.run) or self._means.journal.get(kept.run)
        except JournalFailed:
            return kept  # nobody can tell now
        if run is not None and not run.status.over:
            return kept  # in another process, which shares this journal
        after = self._judged(kept, run, now)
        self._agenda.keep(job.schedule, after)
        return after

    def _judged(self, kept: Keeping, run: Run | None, now: datetime) -> Keeping:
        if run is not None and run.status is RunStatus.SKIPPED and (told := run.more.get("elsewhere")):
            if told.get("over"):
                return replace(kept, state="over")
            return replace(kept, state="elsewhere", again_at=clock.stamp(now + _ELSEWHERE))
        gone = run is None or (run.status is RunStatus.INTERRUPTED and STOPPED_BY_HAND not in run.more)
        failed = run is not None and run.status is RunStatus.FAILED and run.error is not None and run.error.retryable
        if gone and (made := self._made(kept.run, run)) is not None:
            return self._judged(kept, made, now)
        if (gone or failed) and (retries := self._means.retries):
            wait = pause_before(kept.attempt + 1, retries)
            if gone and kept.attempt <= retries:
                wait = timedelta(0)
            return replace(kept, state="again", again_at=clock.stamp(now + wait))
        return replace(kept, state="over")

    def _made(self, identifier: str, run: Run | None) -> Run | None:
        """A run whose process went away after its snapshot was there had done all: the journal is told."""
        with contextlib.suppress(HoldfastError), self._means.reading() as app:
            made = run_of(app.repository, identifier, run)
            if made is not None:
                self._means.journal.put(made)
            return made
        return None

    def _abandoned(self, job: Job, kept: Keeping, now: datetime) -> bool:
        """Whether the daemon that kept the appointment gave it up; what it did is remembered."""
        try:
            with self._means.reading() as app:
                verdict = Claims(app.repository.vault).look(job.schedule.key, kept.instant)
        except HoldfastError:
            return False  # looked after again next time
        state = "over" if verdict.over else "elsewhere"
        if not verdict.attempt:
            again = None if verdict.over else clock.stamp(now + _ELSEWHERE)
            self._agenda.keep(job.schedule, replace(kept, state=state, again_at=again))
        return bool(verdict.attempt)

    def _recall(self) -> None:
        """Once: where the journal knows nothing, ask the repository."""
        if self._recalled or all(self._agenda.kept(job.schedule) for job in self._agenda.jobs):
            self._recalled = True
            return
        with contextlib.suppress(HoldfastError), self._means.reading() as app:
            self._agenda.recall_from(
                entry.info for entry in app.repository.snapshots() if not elsewhere(entry.info)
            )
        self._recalled = True

    def _loop(self) -> None:
        while not self._stop.is_set():
            upcoming = None
            try:
                upcoming = self.round(clock.now())
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the next look is in half a minute
                self._means.on_error(error)
            wait = LOOK if upcoming is None else (upcoming - clock.now()).total_seconds()
            self._wake.wait(max(0.05, min(LOOK, wait)) if upcoming and wait > 0 else LOOK)
            self._wake.clear()

    def _rounds(self) -> None:
        """What looks once a minute, such as alerts, apart from the schedules: mail servers are slow."""
        while not self._stop.is_set():
            for each in self._means.rounds:
                try:
                    each(clock.now())
                except Exception as error:  # noqa: BLE001 - one that fails stops no other
                    self._means.on_error(error)
            self._stop.wait(2 * LOOK)
