"""Now: one honest sentence for each application, worst first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from holdfast.system import clock
from holdfast.usecases.status import status_of
from holdfast.web.pages.looks import page
from holdfast.web.security.identity import Identity, require

router = APIRouter(include_in_schema=False)


@router.get("/")
def now(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """The first page."""
    with request.app.state.service.reading() as app:
        found = status_of(app.repository.snapshots(), tuple(app.settings.sources), clock.now())
    return page(request, "now.html", who=who, sources=found, as_of=clock.stamp())
