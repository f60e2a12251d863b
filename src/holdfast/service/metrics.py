"""Metrics in Prometheus' text form, from a report of this moment. Names and types: docs/metrics.md."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from holdfast import __version__
from holdfast.model.health import Severity
from holdfast.model.report import SourceReport, SystemReport

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Runs = Mapping[tuple[str, str, str], int]
"""Runs that ended, by kind, source and status."""

# name, help, value of a source; a source without the value has no sample
_OF_SOURCE = (
    ("newest_snapshot_age_seconds", "Age of the newest complete snapshot.", lambda each: each.age),
    ("reach_seconds", "How far back the oldest complete snapshot lies.", lambda each: each.reach),
    ("rpo_seconds", "How much may be lost, as configured.", lambda each: each.rpo),
    ("rto_seconds", "How long recovery may take, as configured.", lambda each: each.rto),
    ("age_limit_seconds", "The age the newest snapshot may have.", lambda each: each.limit),
    ("level", "Readiness that is proven: 0 unprotected, 1 fresh, 2 intact.", lambda each: int(each.level)),
    ("snapshots", "Living snapshots.", lambda each: each.snapshots),
    ("pinned_snapshots", "Living snapshots that are pinned.", lambda each: each.pinned),
    ("rows", "Rows or documents in the newest complete snapshot.", lambda each: each.rows),
    ("size_bytes", "Size of the data in the newest complete snapshot.", lambda each: each.bytes_source),
    ("stored_bytes", "What the living snapshots brought to the repository.", lambda each: each.bytes_stored),
    ("incomplete_since_newest", "Incomplete snapshots after the newest complete one.", lambda each: each.failed_since),
    ("last_run_failed", "1 when the last run made no snapshot.", lambda each: int(each.last_failure is not None)),
    ("next_run_timestamp_seconds", "When it is backed up next.", lambda each: _instant(each.next_due_at)),
    ("not_protected", "Parts that the newest snapshot says it does not hold.", lambda each: len(each.not_protected)),
)


def metrics_text(report: SystemReport | None, runs: Runs | None = None) -> bytes:
    """One exposition. Without a report (nothing could be seen) ``holdfast_up`` is 0 and nothing else is claimed."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(_families(report, runs or {})))
    return generate_latest(registry)


def write_textfile(path: Path, text: bytes) -> None:
    """For node_exporter's textfile collector: never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class _Fixed:
    """What the registry asks for its families."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _families(report: SystemReport | None, runs: Runs) -> Iterator[Metric]:
    yield InfoMetricFamily("holdfast_build", "The program.", value={"version": __version__})
    yield GaugeMetricFamily("holdfast_up", "1 when the repository could be looked at.", value=int(report is not None))
    counter = CounterMetricFamily(
        "holdfast_runs", "Runs that ended since the process began.", labels=("kind", "source", "status")
    )
    for labels, count in sorted(runs.items()):
        counter.add_metric(labels, count)
    yield counter
    if report is not None:
        yield from _of_sources(report.sources)
        yield from _of_repository(report)
        yield _findings(report)


def _of_sources(sources: Iterable[SourceReport]) -> Iterator[Metric]:
    listed = list(sources)
    for name, text, value in _OF_SOURCE:
        family = GaugeMetricFamily(f"holdfast_source_{name}", text, labels=("source", "environment", "tier"))
        for each in listed:
            if (found := value(each)) is not None:
                family.add_metric((each.source, each.environment, each.tier or ""), float(found))
        yield family


def _of_repository(report: SystemReport) -> Iterator[Metric]:
    repository = report.repository
    values = (
        ("system_level", "The level of the worst configured source.", int(report.level)),
        ("repository_stored_bytes", "What the repository occupies.", repository.bytes_stored),
        ("repository_free_bytes", "What the store still has room for.", repository.bytes_free),
        ("repository_full_timestamp_seconds", "When it is full if it grows on.", _instant(repository.full_at)),
        ("repository_checked_timestamp_seconds", "When its bytes were last read.", _instant(repository.checked_at)),
        ("repository_month_cost", "Price of storing it for a month.", repository.cost),
        ("scheduler_seen_timestamp_seconds", "Last sign of the scheduler.", _instant(report.scheduler_at)),
        ("report_timestamp_seconds", "When these values were true.", _instant(report.as_of)),
    )
    for name, text, value in values:
        if value is not None:
            yield GaugeMetricFamily(f"holdfast_{name}", text, value=float(value))


def _findings(report: SystemReport) -> Metric:
    everything = [*report.findings, *(each for source in report.sources for each in source.findings)]
    counts = Counter((each.source, each.severity.value) for each in everything)
    family = GaugeMetricFamily("holdfast_findings", "Open findings.", labels=("source", "severity"))
    for source in ("", *(each.source for each in report.sources)):
        for severity in Severity:
            family.add_metric((source, severity.value), counts[source, severity.value])
    return family


def _instant(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
