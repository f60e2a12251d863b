"""The sections of holdfast.toml beside the repository, the sources and the entities: what runs by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import time, timedelta

from holdfast.model.keeping import ENTITIES, FOR_EVER, PARTIALS, TRIGGERS, KeepRules
from holdfast.model.timetable import Schedule
from holdfast.wiring import checks
from holdfast.wiring.checks import Place, Problem, checked

TIERS = ("critical", "important", "supporting")
SCOPES = (
    "status:read", "backup:run", "snapshot:read", "data:read", "restore:new-place", "restore:in-place", "delete",
    "config", "keys", "audit:read",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Keep:
    last: int | None = checked(checks.count, None)
    within: timedelta | None = checked(checks.duration, None)
    hourly: int | None = checked(checks.count, None)
    daily: int | None = checked(checks.count, None)
    weekly: int | None = checked(checks.count, None)
    monthly: int | None = checked(checks.count, None)
    yearly: int | None = checked(checks.count, None)


def keep(place: Place, value: object, problems: list[Problem]) -> KeepRules:
    """``{ daily = 30, weekly = 12 }``."""
    before = len(problems)
    values = checks.table(place, value, _Keep, problems)
    return KeepRules(**values) if len(problems) == before else KeepRules()


def triggers(place: Place, value: object, problems: list[Problem]) -> tuple[str, ...]:
    """``["schedule", "last:manual"]``: why snapshots were taken, each alone or behind the rule it counts for."""
    before = len(problems)
    found: tuple[str, ...] = checks.texts(place, value, problems)
    for number, each in enumerate(found if len(problems) == before else ()):
        rule, colon, trigger = each.rpartition(":")
        if colon and rule not in _RULES:
            problems.append(Problem((*place, str(number)), f": there is no rule {rule!r}; known: {', '.join(_RULES)}"))
        elif trigger not in TRIGGERS:
            words = f": there is no trigger {trigger!r}; known: {', '.join(TRIGGERS)}"
            problems.append(Problem((*place, str(number)), words))
    return found


_RULES = tuple(each.name for each in fields(_Keep))


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """One of ``cron`` and ``every``. ``only``, ``pin`` and ``label`` are as those of ``holdfast backup``."""

    name: str | None = checked(checks.text, None)
    cron: str | None = checked(checks.text, None)
    every: timedelta | None = checked(checks.duration, None)
    timezone: str | None = checked(checks.zone, None)
    jitter: timedelta = checked(checks.duration, timedelta(0))
    only: tuple[str, ...] = checked(checks.texts, ())
    pin: bool = checked(checks.flag, False)  # noqa: FBT003 - the default of the field
    label: str | None = checked(checks.text, None)


def schedules(place: Place, value: object, problems: list[Problem]) -> tuple[ScheduleSettings, ...]:
    """``[{ cron = "20 4 * * *" }, { name = "often", every = "1h" }]``, each to be kept, under its own name."""
    before = len(problems)
    found: tuple[ScheduleSettings, ...] = checks.each_of(checks.of_shape(ScheduleSettings))(place, value, problems)
    if len(problems) > before:
        return ()
    names = [each.name or str(number) for number, each in enumerate(found, 1)]
    for number, (each, name) in enumerate(zip(found, names, strict=True)):
        here = (*place, str(number))
        if names.index(name) < number:
            problems.append(Problem((*here, "name"), f": another schedule is called {name} too"))
        try:
            _keepable(each)
        except ValueError as error:
            problems.append(Problem((*here, *(("cron",) if each.cron else ())), f": {error}"))
    return found


def _keepable(each: ScheduleSettings) -> None:
    """ValueError when its appointments make no sense."""
    from holdfast.planning.timetable import check_schedule  # short commands mostly have none to check

    zone = each.timezone or "UTC"
    check_schedule(Schedule(source="", name="", cron=each.cron, every=each.every, zone=zone, jitter=each.jitter))


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """What is asked of a source. ``max_age``: of its newest good snapshot; None: its tier's RPO, or its schedule's.

    ``min_count`` snapshots kept; ``min_size`` of the data; ``min_rows``; ``max_row_drop`` and ``max_size_change`` in
    percent against its own baseline; ``reach``: how far back retention must reach; ``reread``: how long stored bytes
    that were read again count as intact.
    """

    max_age: timedelta | None = checked(checks.duration, None)
    min_count: int | None = checked(checks.count, None)
    min_size: int | None = checked(checks.size, None)
    min_rows: int | None = checked(checks.count, None)
    max_row_drop: float | None = checked(checks.number, None)
    max_size_change: float | None = checked(checks.number, None)
    reach: timedelta | None = checked(checks.duration, None)
    reread: timedelta | None = checked(checks.duration, None)


@dataclass(frozen=True, kw_only=True)
class TierSettings:
    """How much may be lost (``rpo``) and how long recovery may take (``rto``), with defaults for its sources."""

    rpo: timedelta | None = checked(checks.duration, None)
    rto: timedelta | None = checked(checks.duration, None)
    keep: KeepRules | None = checked(keep, None)
    schedules: tuple[ScheduleSettings, ...] = checked(schedules, ())
    health: HealthSettings | None = checked(checks.of_shape(HealthSettings), None)


@dataclass(frozen=True, kw_only=True)
class DefaultSettings:
    """For every source that does not say otherwise. ``keep_triggers`` empty: every trigger counts.

    ``keep_labels``: names of snapshots (shell patterns) that keep them for ever. ``keep_entities`` and
    ``keep_partials``: how long snapshots of entities, and of other parts of a source, are kept (docs/retention.md).
    """

    environment: str = checked(checks.text, "production")
    timezone: str = checked(checks.zone, "UTC")
    tier: str | None = checked(checks.one_of(*TIERS), None)
    keep: KeepRules | None = checked(keep, None)
    keep_triggers: tuple[str, ...] = checked(triggers, ())
    keep_labels: tuple[str, ...] = checked(checks.texts, FOR_EVER)
    keep_entities: timedelta = checked(checks.duration, ENTITIES)
    keep_partials: timedelta = checked(checks.duration, PARTIALS)
    schedules: tuple[ScheduleSettings, ...] = checked(schedules, ())
    health: HealthSettings | None = checked(checks.of_shape(HealthSettings), None)


@dataclass(frozen=True, kw_only=True)
class RunningSettings:
    """``[running]``: how work is done. ``bandwidth`` bytes a second to the store; ``retries`` of a failed run.

    ``check_every`` and ``prune_every``: the repository's own care, None never. ``undelete``: how long what was
    forgotten can be brought back before prune frees it. ``hold_count``, ``hold_percent``: a change of the rules that
    drops more of a source at once than either waits for a person.
    """

    concurrency: int = checked(checks.count, 1)
    bandwidth: int | None = checked(checks.size, None)
    retries: int = checked(checks.count, 5)
    check_every: timedelta | None = checked(checks.duration, timedelta(days=7))
    prune_every: timedelta | None = checked(checks.duration, timedelta(days=1))
    undelete: timedelta = checked(checks.duration, timedelta(days=14))
    hold_count: int = checked(checks.count, 5)
    hold_percent: float = checked(checks.number, 20.0)


@dataclass(frozen=True, kw_only=True)
class JournalSettings:
    """``url``: ``sqlite:PATH`` or ``postgresql://…``; None: a file in the state folder.

    ``keep_log``: how long lines of logs are kept, ``keep_runs`` how long runs are.
    """

    url: str | None = checked(checks.text, None)
    password: str | None = checked(checks.reference, None)
    keep_log: timedelta = checked(checks.duration, timedelta(days=90))
    keep_runs: timedelta = checked(checks.duration, timedelta(days=1095))


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """``[audit]``. ``required``: what cannot be noted in the trail is refused, else it is told with a warning."""

    required: bool = checked(checks.flag, False)  # noqa: FBT003 - the default of the field


@dataclass(frozen=True, kw_only=True)
class AliasSettings:
    """An old path that answers as ``/api/cron/backup`` or ``/api/backups`` do, with its own names for counts.

    ``answer`` is the shape: "cron" (A4) or "manual" (C5). ``counts``: JSON name to table, ``{featuredEntryCount =
    "public.featured"}``.
    """

    path: str = checked(checks.text)
    answer: str = checked(checks.one_of("cron", "manual"), "cron")
    sources: tuple[str, ...] = checked(checks.texts, ())
    counts: Mapping[str, str] = checked(checks.by_name(checks.text), None)


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """``[serve]``. ``second_person``: scopes whose acts need another person's consent. ``public_url`` in alerts.

    ``trusted_proxies``: addresses whose X-Forwarded-For and X-Forwarded-Proto are believed. ``restore_to``: folders,
    and database URLs with ``*``, into which restores may be asked for over HTTP.
    """

    listen: str = checked(checks.text, "127.0.0.1:8470")
    public_url: str | None = checked(checks.text, None)
    cron_secret: str | None = checked(checks.reference, "env:CRON_SECRET")
    refresh: timedelta = checked(checks.duration, timedelta(minutes=5))
    trusted_proxies: tuple[str, ...] = checked(checks.texts, ())
    restore_to: tuple[str, ...] = checked(checks.texts, ())
    second_person: tuple[str, ...] = checked(
        checks.each_of(checks.one_of("restore:in-place", "delete", "retention")), ()
    )
    aliases: tuple[AliasSettings, ...] = checked(checks.each_of(checks.of_shape(AliasSettings)), ())


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """``[alerts.channels.NAME]``: an Apprise URL, or a webhook of our own with ``secret`` to sign with."""

    url: str = checked(checks.reference)
    kind: str = checked(checks.one_of("apprise", "webhook"), "apprise")
    secret: str | None = checked(checks.reference, None)
    severity: str = checked(checks.one_of("critical", "warning", "info"), "warning")
    sources: tuple[str, ...] = checked(checks.texts, ())


def quiet(place: Place, value: object, problems: list[Problem]) -> object:
    """``22:00-07:00``."""
    try:
        begin, end = str(value).split("-")
        time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
    except ValueError:
        problems.append(Problem(place, f": {value!r} are no quiet hours; write 22:00-07:00"))
    return value


def cron(place: Place, value: object, problems: list[Problem]) -> object:
    """A cron expression that comes at some time."""
    from holdfast.planning.timetable import check_cron  # short commands mostly have none to check

    try:
        check_cron(str(value))
    except ValueError as error:
        problems.append(Problem(place, f": {error}"))
    return value


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """``[alerts]``. ``quiet`` "22:00-07:00": only critical ones then. ``ping``: URL told after each good round."""

    channels: Mapping[str, ChannelSettings] = checked(checks.by_name(checks.of_shape(ChannelSettings)), None)
    quiet: str | None = checked(quiet, None)
    digest: str | None = checked(cron, "0 8 * * 1")
    ping: str | None = checked(checks.reference, None)
    sentry: str | None = checked(checks.reference, None)
    textfile: str | None = checked(checks.text, None)


@dataclass(frozen=True, kw_only=True)
class CostSettings:
    """``[cost]``: what a GB-month of storage costs, in ``currency``."""

    per_gb_month: float = checked(checks.number)
    currency: str = checked(checks.text, "USD")


@dataclass(frozen=True, kw_only=True)
class SecretSettings:
    """``[secrets]``: after how long a reminder to rotate comes."""

    rotate_after: timedelta = checked(checks.duration, timedelta(days=90))
