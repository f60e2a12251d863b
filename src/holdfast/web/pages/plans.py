"""Plans: what a deed would do, before it is done; and the yes to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.model.errors import UsageError
from holdfast.service.noting import Asker
from holdfast.service.plans import Plan, Plans, deed_order
from holdfast.web.api.consenting import agreed_by
from holdfast.web.api.plan_shown import being_made, nothing, require_seen, shown
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.pages.outcome import outcome_of
from holdfast.web.security.destinations import require_destination
from holdfast.web.security.identity import Identity, require

router = desk.pages()


@router.get("/plans/{plan}")
def show(request: Request, plan: str, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """The plan, or how far looking has come."""
    found, run, told = _plans(request).get(plan), None, None
    service = desk.service_of(request)
    if found is None:
        run = being_made(service, who, plan)
    else:
        require_seen(who, found)
        told = shown(service, who, found)
    typed = found is not None and _dangerous(request, found)
    return page(request, "plan.html", who=who, plan=found, told=told, run=run, typed=typed)


@router.post("/plans/{plan}")
def carry_out(
    request: Request,
    plan: str,
    who: Annotated[Identity, Depends(require("status:read"))],
    typed: Annotated[str, Form()] = "",
) -> RedirectResponse:  # fmt: skip
    """Do it, as long as the world is as the plan saw it."""
    found = _plans(request).get(plan)
    if found is None:
        raise nothing(plan)
    require_seen(who, found)
    with desk.service_of(request).reading() as app:
        require_destination(app, who, found.deed)
    if _dangerous(request, found) and typed.strip() != found.deed.source:
        raise UsageError("the name was not typed as it is, so nothing was done", hint=f"type {found.deed.source}")
    agreement = agreed_by(request)(who, found.deed, found.digest)
    asker = Asker(who=who.name, via="dashboard")
    order = deed_order(found.deed, asker, plan=found, stayed=agreement.give_back)
    return desk.to(f"/runs/{agreement.begin(desk.service_of(request), order).id}")


def _dangerous(request: Request, plan: Plan) -> bool:
    """Whether it replaces or removes what production holds now, which wants its name typed."""
    wish = getattr(plan.deed, "wish", None)
    settings = desk.service_of(request).settings
    source = settings.sources.get(plan.deed.source)
    environment = (source.environment if source else None) or settings.defaults.environment
    wanted = bool(getattr(wish, "overwrite", False) or getattr(wish, "exact", False))
    in_place = plan.deed.scope == "restore:in-place"
    return environment == "production" and (wanted or (in_place and outcome_of(plan.told.document).takes_away))


def _plans(request: Request) -> Plans:
    plans: Plans = request.app.state.plans
    return plans
