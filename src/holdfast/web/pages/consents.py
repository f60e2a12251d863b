"""Consents: what waits for a second person, and the yes or no to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.web.api.consents import concerns
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound

router = desk.pages()
StatusReader = Annotated[Identity, Depends(require("status:read"))]


@router.get("/consents")
def consents(request: Request, who: StatusReader) -> HTMLResponse:
    """One's own wishes, and those one could agree to."""
    gate: Gate | None = getattr(request.app.state, "gate", None)
    found = gate.consents.all(waiting=False)[:50] if gate is not None else []
    mine = [each for each in found if each.asked_by == who.person]
    others = [each for each in found if each not in mine and concerns(who, each)]
    return page(request, "consents.html", who=who, mine=mine, others=others)


@router.post("/consents/{consent}")
def answer(
    request: Request, consent: str, who: StatusReader, what: Annotated[str, Form()] = "deny"
) -> RedirectResponse:  # fmt: skip
    """Agree, or not."""
    gate: Gate | None = getattr(request.app.state, "gate", None)
    if gate is None:
        raise NotFound("this server keeps no consents")
    gate.consents.answer(who, consent, "dashboard", grant=what == "grant")
    return desk.to("/consents")
