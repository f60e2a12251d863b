"""Plans: what a deed would do, before it is done; and the yes to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.model.errors import UsageError
from holdfast.service.noting import Asker
from holdfast.service.plans import Plan, Plans, deed_order
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security.consents import Wish
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound

router = desk.pages()
_GONE = "make it anew: a plan is kept for an hour, and not longer than the server runs"


@router.get("/plans/{plan}")
def show(request: Request, plan: str, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """The plan, or how far looking has come."""
    found = _plans(request).get(plan)
    run = desk.service_of(request).journal.get(plan)
    if found is None and (run is None or (run.status.over and run.error is None)):
        raise NotFound("there is no such plan", hint=_GONE)
    if found is not None:
        who.require(found.deed.scope, found.deed.source)
    typed = found is not None and _dangerous(request, found)
    return page(request, "plan.html", who=who, plan=found, run=run, typed=typed)


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
        raise NotFound("there is no such plan", hint=_GONE)
    who.require(found.deed.scope, found.deed.source)
    if _dangerous(request, found) and typed.strip() != found.deed.source:
        raise UsageError("the name was not typed as it is, so nothing was done", hint=f"type {found.deed.source}")
    _second_person(request, who, found)
    order = deed_order(found.deed, Asker(who=who.name, via="dashboard"), digest=found.digest)
    return desk.to(f"/runs/{desk.service_of(request).start(order).id}")


def _second_person(request: Request, who: Identity, plan: Plan) -> None:
    """AwaitsConsent where the configuration wants another person's yes."""
    gate = getattr(request.app.state, "gate", None)
    if gate is not None and plan.deed.scope == "restore:in-place":
        wish = Wish(scope=plan.deed.scope, source=plan.deed.source, what=plan.deed.words, digest=plan.digest)
        gate.consents.demand(who, wish, "dashboard")


def _dangerous(request: Request, plan: Plan) -> bool:
    """Whether it changes production in a way that wants a name typed."""
    wish = getattr(plan.deed, "wish", None)
    settings = desk.service_of(request).settings
    source = settings.sources.get(plan.deed.source)
    environment = (source.environment if source else None) or settings.defaults.environment
    return bool(getattr(wish, "overwrite", False) or getattr(wish, "exact", False)) and environment == "production"


def _plans(request: Request) -> Plans:
    plans: Plans = request.app.state.plans
    return plans
