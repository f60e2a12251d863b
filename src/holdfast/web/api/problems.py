"""Errors as application/problem+json, with the codes the command line has."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from holdfast.model.errors import HoldfastError
from holdfast.model.secret import Redactor

_STATUS = {
    "unauthorized": 401, "forbidden": 403, "reauthenticate": 403, "cross-site": 403, "plain-http": 403,
    "wrong-login": 401, "too-many-attempts": 429, "second-person": 409, "same-person": 403, "weak-password": 422,
    "too-large": 413, "wrong-host": 421, "not-found": 404, "usage": 422, "busy": 409, "no-repository": 503,
    "wrong-key": 503, "storage": 503, "storage-full": 507, "damaged": 500, "rolled-back": 500, "source": 502,
    "target": 409, "plan-changed": 409, "key-reused": 422, "outcome-unknown": 409,
    "sources-slow": 503, "not-recorded": 503,
    "journal": 503, "journal-broken": 503, "not-stoppable": 409, "missing-tool": 503,
    "newer-format": 503, "object-missing": 503, "session-expired": 503,
}  # fmt: skip


class Problem(BaseModel):
    """RFC 9457, with what, where, why and hint as everywhere in holdfast."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
    where: str = ""
    why: str = ""
    hint: str = ""


def status_of(code: str) -> int:
    """The status of an answer that failed with such an error."""
    return _STATUS.get(code, 500)


def problem_of(error: BaseException, redactor: Redactor) -> Problem:
    """Any exception as a problem, without secrets."""
    if isinstance(error, HoldfastError):
        told = {name: redactor.clean(getattr(error, name)) for name in ("where", "why", "hint")}
        return Problem(title=redactor.clean(error.what), status=status_of(error.code), code=error.code, **told)
    return Problem(title="something went wrong that should not", status=500, code="defect", why=type(error).__name__)


def _allowed(request: Request) -> str:
    """Every method that some route has for this path; those of its very own before those of any id."""
    fitting = [
        route
        for router in getattr(request.app.state, "routers", ())
        for route in router.routes
        if route.matches({**request.scope, "method": "GET"})[0] is not Match.NONE
    ]
    own = [route for route in fitting if route.path == request.url.path]
    return ", ".join(sorted({method for route in own or fitting for method in route.methods or ()}))


def install(app: FastAPI, redactor: Redactor) -> None:
    """Let every error of ``app`` be told as a problem."""

    def respond(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
        return JSONResponse(
            problem.model_dump(), problem.status, media_type="application/problem+json", headers=headers
        )

    async def failed(request: Request, error: Exception) -> JSONResponse:
        request.app.state.service.defects.tell(error)
        problem = problem_of(error, redactor)
        return respond(problem, {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None)

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
        first: Any = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"])
        return respond(Problem(title="the request is not as it should be", status=422, code="usage", where=where,
                               why=str(first["msg"])))  # fmt: skip

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
        code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "usage")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed(request)
        return respond(Problem(title=str(error.detail), status=error.status_code, code=code), headers or None)

    app.add_exception_handler(HoldfastError, failed)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, failed)
