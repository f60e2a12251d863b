"""Trash: what was deleted, by whom, and the way back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.model.events import Event, Warned
from holdfast.service.entity_deeds import TrashRestore
from holdfast.sources.base import Source
from holdfast.usecases.trash import TrashOrder, one, trash
from holdfast.web.api.entities import looked_into_trash
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.reach import AT_THE_SOURCES, reach_of
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity, require
from holdfast.wiring.build import App

router = desk.pages()
_SHOWN = 200


@router.get("/trash", dependencies=[AT_THE_SOURCES])
def deleted(request: Request, who: Annotated[Identity, Depends(require("snapshot:read"))]) -> HTMLResponse:
    """Newest first."""
    warnings: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(f"{event.source}: {event.text}")

    with desk.service_of(request).reading() as app:
        mine = [name for name in app.settings.sources if who.may("snapshot:read", name)]
        found = reach_of(request).trash(app, mine, hear)
        warnings += looked_into_trash(app, who, found[:_SHOWN])
    more = max(0, len(found) - _SHOWN)
    shown = [sight.trashed(who, each) for each in found[:_SHOWN]]
    return page(request, "trash.html", who=who, found=shown, more=more, warnings=warnings)


@router.post("/trash/{discarded}", dependencies=[AT_THE_SOURCES])
def bring_back(
    request: Request, discarded: str, who: Annotated[Identity, Depends(require("restore:in-place"))]
) -> RedirectResponse:  # fmt: skip
    """See what bringing it back would do."""
    with desk.service_of(request).reading() as app:
        found = one(trash(app.repository, TrashOrder(sources=_sources(app, who))), discarded)
    return desk.plan(request, who, TrashRestore(id=found.id, source=found.source))


def _sources(app: App, who: Identity) -> dict[str, Source]:
    return {name: app.source(name) for name in app.settings.sources if who.may("restore:in-place", name)}
