"""What ``serve`` and ``daemon`` share: a service with its scheduler, from the first look to the last run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import click

from holdfast.cli.face import Face
from holdfast.model.errors import HoldfastError, MissingTool, UsageError, WrongKey
from holdfast.wiring.load import Configuration
from holdfast.wiring.units import parse_duration

_GRACE = "60s"


def grace_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--grace``: how long what runs may go on after SIGTERM."""
    return click.option(
        "--grace", metavar="DURATION", default=_GRACE, show_default=True, callback=_duration,
        help="When told to stop: wait so long for what runs, then interrupt it cleanly.",
    )  # fmt: skip


@contextlib.contextmanager
def standing_by(face: Face, configuration: Configuration, grace: timedelta) -> Iterator[Any]:
    """A service whose scheduler runs; in the end it drains.

    A wrong passphrase fails at once; for a store that is away it waits. A terminal that goes away is a wish to stop.
    """
    from holdfast.service.logbook import log_runs
    try:
        from holdfast.service.rounds import Rounds
        from holdfast.service.service import Service
    except ImportError as error:
        raise MissingTool(
            "what runs by itself is not installed", why=str(error), hint="pip install 'holdfast[server]'"
        ) from error
    service = Service(configuration)
    try:
        _try_key(face, service)
        tell_schedules(face, service)
        log_runs(service)
        Rounds(service)
        service.run_scheduler()
        yield service
    finally:
        if left := service.work.busy():
            runs = f"{left} runs go" if left > 1 else "1 run goes"
            face.note(f"stopping: {runs} on for {grace.total_seconds():.0f} s at most")
        _close(face, service, grace)


def _close(face: Face, service: Any, grace: timedelta) -> None:
    """Told to stop again while it waits, it waits no longer: what runs is interrupted, and told as that."""
    try:
        service.close(grace.total_seconds())
    except KeyboardInterrupt:
        face.note("stopping now: what runs is interrupted")
        service.close(0.0)
        raise


def tell_schedules(face: Face, service: Any) -> None:
    """What runs by itself from now on, and what is doubtful about it."""
    from holdfast.planning.schedule_judging import judge
    from holdfast.system import clock
    from holdfast.wiring.policies import policies

    for each in service.schedules():
        upcoming = "paused" if each.next_at is None else f"next {each.next_at:%Y-%m-%d %H:%M} UTC"
        face.note(f"{each.schedule.source or 'repository'} {each.schedule.name}: {each.words}, {upcoming}")
    for policy in policies(service.settings).values():
        for finding in judge(policy, clock.now()):
            face.warning(finding.what)


def _try_key(face: Face, service: Any) -> None:
    try:
        with service.reading() as app:
            app.repository.snapshots()
    except (UsageError, WrongKey):
        raise
    except HoldfastError as error:
        face.loud_note(f"warning: {error.what} ({error.where}); holdfast goes on and tries again", "yellow")


def _duration(_context: click.Context, _parameter: click.Parameter, value: str) -> timedelta:
    return parse_duration(value)
