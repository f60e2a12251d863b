"""The doors: forms that open a session, end it, and show the password again. Each answers with where to look next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from holdfast.model.errors import HoldfastError
from holdfast.web.security.doorkeeper import Gate, visitor_of
from holdfast.web.security.identity import Identity, open_to_all, require
from holdfast.web.security.refusals import Forbidden, PlainHttp, TooManyAttempts
from holdfast.web.security.sessions import OpenedSession

router = APIRouter(include_in_schema=False)

Field = Annotated[str, Form(max_length=2000)]
Session = Annotated[Identity, Depends(require("status:read"))]


def gate_of(request: Request) -> Gate:
    """The gate of this application."""
    gate: Gate = request.app.state.gate
    return gate


def there(wish: str) -> str:
    """``wish`` when it is a path of this server, "/" otherwise: nobody is sent to another site from here."""
    plain = wish.isprintable() and "\\" not in wish
    return wish if plain and wish.startswith("/") and not wish.startswith("//") else "/"


@router.post("/login", dependencies=[Depends(open_to_all("it is how one becomes known"))])
async def log_in(request: Request, name: Field = "", password: Field = "", next: Field = "/") -> RedirectResponse:  # noqa: A002
    """Open a session."""
    gate = gate_of(request)
    return await _enter(request, next, lambda: gate.entrance.log_in(name, password, visitor_of(request)))


@router.post("/setup", dependencies=[Depends(open_to_all("the first person has only the setup token of the log"))])
async def set_up(request: Request, token: Field = "", name: Field = "", password: Field = "") -> RedirectResponse:
    """Make the first account, and open its session."""
    gate = gate_of(request)
    return await _enter(request, "/", lambda: gate.entrance.set_up(token, name, password, visitor_of(request)))


@router.post("/confirm")
async def confirm(request: Request, who: Session, password: Field = "", next: Field = "/") -> RedirectResponse:  # noqa: A002
    """Show the password again, for what is dangerous."""
    gate, visitor = gate_of(request), visitor_of(request)
    try:
        _session_only(who)
        await run_in_threadpool(gate.entrance.confirm, who, password, visitor)
    except HoldfastError as error:
        return _back(request, error, next)
    return RedirectResponse(there(next), 303)


@router.post("/password")
async def change_password(
    request: Request, who: Session, old: Field = "", new: Field = "", next: Field = "/settings"  # noqa: A002
) -> RedirectResponse:  # fmt: skip
    """Another password for oneself. Every other session of the person ends."""
    gate, visitor = gate_of(request), visitor_of(request)

    def changed() -> OpenedSession:
        _session_only(who)
        return gate.entrance.change_password(who, old, new, visitor)

    return await _enter(request, next, changed)


@router.post("/logout")
def log_out(request: Request, who: Session) -> RedirectResponse:
    """End this session."""
    gate = gate_of(request)
    if who.kind == "session":
        gate.entrance.log_out(who, visitor_of(request))
    response = RedirectResponse("/login", 303)
    gate.let_out(request, response)
    return response


async def _enter(request: Request, wish: str, opening: Callable[[], OpenedSession]) -> RedirectResponse:
    gate = gate_of(request)
    try:
        if not gate.origins.private(request.url.scheme, request.headers.get("host", "")):
            raise PlainHttp
        opened = await run_in_threadpool(opening)
    except HoldfastError as error:
        return _back(request, error, wish)
    response = RedirectResponse(there(wish), 303)
    gate.let_in(request, response, opened)
    return response


def _session_only(who: Identity) -> None:
    """A token has no password."""
    if who.kind != "session":
        raise Forbidden("session")


def _back(request: Request, error: HoldfastError, wish: str) -> RedirectResponse:
    told = {"error": error.code, "next": there(wish)}
    if isinstance(error, TooManyAttempts):
        told["wait"] = str(max(1, round(error.seconds)))
    return RedirectResponse(f"{request.url.path}?{urlencode(told)}", 303)
