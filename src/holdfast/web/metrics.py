"""/metrics for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from holdfast.model.errors import HoldfastError
from holdfast.model.report import SystemReport
from holdfast.service.metrics import CONTENT_TYPE, metrics_text
from holdfast.service.service import Service
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.rights import seen
from holdfast.wiring.reporting import system_report

router = APIRouter(include_in_schema=False)


@router.api_route("/metrics", methods=["GET", "HEAD"])
def metrics(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> Response:
    """Everything at this moment; ``holdfast_up 0`` when nothing can be seen."""
    service: Service = request.app.state.service
    counts = {} if who.sources else dict(service.counts)
    return Response(metrics_text(_seen(service, who), counts), media_type=CONTENT_TYPE)


def _seen(service: Service, who: Identity) -> SystemReport | None:
    try:
        with service.reading() as app:
            return seen(system_report(app, service.journal), who)
    except HoldfastError:
        return None
