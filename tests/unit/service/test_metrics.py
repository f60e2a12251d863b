"""Metrics say what the report says, in units and types that Prometheus understands."""

from __future__ import annotations

import stat
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from holdfast.model.health import Finding, Severity
from holdfast.model.report import Level, RepositoryReport, SourceReport, SystemReport
from holdfast.service.metrics import metrics_text, write_textfile


def source(name: str, age: float | None) -> SourceReport:
    return SourceReport(
        source=name, kind="postgres", configured=True, environment="production", tier="critical", level=Level.FRESH,
        evidence=[], loss="", age=age, rpo=3600, rto=None, reach=None, newest=None, newest_at=None, rows=7,
        bytes_source=8, bytes_stored=9, snapshots=3, pinned=1, failed_since=0, last_failure=None, last_failure_at=None,
        next_due_at="2026-11-21T12:00:00+00:00", schedules=[], not_protected=[], days=[],
        findings=[Finding(code="age", severity=Severity.WARNING, source=name, what="old")],
    )  # fmt: skip


def report(*sources: SourceReport) -> SystemReport:
    store = RepositoryReport(
        url="./b", id="1", bytes_stored=10, bytes_free=None, full_at=None, cost=None, currency="USD", checked_at=None
    )
    return SystemReport(
        as_of="2026-11-21T12:00:00+00:00", headline="", level=Level.FRESH, sources=list(sources), repository=store,
        findings=[], scheduler_at=None, warnings=[],
    )  # fmt: skip


def samples(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("source", "") + sample.labels.get("severity", "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_ages_are_gauges_in_seconds_and_runs_are_counters() -> None:
    """As docs/metrics.md has them."""
    text = metrics_text(report(source("shop", 61.5)), {("backup", "shop", "succeeded"): 4})
    found = samples(text)
    assert found["holdfast_source_newest_snapshot_age_seconds", "shop"] == 61.5
    assert found["holdfast_runs_total", "shop"] == 4
    assert found["holdfast_findings", "shopwarning"] == 1
    assert found["holdfast_source_next_run_timestamp_seconds", "shop"] == 1795262400
    types = {family.name: family.type for family in text_string_to_metric_families(text.decode())}
    assert types["holdfast_source_newest_snapshot_age_seconds"] == "gauge"
    assert types["holdfast_runs"] == "counter"


def test_what_is_not_known_has_no_sample_and_is_never_zero() -> None:
    """A source without a snapshot has no age; an alert rule uses absent or the level."""
    found = samples(metrics_text(report(source("shop", None))))
    assert ("holdfast_source_newest_snapshot_age_seconds", "shop") not in found
    assert ("holdfast_repository_free_bytes", "") not in found
    assert found["holdfast_source_level", "shop"] == 1


def test_when_nothing_can_be_seen_nothing_is_claimed() -> None:
    """holdfast_up is 0, and there is no level that an old value could keep green."""
    found = samples(metrics_text(None))
    assert found["holdfast_up", ""] == 0
    assert not any(name.startswith(("holdfast_source", "holdfast_system")) for name, _ in found)


def test_hostile_names_stay_within_their_labels() -> None:
    """Quotes and line ends are escaped."""
    found = samples(metrics_text(report(source('a"} 1\nfake{x="', 5))))
    assert found["holdfast_source_newest_snapshot_age_seconds", 'a"} 1\nfake{x="'] == 5


def test_the_textfile_is_replaced_as_a_whole_and_readable(tmp_path: Path) -> None:
    """node_exporter runs as another user."""
    path = tmp_path / "metrics" / "holdfast.prom"
    write_textfile(path, b"one\n")
    write_textfile(path, b"two\n")
    assert path.read_bytes() == b"two\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["holdfast.prom"]
