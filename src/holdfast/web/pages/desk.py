"""What every page works with: the service, the report of now, forms, and errors told as a page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.report import SystemReport
from holdfast.service.service import Service
from holdfast.web.pages.looks import page
from holdfast.web.security.identity import Identity
from holdfast.wiring.build import App
from holdfast.wiring.reporting import system_report

_STATUS = {"forbidden": 403, "not-found": 404, "usage": 422, "busy": 409, "target": 409, "source": 502, "storage": 503}

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose errors are pages: who is not known is sent to the door, the rest is told what helps."""

    def get_route_handler(self) -> Answer:
        """See APIRoute."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except HoldfastError as error:
                return failed(request, error)
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(each) for each in first["loc"][1:])
                return failed(request, UsageError("the form is not as it should be", where=where, why=str(first["msg"])))

        return handle


def pages() -> APIRouter:
    """A router for pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def failed(request: Request, error: HoldfastError) -> Response:
    """The page for an error, without secrets; the door for who is not known."""
    if error.code == "unauthorized":
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{urlencode({'next': back})}" if request.method == "GET" else "/login", 303)
    redactor = service_of(request).configuration.around.redactor
    told = {name: redactor.clean(getattr(error, name)) for name in ("what", "where", "why", "hint")}
    return page(request, "failed.html", status=_STATUS.get(error.code, 500), error=told, title=_title(error.code))


def _title(code: str) -> str:
    return {"forbidden": "Not yours", "not-found": "Not here", "busy": "Busy"}.get(code, "That did not work")


def service_of(request: Request) -> Service:
    """The service these pages are the face of."""
    service: Service = request.app.state.service
    return service


def report(request: Request, app: App, who: Identity) -> SystemReport:
    """How things stand now, of the sources one may see, worst first."""
    found = system_report(app, service_of(request).journal)
    found.sources = [each for each in found.sources if who.may("status:read", each.source)]
    return found


def to(path: str, **query: str) -> RedirectResponse:
    """See there what became of a form."""
    told = {name: value for name, value in query.items() if value}
    return RedirectResponse(quote(path) + (f"?{urlencode(told)}" if told else ""), 303)


def link(path: str, query: Mapping[str, Any], **changed: Any) -> str:
    """The same page with some of its questions changed; None drops one."""
    told = {name: value for name, value in {**query, **changed}.items() if value not in (None, "")}
    return quote(path) + (f"?{urlencode(told, doseq=True)}" if told else "")
