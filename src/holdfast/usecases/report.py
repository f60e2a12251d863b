"""The report: how every source stands, from snapshots, proofs, the journal and the clock at reading time.

It is worked out anew at each look, so nothing can stay green by having been green. It reads the log that is in memory,
a few small objects and notes; it never lists the store and asks no source.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from holdfast.model.errors import HoldfastError
from holdfast.model.health import Finding, Severity
from holdfast.model.policy import SourcePolicy
from holdfast.model.report import Level, RepositoryReport, SourceReport, SystemReport
from holdfast.model.run import Run
from holdfast.planning.forecast import LOOKED_BACK, Forecast, brought, forecast
from holdfast.planning.readiness import verdict
from holdfast.planning.standing import Reading, Rhythm, Standing, instant
from holdfast.planning.system_health import SecretAge, Whole, system_findings
from holdfast.repository.accepted import read_accepted
from holdfast.repository.layout import log_path
from holdfast.repository.proofs import proofs
from holdfast.repository.repository import Repository
from holdfast.system import clock
from holdfast.usecases.last_failure import LastFailure
from holdfast.usecases.measuring import Occupied
from holdfast.usecases.source_report import headline, source_report
from holdfast.usecases.standings import Known, standings

_GB = 1e9
_WORST = [*Severity, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """``policies`` of the configured sources. ``failures``: last runs of this client that made no snapshot.

    ``occupied``: what was counted in the store, None never. ``per_gb_month``: price of 10^9 bytes for a month.
    ``runs``, ``rhythms``: see Known. ``beside``: sources on the repository's own server, with how;
    ``on_disk``, ``on_machine``: sources on its own disk, or served by its own machine; ``databases`` by source: those
    on its server that some source names. ``findings``: what was found by whoever gathered this.
    """

    policies: Mapping[str, SourcePolicy]
    now: datetime
    failures: Mapping[str, LastFailure] = field(default_factory=dict)
    currency: str = "USD"
    per_gb_month: float | None = None
    occupied: Occupied | None = None
    scheduler_at: str | None = None
    runs: Sequence[Run] = ()
    rhythms: Mapping[str, Rhythm] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    on_disk: Sequence[str] = ()
    on_machine: Sequence[str] = ()
    databases: Mapping[str, frozenset[str]] = field(default_factory=dict)
    secrets: Sequence[SecretAge] = ()
    rotate_after: timedelta = timedelta(days=90)
    findings: Sequence[Finding] = ()
    warnings: Sequence[str] = ()


def standings_of(repository: Repository, request: ReportRequest) -> list[Standing]:
    """What every source is judged by."""
    known = Known(
        policies=request.policies, now=request.now, failures=request.failures, runs=request.runs,
        rhythms=request.rhythms, accepted=_accepted(repository), beside=request.databases,
    )  # fmt: skip
    return standings(repository, known)


def _accepted(repository: Repository) -> frozenset[str]:
    """What cannot be read was not said."""
    try:
        return read_accepted(repository)
    except HoldfastError:
        return frozenset()


def report_of(repository: Repository, request: ReportRequest) -> SystemReport:
    """How things stand at ``request.now``."""
    readings, unreadable = _readings(repository)
    looked = [] if unreadable else list(_trail(repository))
    found = standings_of(repository, request)
    growth = _growth(found, request, free := repository.storage.free_space())
    whole = replace(_whole(repository, request, readings, growth, free, unreadable), largest=_largest(found, request))
    price = request.per_gb_month / _GB if request.per_gb_month is not None else None
    sources = [source_report(each, readings, price) for each in found]
    sources.sort(key=_worst_first)
    configured = [each for each in sources if each.configured]
    return SystemReport(
        as_of=clock.stamp(request.now),
        headline=headline(configured),
        level=min((each.level for each in configured), default=Level.UNPROTECTED),
        sources=sources,
        repository=_repository(repository, request, whole, sum(each.bytes_stored for each in sources)),
        findings=[*request.findings, *system_findings(whole), *looked, *_same_disk(request)],
        scheduler_at=request.scheduler_at,
        warnings=list(request.warnings),
    )


def all_findings(report: SystemReport) -> Iterator[Finding]:
    """Those of the whole, then those of each source."""
    yield from report.findings
    for each in report.sources:
        yield from each.findings


def has_problems(report: SystemReport) -> bool:
    """Whether somebody has to do something: any finding above INFO."""
    return any(each.severity is not Severity.INFO for each in all_findings(report))


def _worst_first(each: SourceReport) -> tuple[bool, int, int, float]:
    worst = min((_WORST.index(finding.severity) for finding in each.findings), default=len(_WORST))
    return (not each.configured, each.level, worst, -(each.age or 0.0))


def _readings(repository: Repository) -> tuple[list[Reading], str]:
    """What checks proved, and why the store cannot be read ("" it can)."""
    try:
        found = [
            Reading(
                at=instant(each.proof.at), share=each.proof.share, problems=each.proof.problems,
                committed=each.proof.number, since=instant(each.proof.since) if each.proof.since else None,
                stored=datetime.fromtimestamp(each.stored, UTC),
            )
            for each in proofs(repository.vault)
        ]  # fmt: skip
    except HoldfastError as error:
        return [], ": ".join(filter(None, (error.what, error.why)))
    return found, ""


def _whole(
    repository: Repository, request: ReportRequest, readings: Sequence[Reading], growth: Forecast,
    free: int | None, unreadable: str,
) -> Whole:  # fmt: skip
    written = None
    with contextlib.suppress(HoldfastError):
        stat = repository.storage.stat(log_path(repository.log.state.number))
        written = datetime.fromtimestamp(stat.modified, UTC)
    return Whole(
        now=request.now,
        scheduled=[name for name, each in request.policies.items() if each.schedules],
        scheduler_at=instant(request.scheduler_at) if request.scheduler_at else None,
        free=free, growth=growth, written_at=written, unreadable=unreadable, beside=request.beside,
        public=request.occupied.public if request.occupied else "", readings=readings, secrets=request.secrets,
        rotate_after=request.rotate_after,
    )  # fmt: skip


def _growth(found: Sequence[Standing], request: ReportRequest, free: int | None) -> Forecast:
    """From what was counted in the store, else from what the snapshots brought."""
    counted = [(instant(each.at), each.size) for each in request.occupied.counts] if request.occupied else []
    told = forecast(counted, free, request.now)
    if told.growth is not None:
        return told
    since = clock.stamp(request.now - LOOKED_BACK)
    recent = (info for each in found for info in each.snapshots if info.created_at >= since)
    return forecast(brought((instant(info.created_at), info.bytes_stored) for info in recent), free, request.now)


def _largest(found: Sequence[Standing], request: ReportRequest) -> int:
    """What one backup brought to the store in the last thirty days; the first of a source says nothing of the next."""
    since = clock.stamp(request.now - LOOKED_BACK)
    later = (info for each in found for info in each.snapshots[:-1] if info.created_at >= since)
    return max((info.bytes_stored for info in later), default=0)


def _repository(
    repository: Repository, request: ReportRequest, whole: Whole, brought_in: int
) -> RepositoryReport:
    """``brought_in`` bytes stand for the size of a store that was never counted."""
    counted, price = request.occupied, request.per_gb_month
    size = counted.newest.size if counted else brought_in
    read = verdict(whole.readings, whole.now).whole
    full_at = whole.growth.full_at
    return RepositoryReport(
        url=repository.storage.url, id=repository.id, bytes_stored=size, bytes_free=whole.free,
        full_at=full_at.isoformat() if full_at else None, cost=size * price / _GB if price is not None else None,
        currency=request.currency, checked_at=read.oldest.isoformat() if read else None,
        measured_at=counted.newest.at if counted else None, growth=whole.growth.growth,
    )  # fmt: skip


def _trail(repository: Repository) -> Iterator[Finding]:
    """What this client knows of the audit trail against what stands there; a check verifies all of it."""
    trail = repository.trail
    seen, replaced = trail.remembered(), trail.witnesses()
    gone = seen.number and not trail.has(seen.number)
    if gone or replaced:
        number = seen.number if gone else replaced[0].number
        what = f"entry {number} of the audit trail, which this client knew, is {'missing' if gone else 'another now'}"
        yield Finding(
            code="audit-cut", severity=Severity.CRITICAL, source="", what=what,
            why="somebody who may delete in the store took entries away", hint="holdfast audit verify; compare with a"
            f" copy of the repository. When it is understood: rm {trail.memory}",
        )  # fmt: skip


def _same_disk(request: ReportRequest) -> Iterator[Finding]:
    if request.on_disk:
        named = ", ".join(request.on_disk[:5])
        yield Finding(
            code="same-disk", severity=Severity.INFO, source="",
            what=f"the repository lies on the disk of {named}: losing it loses both",
            why="by the device both paths are on", hint="a repository on another machine, or a copy of this one there",
        )  # fmt: skip
    if request.on_machine:
        named = ", ".join(request.on_machine[:5])
        yield Finding(
            code="same-machine", severity=Severity.INFO, source="",
            what=f"the repository lies on the machine that serves {named}: losing it loses both",
            why="by the addresses in the configuration",
            hint="a repository on another machine, or a copy of this one there",
        )  # fmt: skip
