"""A run while it happens: events of the core become phases, log lines and numbers in the journal."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.journal.base import Journal
from holdfast.model.errors import HoldfastError, Interrupted, RepositoryBusy, RepositoryMissing, SessionExpired
from holdfast.model.events import Advanced, Event, PhaseEnded, PhaseStarted, Warned
from holdfast.model.run import LogLine, Phase, Run, RunError, RunStatus
from holdfast.model.secret import Redactor
from holdfast.system import clock

_EVERY = 1.0
"""Seconds between two entries of a run that only advances."""
_PASSING = (RepositoryBusy, SessionExpired, Interrupted, RepositoryMissing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended, and its numbers (fields of Run). ``result`` is a JSON-able document for whoever asked."""

    status: RunStatus = RunStatus.SUCCEEDED
    numbers: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    error: RunError | None = None


class Recorder:
    """One run, from ``begin`` to ``end``. ``report`` may be called from any thread. Journals that fail stop nothing."""

    def __init__(self, run: Run, journal: Journal, publish: Callable[[Run], None], redactor: Redactor) -> None:
        self.run = run
        self._journal, self._publish, self._redactor = journal, publish, redactor
        self._lock = threading.Lock()
        self._phases: dict[tuple[str, str], tuple[Phase, float]] = {}
        self._lines = 0
        self._noted = 0.0
        self._began = 0.0
        self._stop = threading.Event()

    def begin(self) -> None:
        """It runs from now on, in this process."""
        self.run.status, self.run.started_at = RunStatus.RUNNING, clock.stamp()
        self._began = time.monotonic()
        here(self.run)
        with self._lock:
            self._note()

    def interrupt(self) -> None:
        """The run is to stop: whatever it does next that is worth an event fails with Interrupted."""
        self._stop.set()

    def beat(self) -> None:
        """A sign of life, also of a run that has nothing to tell for long."""
        with self._lock:
            if not self.run.status.over:
                self._note()

    def report(self, event: Event) -> None:
        """Hear of one event. Interrupted when the run is to stop."""
        if self._stop.is_set():
            raise Interrupted("the run was asked to stop", hint="what it had stored is reused by the next one")
        with self._lock:
            match event:
                case PhaseStarted(source=source, phase=name):
                    phase = Phase(
                        name=name, source=source, started_at=clock.stamp(), total=event.total, unit=event.unit
                    )
                    self._phases[source, name] = (phase, time.monotonic())
                    self.run.phases.append(phase)
                    self._say("info", f"{source}: {name}" if source else name)
                case Advanced(source=source, phase=name, amount=amount):
                    if found := self._phases.get((source, name)):
                        found[0].amount += amount
                    if time.monotonic() - self._noted < _EVERY:
                        return
                case PhaseEnded(source=source, phase=name):
                    if found := self._phases.pop((source, name), None):
                        found[0].seconds = round(time.monotonic() - found[1], 3)
                case Warned(source=source, text=text):
                    told = self._redactor.clean(f"{source}: {text}" if source else text)
                    if told not in self.run.warnings:
                        self.run.warnings.append(told)
                        self._say("warning", told)
            self._note()

    def end(self, outcome: Outcome) -> None:
        """It is over; what comes after its first end changes nothing."""
        with self._lock:
            if self.run.status.over:
                return
            self.run.status, self.run.error, self.run.ended_at = outcome.status, outcome.error, clock.stamp()
            if self._began:
                self.run.seconds = round(time.monotonic() - self._began, 3)
            for name, value in outcome.numbers.items():
                setattr(self.run, name, value)
            if outcome.result:
                self.run.more["result"] = outcome.result
            if outcome.error is not None:
                self._say("error", outcome.error.what)
            self._note()

    def _say(self, level: str, text: str) -> None:
        self._lines += 1
        with contextlib.suppress(Exception):
            self._journal.write(self.run.id, [LogLine(number=self._lines, at=clock.stamp(), level=level, text=text)])

    def _note(self) -> None:
        self._noted = time.monotonic()
        self.run.seen_at = clock.stamp()
        with contextlib.suppress(Exception):
            self._journal.put(self.run)
        self._publish(self.run)


def error_of(error: BaseException, redactor: Redactor) -> RunError:
    """Any exception as a run tells it, without secrets."""
    if not isinstance(error, HoldfastError):
        return RunError(
            code="defect", what="something went wrong that should not",
            why=redactor.clean(f"{type(error).__name__}: {error}"),
            hint="run it again with holdfast -vv to see where",
        )  # fmt: skip
    told = {name: redactor.clean(getattr(error, name)) for name in ("what", "where", "why", "hint")}
    return RunError(code=error.code, retryable=may_help(error), **told)


def may_help(error: BaseException) -> bool:
    """Whether trying again may help. A store that is not there may be one that is not mounted just now."""
    if isinstance(error, HoldfastError):
        return error.retryable or isinstance(error, _PASSING)
    return isinstance(error, ConnectionError | TimeoutError)


def here(run: Run) -> None:
    """Note in a run the process it is in."""
    run.host, run.boot, run.pid = clock.host(), clock.boot(), os.getpid()
    run.started = clock.process_started(run.pid) or ""


def waited(run: Run, now: datetime) -> float:
    """Seconds since the run was wished for."""
    return (now - datetime.fromisoformat(run.created_at)).total_seconds()
