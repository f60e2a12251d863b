"""Failures in the words of the systems that holdfast replaces."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel

from holdfast.model.errors import HoldfastError
from holdfast.web.api.once import Once, waits
from holdfast.web.api.problems import problem_of
from holdfast.web.api.routes import answer

_KEPT = (401, 403, 404, 409, 413, 422, 429)

Handling = Callable[[Request], Coroutine[Any, Any, Response]]


class CronFailure(BaseModel):
    """``message`` what happened, ``error`` why; ``code`` and ``hint`` as everywhere in holdfast."""

    ok: bool = False
    message: str
    error: str
    code: str = ""
    hint: str = ""


class ManualFailure(BaseModel):
    """``message`` what happened, ``error`` why; ``code`` and ``hint`` as everywhere in holdfast."""

    success: bool = False
    message: str
    error: str
    code: str = ""
    hint: str = ""


class _Spoken(Once):
    ok = "ok"

    @staticmethod
    def speaks(request: Request) -> bool:  # noqa: ARG004
        """Whether failures are told in the old words."""
        return True

    def get_route_handler(self) -> Handling:
        """See APIRoute."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except (HoldfastError, RequestValidationError) as error:
                if self.speaks(request):
                    return failure(request, error, self.ok)
                raise

        return handle


class Cron(_Spoken):
    """A route whose failures say ``{ok: false, message, error}``."""


class Success(_Spoken):
    """A route whose failures say ``{success: false, message, error}``."""

    ok = "success"


class Waiting(_Spoken):
    """A route whose failures are told as everywhere, and when it was asked to ``wait``, ``{success: false, …}``."""

    ok = "success"
    speaks = staticmethod(waits)


def failure(request: Request, error: BaseException, ok: str) -> Response:
    """An error in the old words; 500 for everything that is not the caller's."""
    if isinstance(error, RequestValidationError):
        told = error.errors()[0]
        where = ".".join(str(each) for each in told["loc"])
        document = {ok: False, "message": "the request is not as it should be", "error": f"{where}: {told['msg']}",
                    "code": "usage", "hint": ""}  # fmt: skip
        return answer(document, 422)
    problem = problem_of(error, request.app.state.service.configuration.around.redactor)
    document = {
        ok: False, "message": problem.title, "error": problem.why or problem.where or problem.title,
        "code": problem.code, "hint": problem.hint,
    }  # fmt: skip
    status = problem.status if problem.status in _KEPT else 500
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return answer(document, status, **headers)


def failures(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What such a route answers beside success."""
    told = {401: "Nobody known asks", 403: "No right to that", 404: "There is no such thing", 409: "Not now",
            422: "Not as it should be", 500: "It failed"}  # fmt: skip
    return {status: {"model": model, "description": what} for status, what in told.items()}
