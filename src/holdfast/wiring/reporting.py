"""From a configuration, its repository and its journal to the report of how everything stands."""

from __future__ import annotations

from holdfast.journal.base import SCHEDULER_ALIVE, Journal
from holdfast.model.report import SystemReport
from holdfast.system import clock
from holdfast.usecases.last_failure import FailureNotes
from holdfast.usecases.measuring import occupied
from holdfast.usecases.report import ReportRequest, report_of
from holdfast.wiring.build import App
from holdfast.wiring.policies import policies


def system_report(app: App, journal: Journal | None) -> SystemReport:
    """How everything stands now. Without a journal, what only a journal knows is told as not known."""
    return report_of(app.repository, request_of(app, journal))


def request_of(app: App, journal: Journal | None) -> ReportRequest:
    """What the report is made of, beside the repository."""
    settings = app.settings
    failures = FailureNotes(app.places.state, settings.repository.url).of(settings.sources)
    return ReportRequest(
        policies=policies(settings),
        now=clock.now(),
        failures=failures,
        currency=settings.cost.currency if settings.cost else "USD",
        per_gb_month=settings.cost.per_gb_month if settings.cost else None,
        occupied=occupied(app.repository, app.places.cache),
        scheduler_at=journal.recall(SCHEDULER_ALIVE).get(SCHEDULER_ALIVE) if journal else None,
    )
