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

SILENCE = timedelta(days=1)
"""After so long without a word, a run of another machine counts as gone; nobody here can look for its process."""
_KEPT_LINES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """What this machine knows of processes. ``started`` tells when process n started, None when there is none."""

    host: str = field(default_factory=clock.host)
    boot: str = field(default_factory=clock.boot)
    started: Callable[[int], str | None] = clock.process_started


def interrupted(
    runs: Iterable[tuple[Run, str | None]], now: datetime, here: Processes | None = None
) -> list[Run]:
    """Those of the runs, each with when it was last written to, that nobody carries out any more.

    On this machine the process decides: it is gone, or another has its number. Elsewhere, and for runs that name no
    process, silence does.
    """
    known = here or Processes()
    return [run for run, touched in runs if not run.status.over and _gone(run, touched, now, known)]


def mark_interrupted(journal: Journal, now: datetime, here: Processes | None = None) -> list[Run]:
    """End every interrupted run of the journal as such; returns them as they are now."""
    candidates = [(run, journal.touched_at(run.id)) for run in journal.unfinished()]
    return [_end(journal, run, now) for run in interrupted(candidates, now, here)]


def of_this_process(run: Run) -> Run:
    """The run, with this process as the one that carries it out."""
    pid = os.getpid()
    run.host, run.boot, run.pid, run.started = clock.host(), clock.boot(), pid, clock.process_started(pid) or ""
    return run


def _gone(run: Run, touched: str | None, now: datetime, here: Processes) -> bool:
    if run.pid and run.host == here.host and run.host:
        if run.boot != here.boot:
            return True
        started = here.started(run.pid)
        return started is None or (bool(run.started) and started not in (run.started, "unknown"))
    return now - datetime.fromisoformat(touched or run.created_at) > SILENCE


def _end(journal: Journal, run: Run, now: datetime) -> Run:
    """Its last sign of life is when it ended, as far as anybody knows."""
    last = journal.touched_at(run.id) or run.created_at
    ended = msgspec.structs.replace(
        run, status=RunStatus.INTERRUPTED, ended_at=last,
        seconds=_seconds(run.started_at, last),
        error=RunError(
            code="interrupted", what="its process went away before it was done",
            why=f"process {run.pid} on {run.host.split(' ')[0]} is gone" if run.pid else "nobody carries it out",
            hint="nothing unfinished was committed; run it again, work already stored is used",
        ),
    )  # fmt: skip
    lines = journal.lines(run.id, limit=_KEPT_LINES)
    number = lines[-1].number + 1 if lines else 1
    journal.write(run.id, [LogLine(number=number, at=clock.stamp(now), level="error", text="interrupted")])
    journal.put(ended)
    return ended


def _seconds(began: str | None, ended: str) -> float | None:
    if not began:
        return None
    return max(0.0, (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds())
