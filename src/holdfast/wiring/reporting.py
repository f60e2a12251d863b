"""From a configuration, its repository and its journal to the report of how everything stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from holdfast.journal.base import SCHEDULER_ALIVE, Journal, RunQuery
from holdfast.model.errors import HoldfastError
from holdfast.model.health import Finding, Severity
from holdfast.model.policy import SourcePolicy
from holdfast.model.report import SystemReport
from holdfast.model.run import Run
from holdfast.planning.standing import Rhythm
from holdfast.planning.system_health import SecretAge
from holdfast.system import clock
from holdfast.usecases import anomaly, apart, retention, secret_ages
from holdfast.usecases.last_failure import FailureNotes
from holdfast.usecases.measuring import COUNTED_FOR, Occupied, measure, occupied, recent
from holdfast.usecases.report import ReportRequest, report_of
from holdfast.usecases.standings import LOOKED_BACK
from holdfast.wiring.build import App
from holdfast.wiring.policies import policies
from holdfast.wiring.retaining import retention_request
from holdfast.wiring.settings import Settings
from holdfast.wiring.token_ages import token_ages

_RUNS = 500
_MANY, _ONCE_IN = 5000, timedelta(minutes=15)
_CLIENTS = 20
_NOT_SIMPLY_DONE = ("failed", "interrupted", "running")


def system_report(app: App, journal: Journal | None, lost: HoldfastError | None = None) -> SystemReport:
    """How everything stands now. Without a journal, what only a journal knows is told as not known.

    ``lost``: why it could not be opened, which is a finding.
    """
    request = request_of(app, journal)
    if lost is not None:
        request = replace(request, findings=[*request.findings, _unreadable(lost)])
    return report_of(app.repository, request)


def protect_clean(app: App, journal: Journal | None) -> list[str]:
    """After a backup: pin the last clean snapshot of each source with a suspicious one; ids of those pinned now.

    What the store holds is counted too, when that is some minutes ago.
    """
    recent(app.repository, app.places.cache, COUNTED_FOR, app.configuration.around.environ)
    return anomaly.protect_clean(app.repository, request_of(app, journal), journal)


def measure_store(app: App) -> Occupied:
    """Count what the store holds, and try whether anybody may read it; lists the whole store."""
    return measure(app.repository, app.places.cache, app.configuration.around.environ)


def request_of(app: App, journal: Journal | None) -> ReportRequest:
    """What the report is made of, beside the repository."""
    settings, now = app.settings, clock.now()
    failures = FailureNotes(app.places.state, settings.repository.url).of(settings.sources)
    given, told = policies(settings), _told(journal, settings.sources, now)
    urls = {name: each.url for name, each in settings.sources.items()}
    return ReportRequest(
        policies=given,
        now=now,
        failures=failures,
        currency=settings.cost.currency if settings.cost else "USD",
        per_gb_month=settings.cost.per_gb_month if settings.cost else None,
        occupied=occupied(app.repository, app.places.cache),
        scheduler_at=told.scheduler_at,
        runs=told.runs,
        rhythms=_rhythms(given, now),
        beside=apart.same_server(settings.repository.url, urls),
        on_disk=apart.same_disk(settings.repository.url, urls),
        on_machine=apart.same_machine(settings.repository.url, urls),
        databases=apart.databases_beside(urls),
        secrets=list(secret_ages_of(app, journal)),
        rotate_after=settings.secrets.rotate_after,
        findings=[*told.findings, *(_held(app, now) if any(each.keep for each in given.values()) else ())],
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What was found for settings at an instant, when the log had so many records."""

    of: Settings
    number: int
    hour: datetime
    at: datetime
    findings: list[Finding]


_KNOWN_HELD: dict[tuple[str, Path], _Held] = {}


def _held(app: App, now: datetime) -> list[Finding]:
    """What retention would drop, but for a person who has to agree first.

    Planning looks at every snapshot several times: it is done again when the log grew, or the hour is another; where
    snapshots are many, once in a while. Every client of one configuration in this process shares what was found.
    """
    key = (app.repository.id, app.places.state)
    number, hour = app.repository.log.state.number, now.replace(minute=0, second=0, microsecond=0)
    known = _KNOWN_HELD.get(key)
    if known is not None and known.of is app.settings:
        many = len(app.repository.log.state.snapshots) > _MANY
        lately = timedelta(0) <= now - known.at < _ONCE_IN
        if (known.number, known.hour) == (number, hour) or (many and lately):
            return known.findings
    found = _Held(app.settings, number, hour, now, _planned(app, now))
    if len(_KNOWN_HELD) >= _CLIENTS:
        _KNOWN_HELD.clear()
    _KNOWN_HELD[key] = found
    return found.findings


def _planned(app: App, now: datetime) -> list[Finding]:
    try:
        return retention.findings(retention.plan(app.repository, retention_request(app.settings, now)))
    except HoldfastError as error:
        return [
            Finding(code="retention", severity=Severity.WARNING, source="", what=f"no rules are followed: {error.what}",
                    why=error.why, hint=error.hint or "holdfast forget --policy --dry-run")
        ]  # fmt: skip


def secret_ages_of(app: App, journal: Journal | None) -> Iterator[SecretAge]:
    """Secrets of which is known when they were made."""
    settings = app.settings
    references = {"CRON_SECRET": settings.serve.cron_secret, "the password of the repository's server":
                  settings.repository.password}  # fmt: skip
    references |= {f"the password of {name}": each.password for name, each in settings.sources.items()}
    found = {name: secret_file_of(app, reference or "") for name, reference in references.items()}
    standing_in = {name: path for name, path in found.items() if path is not None}
    yield from secret_ages.ages(app.repository.keys(), standing_in, journal)
    yield from token_ages(app.configuration)


def secret_file_of(app: App, reference: str) -> Path | None:
    """The file a reference names; None when it names something else."""
    form, _, rest = reference.partition(":")
    if form != "file":
        return None
    home = app.configuration.around.home
    return app.configuration.base / (str(home) + rest[1:] if rest.startswith("~/") else rest)


@dataclass(slots=True)
class _Told:
    """What the journal says."""

    scheduler_at: str | None = None
    runs: list[Run] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def _told(journal: Journal | None, sources: Iterable[str], now: datetime) -> _Told:
    """Nothing but a finding, when it cannot be read."""
    if journal is None:
        return _Told()
    try:
        return _Told(
            scheduler_at=journal.recall(SCHEDULER_ALIVE).get(SCHEDULER_ALIVE), runs=_runs(journal, sources, now)
        )
    except HoldfastError as error:
        return _Told(findings=[_unreadable(error)])


def _unreadable(error: HoldfastError) -> Finding:
    return Finding(
        code="journal", severity=Severity.WARNING, source="", what=f"the journal cannot be read: {error.what}",
        why=error.why, hint=error.hint or "holdfast doctor",
    )  # fmt: skip


def _runs(journal: Journal, sources: Iterable[str], now: datetime) -> list[Run]:
    """The newest of the last month; where they are many, of each source: one that always fails hides no other."""
    since = clock.stamp(now - LOOKED_BACK)
    query = RunQuery(kinds=("backup",), statuses=_NOT_SIMPLY_DONE, since=since, limit=_RUNS)
    page = journal.runs(query)
    if page.next is None:
        return list(page.runs)
    found = {run.id: run for name in sources for run in journal.runs(replace(query, sources=(name,))).runs}
    return list(found.values())


def _rhythms(given: Mapping[str, SourcePolicy], now: datetime) -> dict[str, Rhythm]:
    return dict(_each_rhythm(given, now)) if any(each.schedules for each in given.values()) else {}


def _each_rhythm(given: Mapping[str, SourcePolicy], now: datetime) -> Iterator[tuple[str, Rhythm]]:
    from holdfast.planning.rhythm import rhythm_of  # what reads cron expressions is loaded where there are some

    for name, policy in given.items():
        yield name, rhythm_of(policy.schedules, now)
