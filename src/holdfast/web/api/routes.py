"""What every route of the API shares: who asks, what it works with, and answers that are given once."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from holdfast.service.deeds import plain
from holdfast.service.noting import Asker
from holdfast.service.plans import Plans
from holdfast.service.service import Service
from holdfast.web.api.news import News
from holdfast.web.security.identity import Identity, require

_PRINTED = r"^[^\x00-\x1f\x7f]*$"

Text = Annotated[str, StringConstraints(max_length=2000, pattern=_PRINTED)]
"""What somebody typed: one line."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=_PRINTED)]
"""A name or an id: one line that is not empty."""

Limit = Annotated[int, Query(ge=1, le=500, description="Entries of a page at most.")]
Cursor = Annotated[Text | None, Query(description="`next` of the page before.")]
Wait = Annotated[float, Query(ge=0, le=3600, description="Seconds to wait for the end before answering 202.")]


class Body(BaseModel):
    """What a program sends: unknown fields are refused, values are not bent into shape."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _plans(request: Request) -> Plans:
    plans: Plans = request.app.state.plans
    return plans


def _news(request: Request) -> News:
    news: News = request.app.state.news
    return news


ServiceOf = Annotated[Service, Depends(_service)]
PlansOf = Annotated[Plans, Depends(_plans)]
NewsOf = Annotated[News, Depends(_news)]

StatusReader = Annotated[Identity, Depends(require("status:read"))]
BackupRunner = Annotated[Identity, Depends(require("backup:run"))]
SnapshotReader = Annotated[Identity, Depends(require("snapshot:read"))]
DataReader = Annotated[Identity, Depends(require("data:read"))]
Restorer = Annotated[Identity, Depends(require("restore:new-place"))]
InPlaceRestorer = Annotated[Identity, Depends(require("restore:in-place"))]
Deleter = Annotated[Identity, Depends(require("delete"))]
Configurer = Annotated[Identity, Depends(require("config"))]
Auditor = Annotated[Identity, Depends(require("audit:read"))]


def asker_of(who: Identity) -> Asker:
    """As runs and the audit trail tell it."""
    return Asker(who=who.name, via="dashboard" if who.kind == "session" else "api")


def answer(document: Any, status: int = 200, **headers: str) -> Response:
    """A document as JSON; numbers that JSON does not know become null."""
    return Response(msgspec.json.encode(plain(document)), status, headers=headers, media_type="application/json")
