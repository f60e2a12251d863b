"""What a browser is told when an address is none of ours: a page, where programs get a problem document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from holdfast.web.pages import desk
from holdfast.web.security.refusals import NotFound


def install(app: FastAPI) -> None:
    """After the handlers for programs, which go on answering them."""
    told: Any = app.exception_handlers[HTTPException]

    async def refused(request: Request, error: Exception) -> Response:
        if getattr(error, "status_code", 0) == 404 and _by_a_person(request):
            here = request.url.path[:100]
            return desk.failed(request, NotFound("there is no such page", where=here, hint="begin at Now"))
        answer: Response = await told(request, error)
        return answer

    app.add_exception_handler(HTTPException, refused)


def _by_a_person(request: Request) -> bool:
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith(("/api/", "/static/"))
