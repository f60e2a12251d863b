"""When a schedule is due: its appointments in its own time zone, the nights when clocks change, what was missed."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from holdfast.model.timetable import Schedule

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

SHORTEST = timedelta(minutes=1)
"""No schedule comes more often."""

_SKEW = timedelta(minutes=10)
"""How far clocks of several machines may differ."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED = 1000
"""So many missed appointments are counted; more are "more"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """``due`` is the instant the schedule names, which is what it is called by; ``begin`` has the jitter added."""

    schedule: Schedule
    due: datetime
    begin: datetime


def check_cron(text: str) -> None:
    """ValueError, in words, when this is no cron expression of five fields that ever comes."""
    expression = ALIASES.get(text.strip().lower(), text)
    if text.strip().startswith("@") and expression == text:
        raise ValueError(f"there is no alias {text.strip()!r}; known: {', '.join(ALIASES)}")
    if len(expression.split()) != 5:
        raise ValueError('a cron expression has five fields: minute hour day month weekday, such as "20 4 * * *"')
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        raise ValueError(f"the {field} of the cron expression is none: {text!r}") from error
    except StopIteration as error:
        raise ValueError(f"the cron expression never comes: {text!r}") from error


def check_schedule(schedule: Schedule) -> None:
    """ValueError, in words, when the schedule cannot be kept as written."""
    if (schedule.cron is None) == (schedule.every is None):
        raise ValueError("a schedule has either cron or every")
    if schedule.cron is not None:
        check_cron(schedule.cron)
    if schedule.every is not None and schedule.every < SHORTEST:
        raise ValueError("every must be one minute or more")
    if schedule.jitter and schedule.jitter >= narrowest_gap(schedule):
        raise ValueError("the jitter must be shorter than the time between two appointments")


def appointments(schedule: Schedule, after: datetime) -> Iterator[Appointment]:
    """Every appointment with ``due`` later than ``after``, in order. Appointments of ``every`` count from 1970.

    A time of day that the clocks skip in spring is kept as soon as they have; one that comes twice in autumn is
    kept the first time.
    """
    for due in _instants(schedule, after):
        if due > after:
            yield Appointment(schedule=schedule, due=due, begin=due + delay(schedule, due))


def next_appointment(schedule: Schedule, after: datetime) -> Appointment:
    """The first one later than ``after``."""
    return next(appointments(schedule, after))


def last_appointment(schedule: Schedule, now: datetime) -> Appointment | None:
    """The newest one that has begun by ``now``; None when there never was one."""
    found = None
    for each in appointments(schedule, _well_before(schedule, now)):
        if each.begin > now:
            return found
        found = each
    return found


def previous_due(schedule: Schedule, until: datetime) -> datetime:
    """The newest ``due`` that is not later than ``until``."""
    if schedule.every is not None:
        return _EPOCH + (until - _EPOCH) // schedule.every * schedule.every
    found = _EPOCH
    for each in appointments(schedule, _well_before(replace(schedule, jitter=timedelta(0)), until)):
        if each.due > until:
            return found
        found = each.due
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An appointment to be kept now; ``missed`` earlier ones are not kept any more: what is late is done once."""

    appointment: Appointment
    missed: int = 0


def due_now(schedule: Schedule, kept: datetime | None, now: datetime) -> Due | None:
    """What is to be done at ``now`` when ``kept`` was the last appointment that was seen to; None: nothing yet.

    A schedule that was never kept is due at once. A ``kept`` that has not come yet was written by a clock that was
    wrong, and is not believed.
    """
    last = last_appointment(schedule, now)
    if last is None:
        return None
    if kept is None or not believed(kept, now):
        return Due(appointment=last)
    if last.due <= kept:
        return None
    between = itertools.takewhile(lambda each: each.due < last.due, appointments(schedule, kept))
    return Due(appointment=last, missed=sum(1 for _ in itertools.islice(between, _COUNTED)))


def believed(kept: datetime, now: datetime) -> bool:
    """Whether an appointment can have been kept: it has come, as clocks agree."""
    return kept <= now + _SKEW


def next_begin(schedule: Schedule, kept: datetime | None, now: datetime) -> datetime:
    """When something is to be done next: ``now`` when it is due already."""
    if due_now(schedule, kept, now) is not None:
        return now
    upcoming = appointments(schedule, max(min(kept or now, now + _SKEW), now - schedule.jitter))
    return next(each.begin for each in upcoming if each.begin > now)


def delay(schedule: Schedule, due: datetime) -> timedelta:
    """The jitter of one appointment: always the same for it, spread evenly over all of them."""
    if not schedule.jitter:
        return timedelta(0)
    digest = hashlib.sha256(f"{schedule.key}\n{due.astimezone(UTC).isoformat()}".encode()).digest()
    whole = int(schedule.jitter.total_seconds() * 1000)
    return timedelta(milliseconds=int.from_bytes(digest[:8], "big") % (whole + 1))


def narrowest_gap(schedule: Schedule) -> timedelta:
    """The least time between two of its next appointments."""
    if schedule.every is not None:
        return schedule.every
    some = [each.due for each in itertools.islice(appointments(schedule, datetime(2026, 1, 1, tzinfo=UTC)), 100)]
    return min((later - earlier for earlier, later in itertools.pairwise(some)), default=timedelta(days=366))


def _instants(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if schedule.every is not None:
        count = (after - _EPOCH) // schedule.every
        while True:
            yield _EPOCH + count * schedule.every
            count += 1
    text = (schedule.cron or "").strip()
    local = after.astimezone(_zone(schedule.zone))
    for each in CronSim(ALIASES.get(text.lower(), text), local):
        yield each.astimezone(UTC)


def _well_before(schedule: Schedule, now: datetime) -> datetime:
    """An instant with at least one begun appointment between it and ``now``, if there ever was one."""
    if schedule.every is not None:
        return now - schedule.jitter - 2 * schedule.every
    text = (schedule.cron or "").strip()
    before = (now - schedule.jitter).astimezone(_zone(schedule.zone))
    backwards = CronSim(ALIASES.get(text.lower(), text), before, reverse=True)
    try:
        return next(backwards).astimezone(UTC) - timedelta(seconds=1)
    except StopIteration:
        return now - timedelta(days=366)


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)
