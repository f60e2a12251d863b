"""Why backups do not run alone: each cause is named with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.servers.receiver import receiver

from holdfast.journal.sqlite import SqliteJournal
from holdfast.model.errors import UsageError
from holdfast.model.health import Finding, Severity
from holdfast.model.report import Level, RepositoryReport, SystemReport
from holdfast.usecases import doctor_running as running

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _report(*findings: Finding, scheduler_at: str | None = "2026-11-20T11:59:30+00:00") -> SystemReport:
    store = RepositoryReport(
        url="x", id="i", bytes_stored=0, bytes_free=None, full_at=None, cost=None, currency="USD", checked_at=None
    )
    return SystemReport(
        as_of="", headline="", level=Level.FRESH, sources=[], repository=store, findings=list(findings),
        scheduler_at=scheduler_at, warnings=[],
    )  # fmt: skip


def _silent() -> Finding:
    return Finding(code="scheduler-silent", severity=Severity.CRITICAL, source="", what="no sign for 3 h")


def test_cron_never_runs() -> None:
    """Nobody keeps the schedules: a failure with the command; nothing scheduled: a warning; a sign: fine."""
    line = running.scheduler(_report(_silent()), ["shop"], NOW)
    assert (line.level, "systemctl" in line.mend, "shop" in line.what) == ("fail", True, True)
    line = running.scheduler(_report(), [], NOW)
    assert (line.level, "backup --if-due" in line.mend) == ("warn", True)
    line = running.scheduler(_report(), ["shop"], NOW)
    assert (line.level, "30 s ago" in line.what) == ("ok", True)


def _raises() -> str:
    raise UsageError("the environment variable CRON_SECRET is not set")


@pytest.mark.parametrize(
    ("resolve", "usual", "level", "word"),
    [
        (lambda: "a" * 32, True, "ok", "is set"),
        (lambda: f"{'a' * 32} {'b' * 32}", True, "ok", "two are accepted"),
        (lambda: "short", True, "warn", "shorter"),
        (lambda: '"' + "a" * 32 + '"', True, "fail", "401"),
        (lambda: "pa$$word" + "a" * 32, True, "fail", "$"),
        (_raises, True, "ok", "401"),
        (_raises, False, "fail", "not set"),
    ],
)
def test_a_secret_that_does_not_match(resolve: Callable[[], str], usual: bool, level: str, word: str) -> None:
    """What makes callers be refused is named, never the secret."""
    line = running.cron_secret("env:CRON_SECRET", resolve, usual=usual)
    assert (line.level, word in line.what) == (level, True), line
    assert "a" * 20 not in line.what + line.mend


@pytest.mark.parametrize(("status", "level"), [(204, "ok"), (401, "fail"), (405, "warn"), (503, "warn")])
def test_the_server_that_runs_is_asked_whether_it_takes_the_secret(status: int, level: str) -> None:
    """Without doing anything; the secret is not in what is told, and silence is no answer."""
    with receiver() as web:
        web.answers = [status]
        listen = web.url.removeprefix("http://")
        line = running.cron_asked(listen, "a" * 32)
        (got,) = web.requests
    assert line is not None and (line.level, "a" * 20 in line.what + line.mend) == (level, False)
    assert (got.path, got.headers["Authorization"]) == ("/api/cron/backup", f"Bearer {'a' * 32}")
    assert running.cron_asked("127.0.0.1:9", "a" * 32) is None


def test_a_journal_that_keeps_nothing(tmp_path: Path) -> None:
    """Written, read back, dropped."""
    journal = SqliteJournal(tmp_path / "journal.db")
    assert running.journal(journal).level == "ok"
    assert not journal.recall("doctor/")
    journal.close()


def test_findings_of_the_report_are_lines_with_what_mends_them() -> None:
    """What is worth knowing only is none; damage is a failure."""
    found = [
        Finding(code="check-problems", severity=Severity.CRITICAL, source="", what="x", why="y", hint="holdfast check"),
        Finding(code="check-due", severity=Severity.INFO, source="", what="x"),
        Finding(code="clock", severity=Severity.WARNING, source="", what="z"),
    ]
    lines = list(running.health(_report(*found)))
    assert [(each.level, each.mend) for each in lines] == [("fail", "holdfast check"), ("warn", "")]


def test_a_public_store_is_a_failure() -> None:
    """With what anybody could read."""
    line = running.open_to_all("holdfast.json was read")
    assert (line.level, "holdfast.json" in line.what, bool(line.mend)) == ("fail", True, True)
    assert running.open_to_all("").level == "ok"
