"""/api/retention: what a change of the rules would drop and waits for somebody to agree to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from holdfast.model.ids import short
from holdfast.model.keeping import SourceRetention
from holdfast.service.confirming import changed, confirming_order, digest_of, held_of
from holdfast.web.api.consenting import agreement
from holdfast.web.api.documents import Document, RunDocument, run_fields
from holdfast.web.api.once import Once
from holdfast.web.api.routes import Body, Configurer, Name, ServiceOf, SnapshotReader, answer, asker_of
from holdfast.web.security.consents import Wish
from holdfast.web.security.refusals import NotFound

router = APIRouter(prefix="/api/retention", tags=["retention"], route_class=Once)
_TOLD = 50
"""Snapshots that a wish names."""


class HeldDocument(Document):
    """``drop``: ids of the snapshots that would go; ``digest``: of exactly those, to be sent when agreeing."""

    source: str
    why: str
    kept: int
    drop: list[str]
    digest: str


class RetentionDocument(Document):
    """Held until somebody agrees; nothing of it is dropped meanwhile."""

    held: list[HeldDocument]


class ConfirmBody(Body):
    """``digest`` as GET /api/retention told it."""

    digest: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


@router.get("")
def held(who: SnapshotReader, service: ServiceOf) -> RetentionDocument:
    """What waits."""
    with service.reading() as app:
        found = [each for each in held_of(app) if who.may("snapshot:read", each.terms.source)]
    return RetentionDocument(held=[_held(each) for each in found])


@router.post("/{source}/confirm", status_code=202, response_model=RunDocument)
def confirm(source: Name, body: ConfirmBody, who: Configurer, service: ServiceOf, request: Request) -> Response:
    """Agree to it. Needs config and delete for the source, and a second person where the configuration says so."""
    who.require("config", source)
    who.require("delete", source)
    with service.reading() as app:
        waits = held_of(app, (source,)) if source in app.settings.sources else []
    if not waits:
        raise NotFound(f"nothing is held of {source!r}", hint="GET /api/retention")
    if digest_of(waits[0]) != body.digest:
        raise changed(source)
    what = f"forget {len(waits[0].drop)} snapshots of {source} by a change of the rules"
    gone = " ".join(short(info.id) for info in waits[0].drop[:_TOLD])
    command = f"holdfast forget --policy --confirm {source}: {gone}"
    wish = Wish(scope="retention", source=source, what=what, digest=body.digest, command=command)
    run = agreement(request, who, wish).begin(service, confirming_order(source, asker_of(who), body.digest))
    return answer(run_fields(run), 202, Location=f"/api/runs/{run.id}")


def _held(each: SourceRetention) -> HeldDocument:
    return HeldDocument(
        source=each.terms.source, why=each.held, kept=each.kept, drop=[info.id for info in each.drop],
        digest=digest_of(each),
    )  # fmt: skip
