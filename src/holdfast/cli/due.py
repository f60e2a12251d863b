"""``--if-due``: which sources a backup is for, how old their newest good snapshot is, and what is skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.model.errors import UsageError

if TYPE_CHECKING:
    from holdfast.usecases.due import Dueness
    from holdfast.wiring.build import App

_USUAL = timedelta(hours=24)


def if_due_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of ``backup`` that tell when it is due."""
    due = click.option("--if-due", is_flag=True, help="Only sources whose newest good snapshot is old enough.")
    every = click.option(
        "--every", metavar="DURATION", help="How old that is; the source's own every, else 24h. With --if-due."
    )
    last = click.option(
        "--last", metavar="TIME", help="When another tool last did it, to go on from there. With --if-due."
    )
    return due(every(last(function)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTerms:
    """The options as given."""

    if_due: bool
    every: str | None
    last: str | None

    def told(self, app: App, names: Sequence[str]) -> list[Dueness]:
        """How each source stands; nothing without ``--if-due``."""
        if not self.if_due:
            if self.every or self.last:
                raise UsageError("--every and --last go with --if-due", hint="holdfast backup --if-due --every 24h")
            return []
        from holdfast.system import clock
        from holdfast.usecases.due import dueness

        every = {name: self._interval(app, name) for name in app.sources(tuple(names))}
        return dueness(app.repository.snapshots(), every, clock.now(), instant_of(self.last) if self.last else None)

    def _interval(self, app: App, name: str) -> timedelta:
        from holdfast.wiring.policies import policy_of
        from holdfast.wiring.units import parse_duration

        if self.every:
            return parse_duration(self.every)
        own = [each.every for each in policy_of(app.settings, name).schedules if each.every and not each.only]
        return min(own, default=_USUAL)


def tell_due(face: Face, told: Sequence[Dueness]) -> None:
    """A line for each source: due or skipped, with the age."""
    for each in told:
        every = f"due every {words.seconds(each.every.total_seconds())}"
        if each.age is None:
            face.note(f"{each.source}: due, there is no good snapshot yet")
            continue
        age = f"the newest good snapshot is {words.seconds(each.age.total_seconds())} old, {every}"
        face.note(f"{each.source}: {'due' if each.due else 'skipped'}, {age}")


def due_document(told: Sequence[Dueness]) -> dict[str, Any]:
    """For ``--json``: what was skipped, and how old everything is."""
    if not told:
        return {}
    ages = [
        {
            "source": each.source, "due": each.due, "every_seconds": each.every.total_seconds(),
            "age_seconds": None if each.age is None else each.age.total_seconds(),
        }
        for each in told
    ]  # fmt: skip
    return {"due": ages, "skipped": [each.source for each in told if not each.due]}


def instant_of(text: str) -> datetime:
    """What was typed as a time; without a zone UTC. UsageError when it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time", hint="write 2026-11-20T04:20:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
