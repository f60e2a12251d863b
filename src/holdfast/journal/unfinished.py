"""Runs whose process went away: which of those that seem to go on were interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from holdfast.journal.base import Journal
from holdfast.model.run import LogLine, Run, RunError, RunStatus
from holdfast.system import clock

SILENCE = timedelta(minutes=15)
"""A run elsewhere tells every minute that it lives; so long after the last time it counts as gone."""

UNTOLD = timedelta(hours=24)
"""The same for a run that never told."""

SOLE = "sole"
"""The key of Run.more of a run of the only service there was."""

_LAST = 1_000_000_000
"""Number of the line that tells of the interruption: behind all that the run may have written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """What this machine knows of processes. ``started`` tells when process n started, None when there is none.

    ``sole``: this process is the only service of the journal, whatever container the ones before ran in.
    """

    host: str = field(default_factory=clock.host)
    boot: str = field(default_factory=clock.boot)
    started: Callable[[int], str | None] = clock.process_started
    sole: bool = False


def interrupted(runs: Iterable[Run], now: datetime, here: Processes | None = None) -> list[tuple[Run, str]]:
    """Those of the runs that nobody carries out any more, each with how one knows.

    On this machine the process decides: it is gone, or another has its number. Elsewhere, and for runs that name no
    process, silence does.
    """
    known = here or Processes()
    return [(run, why) for run in runs if not run.status.over and (why := _gone(run, now, known))]


def mark_interrupted(
    journal: Journal, now: datetime, *, knows: Callable[[str], bool] = lambda _run: False, sole: bool = False
) -> list[Run]:
    """End every interrupted run of the journal as such; returns them. ``knows``: whether a run goes on in this process.

    ``sole``: see Processes.

    Should one be marked that lives after all, what it says next counts again.
    """
    candidates = [run for run in journal.unfinished() if not knows(run.id)]
    return [_end(journal, run, why, now) for run, why in interrupted(candidates, now, Processes(sole=sole))]


def of_this_process(run: Run) -> Run:
    """The run, with this process as the one that carries it out."""
    pid = os.getpid()
    run.host, run.boot, run.pid, run.started = clock.host(), clock.boot(), pid, clock.process_started(pid) or ""
    return run


def _gone(run: Run, now: datetime, here: Processes) -> str:
    if run.host and run.host == here.host:
        if run.boot != here.boot:
            return "the machine was restarted"
        alive = here.started(run.pid) in (run.started, "unknown")
        return "" if alive else f"process {run.pid} is gone"
    if here.sole and run.more.get(SOLE):
        return "the service that carried it out is gone"
    silent = now - datetime.fromisoformat(_last_sign(run))
    return f"no sign of life for {silent}" if silent >= (SILENCE if run.seen_at else UNTOLD) else ""


def _last_sign(run: Run) -> str:
    return run.seen_at or run.started_at or run.created_at


def _end(journal: Journal, run: Run, why: str, now: datetime) -> Run:
    """When it ended nobody knows: it was alive when it was last heard of, and lasted until then at least."""
    seconds = None
    if run.started_at:
        lasted = datetime.fromisoformat(_last_sign(run)) - datetime.fromisoformat(run.started_at)
        seconds = max(0.0, lasted.total_seconds())
    ended = msgspec.structs.replace(
        run, status=RunStatus.INTERRUPTED, ended_at=clock.stamp(now), seconds=seconds,
        error=RunError(
            code="interrupted", what="the process of this run went away before it was done", why=why,
            hint="what it had stored is used by the next one: run it again", retryable=True,
        ),
    )  # fmt: skip
    journal.write(run.id, [LogLine(number=_LAST, at=clock.stamp(now), level="error", text=f"interrupted: {why}")])
    journal.put(ended)
    return ended
