"""Nothing is skipped silently: what could not run is listed at the end as *not proven*, with the reason.

A skip whose reason does not begin with "not proven" is an error of the test run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

PREFIX = "not proven"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was not proven, each reason once, with how many tests it stands for."""
    reasons = Counter(_reasons(terminalreporter))
    proven = Counter({reason: count for reason, count in reasons.items() if reason.startswith(PREFIX)})
    terminalreporter.section("not proven", sep="=", yellow=bool(proven))
    for reason, count in sorted(proven.items()):
        terminalreporter.line(f"{reason.removeprefix(PREFIX).lstrip(': ')} ({count} test{'s' * (count > 1)})")
    if not proven:
        terminalreporter.line("nothing: every test ran")
    for reason in sorted(reasons.keys() - proven.keys()):
        terminalreporter.line(f"ERROR: skipped without saying what is not proven: {reason}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A silent skip fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of xdist: the controller reports
        return
    silent = [reason for reason in _reasons(reporter) if not reason.startswith(PREFIX)]
    if silent and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _reasons(reporter: pytest.TerminalReporter) -> Iterator[str]:
    for report in reporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        yield text.removeprefix("Skipped: ")
    for report in reporter.stats.get("xfailed", []):
        yield getattr(report, "wasxfail", "") or "expected to fail, no reason given"
