"""Runs whose process went away: they are told as interrupted, so that none is "running" for ever."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from holdfast.journal.base import Journal
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.system import clock

SILENCE = timedelta(hours=1)
"""A run elsewhere tells every minute that it lives; so long after the last time it counts as gone."""

UNTOLD = timedelta(hours=24)
"""The same for a run that never told."""


def settle(journal: Journal, knows: Callable[[str], bool], now: datetime) -> list[Run]:
    """Mark every unfinished run that goes on nowhere; returns them. ``knows``: whether a run goes on in this process.

    Should a run be marked that lives after all, its own end changes nothing any more: its snapshot counts, not this.
    """
    found = []
    for run in journal.unfinished():
        if not knows(run.id) and (why := _end_of(run, now)):
            run.status, run.ended_at = RunStatus.INTERRUPTED, clock.stamp(now)
            run.error = RunError(
                code="interrupted", what="the process of this run went away before it was done", why=why,
                hint="what it had stored is reused by the next one: holdfast backup", retryable=True,
            )  # fmt: skip
            with contextlib.suppress(Exception):  # a journal that cannot be written is told elsewhere
                journal.put(run)
                found.append(run)
    return found


def _end_of(run: Run, now: datetime) -> str:
    """Why the run is over; "" when it may go on."""
    if run.host == clock.host():
        if run.boot != clock.boot():
            return "the machine was restarted"
        alive = clock.process_started(run.pid) in (run.started, "unknown")
        return "" if alive else f"process {run.pid} is gone"
    told = run.seen_at or run.started_at or run.created_at
    silent = now - datetime.fromisoformat(told)
    return f"no sign of life for {silent}" if silent >= (SILENCE if run.seen_at else UNTOLD) else ""
