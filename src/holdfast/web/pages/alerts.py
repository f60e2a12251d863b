"""Alerts: what is not as it should be, since when, who was told, and how the channels do."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.model.alert import Alert, Delivery
from holdfast.model.health import Severity
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound

router = desk.pages()
_WORST_FIRST = list(Severity)


@router.get("/alerts")
def alerts(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """Open ones, worst first; then those that are over."""
    service = desk.service_of(request)
    kept = [msgspec.json.decode(text, type=Alert) for text in service.journal.recall("alert/").values()]
    seen = [each for each in kept if not each.finding.source or who.may("status:read", each.finding.source)]
    with service.reading() as app:
        report = desk.report(request, app, who)
    found = [*report.findings, *(finding for source in report.sources for finding in source.findings)]
    deliveries = {
        name.removeprefix("delivery/"): msgspec.json.decode(text, type=Delivery)
        for name, text in service.journal.recall("delivery/").items()
    }
    return page(
        request, "alerts.html", who=who, findings=sorted(found, key=lambda each: _WORST_FIRST.index(each.severity)),
        alerts={each.key: each for each in seen}, over=_over(seen), deliveries=deliveries,
        channels=dict(service.settings.alerts.channels or {}), quiet=service.settings.alerts.quiet,
        digest=service.settings.alerts.digest, as_of=report.as_of,
    )  # fmt: skip


@router.post("/alerts/take")
def take(
    request: Request, who: Annotated[Identity, Depends(require("backup:run"))], key: Annotated[str, Form()]
) -> RedirectResponse:  # fmt: skip
    """Say that one takes care of it; it stays open until its cause is gone."""
    journal = desk.service_of(request).journal
    kept = journal.recall(f"alert/{key}").get(f"alert/{key}")
    if kept is None:
        raise NotFound(f"there is no alert {key!r}", hint="holdfast alerts list")
    alert = msgspec.json.decode(kept, type=Alert)
    who.require("backup:run", alert.finding.source)
    alert.acknowledged_by = who.name
    journal.remember(f"alert/{key}", msgspec.json.encode(alert).decode())
    return desk.to("/alerts")


def _over(alerts: list[Alert]) -> list[Alert]:
    return sorted((each for each in alerts if each.cleared_at), key=lambda each: each.cleared_at or "", reverse=True)
