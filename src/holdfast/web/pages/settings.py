"""Settings: schedules, tokens and people, and the configuration as it is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.planning.timetable import last_appointment
from holdfast.service.noting import changing
from holdfast.system import clock
from holdfast.web.api.consents import concerns
from holdfast.web.api.routes import asker_of
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security import sight
from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.rights import within
from holdfast.web.security.tokens import MadeToken, TokenWish
from holdfast.wiring.sections import SCOPES

router = desk.pages()


@router.get("/settings")
def settings(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """Everything that is set, and where it is changed."""
    return _shown(request, who)


def _shown(request: Request, who: Identity, made: MadeToken | None = None) -> HTMLResponse:
    service = desk.service_of(request)
    gate: Gate | None = getattr(request.app.state, "gate", None)
    standings, now = service.schedules(), clock.now()
    schedules = [
        (each, last_appointment(each.schedule, now) if each.next_at is not None and each.next_at <= now else None)
        for each in standings
        if sight.own(who, each.schedule.source)
    ]
    more: dict[str, Any] = {"tokens": [], "people": [], "configuration": "", "consents": [], "path": ""}
    if gate is not None and who.may("keys"):
        more["tokens"] = [(each, each.state(clock.now())) for each in sight.tokens(who, gate.tokens.all())]
        more["people"] = [each for each in gate.people.all() if sight.within_sources(who, each.sources)]
    if gate is not None:
        more["consents"] = [each for each in gate.consents.all() if concerns(who, each)]
    if who.may("config") and not who.sources:
        around = service.configuration.around
        more["path"] = service.configuration.path
        more["configuration"] = around.redactor.clean(service.configuration.text)
    return page(
        request, "settings.html", who=who, schedules=schedules, made=made, scopes=SCOPES,
        paused=sight.by_source(who, service.paused()),
        sources=[each for each in service.settings.sources if sight.own(who, each)],
        **more,
    )  # fmt: skip


@router.post("/settings/tokens")
def make_token(
    request: Request,
    who: Annotated[Identity, Depends(require("keys"))],
    name: Annotated[str, Form()],
    scope: Annotated[list[str] | None, Form()] = None,
    source: Annotated[list[str] | None, Form()] = None,
    days: Annotated[int, Form(ge=1, le=3650)] = 90,
) -> HTMLResponse:  # fmt: skip
    """A token, whose secret this answer alone shows."""
    within(who, frozenset(scope or ()), frozenset(source or ()))
    wish = TokenWish(
        name=name.strip(), scopes=scope or [], sources=tuple(source or ()), lifetime=timedelta(days=days),
        owner=who.principal or who.name,
    )  # fmt: skip
    with (
        desk.service_of(request).reading() as app,
        changing(app, asker_of(who), "config:token-add", f"token {wish.name}") as noting,
    ):
        made = _gate(request).tokens.add(wish)
        noting.ending.subject = made.token.id
    return _shown(request, who, made)


@router.post("/settings/tokens/{name}/revoke")
def revoke_token(
    request: Request, name: str, who: Annotated[Identity, Depends(require("keys"))]
) -> RedirectResponse:  # fmt: skip
    """No door opens to it any more."""
    with desk.service_of(request).reading() as app:
        tokens = _gate(request).tokens
        found = tokens.valid(name)
        within(who, found.scopes, found.sources)
        with changing(app, asker_of(who), "config:token-remove", f"token {name}", "", found.id):
            tokens.revoke(name)
    return desk.to("/settings")


@router.post("/settings/schedules/{source}")
def pause(
    request: Request,
    source: str,
    who: Annotated[Identity, Depends(require("config"))],
    what: Annotated[str, Form()] = "pause",
) -> RedirectResponse:  # fmt: skip
    """Pause the schedules of a source, or let them go on."""
    who.require("config", source)
    service = desk.service_of(request)
    with service.reading() as app:
        desk.act(app, who, f"config:{what}", f"schedules of {source}", source, "")
    if what == "pause":
        service.pause(source, who.name)
    else:
        service.resume(source)
    return desk.to("/settings")


@router.post("/settings/consents/{consent}")
def answer(
    request: Request,
    consent: str,
    who: Annotated[Identity, Depends(require("status:read"))],
    grant: Annotated[str, Form()] = "no",
) -> RedirectResponse:  # fmt: skip
    """Agree to what another person asks for, or refuse it."""
    _gate(request).consents.answer(who, consent, "dashboard", grant=grant == "yes")
    return desk.to("/settings")


def _gate(request: Request) -> Gate:
    gate: Gate | None = getattr(request.app.state, "gate", None)
    if gate is None:
        raise NotFound("this server keeps no tokens")
    return gate
