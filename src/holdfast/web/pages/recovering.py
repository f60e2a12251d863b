"""Restore: what, when, where, how conflicts end; then a preview, and from Explore the same for one row or event."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.model.errors import UsageError
from holdfast.service.entity_deeds import EntityRestore
from holdfast.service.restores import restore_deed, undo_deed
from holdfast.usecases.entity_finding import entity_named
from holdfast.usecases.listing import ListRequest, list_snapshots
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security.destinations import require_destination
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.sight import own
from holdfast.wiring.restoring import RestoreWish

router = desk.pages()
_CHOICES = 60


@router.get("/restore")
def choose(
    request: Request,
    who: Annotated[Identity, Depends(require("snapshot:read"))],
    source: str = "",
    snapshot: str = "",
    where: str = "new",
    to: str = "",
    only: str = "",
    conflicts: str = "keep",
) -> HTMLResponse:  # fmt: skip
    """What to bring back, from when, and to where; a step is open once the one before is decided."""
    with desk.service_of(request).reading() as app:
        entry = desk.entry_of(app, who, snapshot) if snapshot else None
        source = entry.info.source if entry else source
        entries = list_snapshots(app.repository, ListRequest(configured=tuple(app.settings.sources)))
        configured = source in app.settings.sources
    sources = dict.fromkeys(each.info.source for each in entries if who.may("snapshot:read", each.info.source))
    mine = [each for each in entries if each.info.source == source]
    whole = [each for each in mine if not each.info.partial]
    return page(
        request, "restore.html", who=who, sources=list(sources), source=source, entry=entry, entries=whole[:_CHOICES],
        parts_only=[each for each in mine if each.info.partial][:_CHOICES], older=max(0, len(whole) - _CHOICES),
        latest=next((each for each in whole if each.info.status == "complete"), None), configured=configured,
        filled={"where": where, "to": to, "only": only, "conflicts": conflicts},
    )  # fmt: skip


@router.post("/restore")
def preview(
    request: Request,
    who: Annotated[Identity, Depends(require("restore:new-place"))],
    snapshot: Annotated[str, Form()],
    where: Annotated[str, Form()] = "new",
    to: Annotated[str, Form()] = "",
    only: Annotated[str, Form()] = "",
    conflicts: Annotated[str, Form()] = "keep",
) -> RedirectResponse:  # fmt: skip
    """See what would happen."""
    if where == "other" and not to.strip():
        raise UsageError("say where to: a URL or a path", hint="or choose a new place beside the old one")
    wish = RestoreWish(
        snapshot=snapshot, to=to.strip() if where == "other" else None, in_place=where == "in-place",
        only=tuple(only.split()), overwrite=where == "in-place" and conflicts in ("overwrite", "exact"),
        exact=where == "in-place" and conflicts == "exact",
    )  # fmt: skip
    with desk.service_of(request).reading() as app:
        desk.entry_of(app, who, snapshot)
        deed = restore_deed(app, wish, lambda each: own(who, each))
        require_destination(app, who, deed)
    return desk.plan(request, who, deed)


@router.post("/explore/restore")
def preview_row(
    request: Request,
    who: Annotated[Identity, Depends(require("restore:in-place"))],
    snapshot: Annotated[str, Form()],
    item: Annotated[str, Form()],
    key: Annotated[str, Form()],
    entity: Annotated[str, Form()] = "",
    overwrite: Annotated[str, Form()] = "",
) -> RedirectResponse:  # fmt: skip
    """See what bringing back one row, or one entity with all that belongs to it, would do."""
    with desk.service_of(request).reading() as app:
        desk.entry_of(app, who, snapshot)
        if entity:
            source = entity_named(app.settings.entities, entity).source
            return desk.plan(request, who, EntityRestore(name=entity, key=key, source=source, from_=snapshot))
        wish = RestoreWish(snapshot=snapshot, only=(item,), keys=(key,), overwrite=bool(overwrite))
        deed = restore_deed(app, wish, lambda each: own(who, each))
    return desk.plan(request, who, deed)


@router.post("/undo/{run}")
def undo(
    request: Request, run: str, who: Annotated[Identity, Depends(require("restore:in-place"))]
) -> RedirectResponse:  # fmt: skip
    """See what taking a restore back would do."""
    with desk.service_of(request).reading() as app:
        deed = undo_deed(app, run, seen=lambda each: own(who, each))
    return desk.plan(request, who, deed)
