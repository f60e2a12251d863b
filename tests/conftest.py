"""Nothing is skipped silently: what could not run is listed at the end as *not proven*, with the reason.

A skip whose reason does not begin with "not proven" is an error of the test run.

Property tests draw the same examples each time; with HOLDFAST_FUZZ=50 only they run, on 50 times as many random ones.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

PREFIX = "not proven"
FUZZ = int(os.environ.get("HOLDFAST_FUZZ", "0"))

# how busy the machine is decides nothing
_STEADY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", parent=_STEADY, derandomize=True)
settings.register_profile("random", parent=_STEADY, derandomize=False, print_blob=True)
settings.load_profile("random" if FUZZ else "same")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """When fuzzing, only tests that draw examples, many more of them."""
    if not FUZZ:
        return
    drawn = [item for item in items if getattr(getattr(item, "obj", None), "is_hypothesis_test", False)]
    config.hook.pytest_deselected(items=[item for item in items if item not in drawn])
    items[:] = drawn
    for test in {id(test): test for item in drawn if (test := _function(item))}.values():
        given = test._hypothesis_internal_use_settings  # the only way to draw more than a test says itself
        more = settings(given, max_examples=given.max_examples * FUZZ)
        test._hypothesis_internal_use_settings = more


def _function(item: pytest.Item) -> Any:
    test = getattr(item, "obj", None)
    return getattr(test, "__func__", test)


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
