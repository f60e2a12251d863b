"""The door: logging in, the first account, and the password once more. The forms go to web/security."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.security.identity import Identity, open_to_all, require

router = desk.pages()
_WORDS = {
    "wrong-login": "That name and password do not belong together.",
    "too-many-attempts": "Too many attempts.",
    "cross-site": "The form was not from this page. Try again.",
    "plain-http": "Over plain HTTP one can log in only on this machine itself. Use HTTPS.",
    "weak-password": "That password is too weak: twelve characters at least, and none that everybody uses.",
    "usage": "That cannot be taken as it is.",
    "forbidden": "That is not yours to do.",
}


def _told(request: Request) -> str:
    """What went wrong the last time, in words of ours only."""
    error = request.query_params.get("error", "")
    wait = request.query_params.get("wait", "")
    words = _WORDS.get(error, "That did not work.") if error else ""
    return f"{words} Wait {int(wait)} seconds." if words and wait.isdigit() else words


def _next(request: Request) -> str:
    """A page of ours only."""
    wanted = request.query_params.get("next", "/")
    return wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) else "/"


def _empty(request: Request) -> bool:
    gate = getattr(request.app.state, "gate", None)
    return gate is not None and gate.entrance.empty


@router.get("/login", dependencies=[Depends(open_to_all("it is the door"))])
def login(request: Request) -> Response:
    """Name and password; before there is anybody, the first account."""
    if _empty(request):
        return RedirectResponse("/setup", 303)
    return page(request, "login.html", told=_told(request), next=_next(request))


@router.get("/setup", dependencies=[Depends(open_to_all("the first account is made with a token from the log"))])
def setup(request: Request) -> Response:
    """The first account."""
    if not _empty(request):
        return RedirectResponse("/login", 303)
    return page(request, "setup.html", told=_told(request), next=_next(request))


@router.get("/confirm")
def confirm(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> Response:
    """The password once more, before something dangerous."""
    return page(request, "confirm.html", who=who, told=_told(request), next=_next(request))
