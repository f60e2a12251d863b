"""Now: one honest sentence for each application, worst first."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security.identity import Identity, require

router = desk.pages()
_SHOWN = 40


@router.get("/")
def now(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """The first page."""
    service = desk.service_of(request)
    with service.reading() as app:
        report = desk.report(request, app, who)
    running = [run for run in service.journal.unfinished() if not run.status.over and desk.visible(who, run)]
    return page(request, "now.html", who=who, report=report, running=running, shown=_SHOWN, as_of=report.as_of)
