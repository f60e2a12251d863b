"""Alerts: what is not as it should be, since when, who was told, and how the channels do."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.model.alert import Alert, Delivery
from holdfast.model.health import Severity
from holdfast.service.alert_book import AlertBook
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound

router = desk.pages()
_WORST_FIRST = list(Severity)
_SHOWN = 60


@router.get("/alerts")
def alerts(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """Open ones, worst first; then those that are over."""
    service = desk.service_of(request)
    seen = sight.alerts(
        who, [msgspec.json.decode(text, type=Alert) for text in service.journal.recall("alert/").values()]
    )
    with service.reading() as app:
        report = desk.report(request, app, who)
    found = [*report.findings, *(finding for source in report.sources for finding in source.findings)]
    deliveries = {
        name.removeprefix("delivery/"): msgspec.json.decode(text, type=Delivery)
        for name, text in service.journal.recall("delivery/").items()
        if not who.sources  # channels tell of every source
    }
    channels = {} if who.sources else dict(service.settings.alerts.channels or {})
    return page(
        request, "alerts.html", who=who, findings=sorted(found, key=lambda each: _WORST_FIRST.index(each.severity)),
        alerts={each.key: each for each in seen}, over=_over(seen), deliveries=deliveries,
        channels=channels, quiet=service.settings.alerts.quiet,
        shown=_SHOWN, digest=service.settings.alerts.digest, as_of=report.as_of,
    )  # fmt: skip


@router.post("/alerts/take")
def take(
    request: Request, who: Annotated[Identity, Depends(require("backup:run"))], key: Annotated[str, Form()]
) -> RedirectResponse:  # fmt: skip
    """Say that one takes care of it; it stays open until its cause is gone."""
    book = AlertBook(desk.service_of(request).journal)
    alert = book.alerts().get(key)
    if alert is None or not sight.own(who, alert.finding.source):
        raise NotFound(f"there is no alert {key!r}", hint="holdfast alerts list")
    who.require("backup:run", alert.finding.source)
    book.say(key, acknowledged_by=who.name)
    return desk.to("/alerts")


def _over(alerts: list[Alert]) -> list[Alert]:
    return sorted((each for each in alerts if each.cleared_at), key=lambda each: each.cleared_at or "", reverse=True)
