"""One source of the report, with the sentence a person wants first."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.model.health import Finding, Severity
from holdfast.model.report import Level, Recent, SourceReport
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names, saying
from holdfast.planning.days import days_of
from holdfast.planning.health import findings_of
from holdfast.planning.readiness import readiness_of
from holdfast.planning.standing import Reading, Standing, instant

_RECENT = 7
_EVERYTHING = "everything: there is no complete snapshot"


def source_report(standing: Standing, readings: Sequence[Reading], price: float | None) -> SourceReport:
    """How one source stands; ``price`` of a byte for a month."""
    findings = findings_of(standing)
    ready = readiness_of(standing, findings, readings)
    policy, newest, rhythm, failure = standing.policy, standing.newest, standing.rhythm, standing.failure
    if failure is not None and newest is not None and failure.at < instant(newest.created_at):
        failure = None
    stored = sum(info.bytes_stored for info in standing.snapshots)
    since = standing.snapshots[: standing.snapshots.index(newest)] if newest else standing.snapshots
    limit, says = standing.limit
    return SourceReport(
        source=policy.source, kind=_kind(standing), configured=standing.configured, environment=policy.environment,
        tier=policy.tier, level=ready.level, evidence=ready.evidence, loss=_loss(standing, findings),
        age=standing.age.total_seconds() if standing.age is not None else None,
        rpo=policy.rpo.total_seconds() if policy.rpo else None,
        rto=policy.rto.total_seconds() if policy.rto else None,
        reach=(standing.now - instant(standing.good[-1].created_at)).total_seconds() if newest else None,
        newest=newest.id if newest else None, newest_at=newest.created_at if newest else None,
        rows=newest.rows if newest else None, bytes_source=newest.bytes_source if newest else None,
        bytes_stored=stored, snapshots=len(standing.snapshots), pinned=standing.pinned,
        failed_since=sum(info.status != "complete" for info in since),
        last_failure=failure.error if failure else None,
        last_failure_at=failure.at.isoformat() if failure else None,
        next_due_at=rhythm.next.isoformat() if rhythm.next else None, schedules=list(rhythm.words),
        not_protected=list(newest.not_protected) if newest else [_EVERYTHING],
        days=days_of(standing), findings=findings, limit=limit.total_seconds(), limit_from=says,
        proven_at=ready.proven_at.isoformat() if ready.proven_at else None,
        recent=[_recent(info) for info in standing.snapshots[:_RECENT]],
        cost=stored * price if price is not None else None,
    )  # fmt: skip


def headline(sources: Sequence[SourceReport]) -> str:
    """One honest sentence about the worst source, and how many have problems."""
    if not sources:
        return "no source is configured: nothing is protected"
    worst = sources[0]
    troubled = sum(any(each.severity is not Severity.INFO for each in one.findings) for one in sources)
    rest = f" {troubled} of {len(sources)} sources need attention." if troubled else ""
    return f"{worst.loss}; {_proven(worst)}.{rest}"


def _proven(source: SourceReport) -> str:
    if source.level >= Level.INTACT:
        return "its stored bytes were read again and are intact, that a restore works is not proven"
    return "that it can be restored is not proven"


def _loss(standing: Standing, findings: Sequence[Finding]) -> str:
    age, name = standing.age, standing.source
    if age is None:
        return f"{name}: everything would be lost, there is no complete snapshot"
    if age.total_seconds() < 0:
        return f"{name}: what would be lost is not known, the newest snapshot is stamped in the future"
    told = f"{name}: changes of the last {saying.span(age.total_seconds())} would be lost"
    doubt = next((each for each in findings if each.severity is Severity.CRITICAL and each.code != "age"), None)
    return f"{told}, and perhaps more: {doubt.what}" if doubt else told


def _kind(standing: Standing) -> str:
    return standing.snapshots[0].kind if standing.snapshots else ""


def _recent(info: SnapshotInfo) -> Recent:
    return Recent(
        id=info.id, created_at=info.created_at, good=names.is_good(info), rows=info.rows,
        bytes_source=info.bytes_source, bytes_stored=info.bytes_stored,
    )  # fmt: skip
