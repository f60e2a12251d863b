"""The report: how every source stands, from snapshots, the journal and the clock at reading time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.model.policy import SourcePolicy
from holdfast.model.report import Evidence, Level, RepositoryReport, SourceReport, SystemReport
from holdfast.model.run import RunError
from holdfast.repository.repository import Repository
from holdfast.usecases.last_failure import LastFailure
from holdfast.usecases.measuring import Occupied
from holdfast.usecases.status import SourceStatus, status_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """``policies`` of the configured sources. ``failures``: last runs that made no snapshot.

    ``occupied``: what was counted in the store, None never. ``per_gb_month``: price of 10^9 bytes for a month.
    """

    policies: Mapping[str, SourcePolicy]
    now: datetime
    failures: Mapping[str, LastFailure] = field(default_factory=dict)
    currency: str = "USD"
    per_gb_month: float | None = None
    occupied: Occupied | None = None
    scheduler_at: str | None = None


def report_of(repository: Repository, request: ReportRequest) -> SystemReport:
    """How things stand at ``request.now``."""
    found = status_of(repository.snapshots(), tuple(request.policies), request.now, request.failures)
    sources = sorted((_source(each, request) for each in found), key=lambda each: (each.level, -(each.age or 0)))
    configured = [each for each in sources if each.configured]
    return SystemReport(
        as_of=request.now.isoformat(),
        headline=_headline(configured),
        level=min((each.level for each in configured), default=Level.UNPROTECTED),
        sources=sources,
        repository=_repository(repository, request),
        findings=[],
        scheduler_at=request.scheduler_at,
        warnings=[],
    )


def _source(status: SourceStatus, request: ReportRequest) -> SourceReport:
    policy = request.policies.get(status.source, SourcePolicy(source=status.source))
    newest, failure = status.newest, status.last_failure
    rpo = policy.rpo.total_seconds() if policy.rpo else None
    fresh = status.age is not None and (rpo is None or 0 <= status.age <= rpo)
    return SourceReport(
        source=status.source, kind=newest.kind if newest else "", configured=status.configured,
        environment=policy.environment, tier=policy.tier, level=Level.FRESH if fresh else Level.UNPROTECTED,
        evidence=[Evidence(level=Level.FRESH, proven=fresh, what="age of the newest complete snapshot")],
        loss=_loss(status), age=status.age, rpo=rpo, rto=policy.rto.total_seconds() if policy.rto else None,
        reach=status.reach, newest=newest.id if newest else None, newest_at=newest.created_at if newest else None,
        rows=newest.rows if newest else None, bytes_source=newest.bytes_source if newest else None, bytes_stored=0,
        snapshots=status.snapshots, pinned=status.pinned, failed_since=status.failed_since,
        last_failure=RunError(code=failure.code, what=failure.what, why=failure.why, hint=failure.hint)
        if failure else None,
        last_failure_at=failure.at if failure else None, next_due_at=None, schedules=[],
        not_protected=list(status.not_protected), days=[], findings=[],
    )  # fmt: skip


def _loss(status: SourceStatus) -> str:
    if status.age is None:
        return f"{status.source}: everything would be lost, there is no complete snapshot"
    return f"{status.source}: changes of the last {status.age:.0f} s would be lost"


def _headline(sources: Sequence[SourceReport]) -> str:
    return sources[0].loss if sources else "no source is configured"


def _repository(repository: Repository, request: ReportRequest) -> RepositoryReport:
    storage, counted = repository.storage, request.occupied
    size = counted.newest.size if counted else sum(each.info.bytes_stored for each in repository.snapshots())
    return RepositoryReport(
        url=storage.url, id=repository.id, bytes_stored=size, bytes_free=storage.free_space(),
        full_at=None, cost=None, currency=request.currency, checked_at=None,
        measured_at=counted.newest.at if counted else None,
    )  # fmt: skip
