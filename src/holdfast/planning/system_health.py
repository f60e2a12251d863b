"""What is not as it should be with the whole: the scheduler, the store, its room, its clock, secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from holdfast.model.health import Finding, Severity
from holdfast.planning import saying
from holdfast.planning.forecast import Forecast
from holdfast.planning.readiness import REREAD, verdict
from holdfast.planning.standing import TOLERANCE, Reading

SILENT = timedelta(minutes=5)
"""A scheduler that gave no sign for longer is not there."""

LITTLE = 1 << 30
"""Bytes free below which a store is nearly full."""

_ENDS_SOON = timedelta(days=14)
_SOON, _VERY_SOON = timedelta(days=30), timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretAge:
    """A secret, where it stands (no secret itself), since when, and the command that makes a new one.

    ``ends_at``: nothing is let in with it any more from then on.
    """

    name: str
    made_at: datetime
    mend: str
    ends_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Whole:
    """What is known of the whole at ``now``. ``scheduled``: sources with schedules.

    ``written_at``: when the store says its newest log record was written; ``unreadable``: why it cannot be read, "" it
    can. ``largest``: bytes that one backup of late brought, first ones apart. ``beside``: sources on the repository's
    own server or disk, with how. ``public``: who anybody may read, "".
    """

    now: datetime
    scheduled: Sequence[str] = ()
    scheduler_at: datetime | None = None
    free: int | None = None
    largest: int = 0
    growth: Forecast = field(default_factory=lambda: Forecast(None, None))
    written_at: datetime | None = None
    unreadable: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    public: str = ""
    readings: Sequence[Reading] = ()
    secrets: Sequence[SecretAge] = ()
    rotate_after: timedelta = timedelta(days=90)


def system_findings(whole: Whole) -> list[Finding]:
    """Everything the rules find, worst first."""
    found = [finding for rule in _RULES for finding in rule(whole)]
    return sorted(found, key=lambda each: list(Severity).index(each.severity))


def _finding(code: str, severity: Severity, what: str, why: str = "", hint: str = "", source: str = "") -> Finding:
    return Finding(code=code, severity=severity, source=source, what=what, why=why, hint=hint)


def _scheduler(whole: Whole) -> Iterator[Finding]:
    if not whole.scheduled:
        return
    why = f"schedules are written for {', '.join(whole.scheduled[:5])}"
    hint = "holdfast serve, or holdfast daemon, as a service: systemctl status holdfast"
    at = whole.scheduler_at
    if at is None:
        yield _finding("scheduler-silent", Severity.WARNING, "no scheduler ever gave a sign", why, hint)
        return
    quiet = whole.now - at
    if quiet > SILENT:
        what = f"the scheduler gave no sign for {saying.span(quiet.total_seconds())}"
        yield _finding("scheduler-silent", Severity.CRITICAL, what, f"{why}; at most 5 min", hint)
    elif quiet < -TOLERANCE:
        what = f"the scheduler's last sign is {saying.span(-quiet.total_seconds())} in the future: it may be silent"
        yield _finding("scheduler-silent", Severity.WARNING, what, why, "timedatectl set-ntp true")


def _store(whole: Whole) -> Iterator[Finding]:
    if whole.unreadable:
        yield _finding("store-unreadable", Severity.CRITICAL, "the store cannot be read", whole.unreadable,
                       "holdfast doctor")  # fmt: skip
    if whole.written_at is not None and whole.written_at - whole.now > TOLERANCE:
        by = saying.span((whole.written_at - whole.now).total_seconds())
        yield _finding("clock", Severity.WARNING, f"the clock here is at least {by} behind that of the store",
                       "by when the store says its newest log record was written; every age told is too small",
                       "timedatectl set-ntp true")  # fmt: skip


def _space(whole: Whole) -> Iterator[Finding]:
    free, full_at = whole.free, whole.growth.full_at
    pace = "in the last days" if whole.growth.lately else "of late"
    growth = f"it grew by {saying.size(whole.growth.growth)} a day {pace}" if whole.growth.growth else ""
    hint = "give it more room, or: holdfast forget --policy, then holdfast prune"
    if free is not None and free < LITTLE:
        severity = Severity.CRITICAL if free < LITTLE // 4 else Severity.WARNING
        yield _finding("space", severity, f"{saying.size(free)} are free in the store", growth or "below 1 GiB", hint)
    elif free is not None and free < 2 * whole.largest:
        severity = Severity.CRITICAL if free < whole.largest else Severity.WARNING
        yield _finding("space", severity, f"{saying.size(free)} are free in the store: a backup may not fit any more",
                       f"one of the last thirty days brought {saying.size(whole.largest)}", hint)  # fmt: skip
    elif full_at is not None and full_at - whole.now < _SOON:
        left = full_at - whole.now
        severity = Severity.CRITICAL if left < _VERY_SOON else Severity.WARNING
        yield _finding("space", severity, f"the store is full in {saying.span(left.total_seconds())} if it grows on so",
                       f"{saying.size(free or 0)} are free, {growth}", hint)  # fmt: skip


def _beside(whole: Whole) -> Iterator[Finding]:
    for source, how in whole.beside.items():
        yield _finding("apart", Severity.WARNING, f"the repository is kept on {how}: losing it loses both",
                       "by the addresses in the configuration",
                       "a second holdfast.toml with a repository elsewhere", source)  # fmt: skip


def _public(whole: Whole) -> Iterator[Finding]:
    if whole.public:
        yield _finding("public", Severity.CRITICAL, "anybody on the network may read the store", whole.public,
                       "forbid anonymous access to the bucket or container at its provider")  # fmt: skip


def _checks(whole: Whole) -> Iterator[Finding]:
    found = verdict(whole.readings, whole.now)
    hint = "holdfast check --read-data"
    if found.bad is not None:
        ago = saying.span((whole.now - found.bad.at).total_seconds())
        yield _finding("check-problems", Severity.CRITICAL, f"a check {ago} ago found {found.bad.problems} problems",
                       "no later one read everything and found none", f"{hint} names them")  # fmt: skip
    elif found.whole is None:
        yield _finding("check-due", Severity.INFO, "the stored bytes were never all read again", "", hint)
    elif whole.now - found.whole.oldest > REREAD:
        ago = saying.span((whole.now - found.whole.oldest).total_seconds())
        what = f"the stored bytes were last all read again {ago} ago"
        why = f"at most {saying.span(REREAD.total_seconds())}"
        yield _finding("check-due", Severity.WARNING, what, why, hint)


def _secrets(whole: Whole) -> Iterator[Finding]:
    old = [each for each in whole.secrets if whole.now - each.made_at > whole.rotate_after]
    if old:
        oldest = min(old, key=lambda each: each.made_at)
        age = saying.span((whole.now - oldest.made_at).total_seconds())
        more = f", and {len(old) - 1} more" if len(old) > 1 else ""
        yield _finding("secret-old", Severity.INFO, f"{oldest.name} is {age} old{more}",
                       f"a new one every {saying.span(whole.rotate_after.total_seconds())}: [secrets] rotate_after",
                       oldest.mend)  # fmt: skip
    for each in whole.secrets:
        if each.ends_at is not None and each.ends_at - whole.now < min(_ENDS_SOON, (each.ends_at - each.made_at) / 3):
            left = saying.span((each.ends_at - whole.now).total_seconds())
            yield _finding("secret-ends", Severity.WARNING, f"{each.name} ends in {left}",
                           "who comes with it is refused then", each.mend)  # fmt: skip


_RULES: tuple[Callable[[Whole], Iterator[Finding]], ...] = (
    _scheduler, _store, _space, _beside, _public, _checks, _secrets,
)  # fmt: skip
