"""What every page works with: the service, the report of now, forms, and errors told as a page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from holdfast.model.audit import Act
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.report import SystemReport
from holdfast.model.run import Run
from holdfast.model.secret import split_password
from holdfast.repository.repository import SnapshotEntry
from holdfast.service.deeds import Deed
from holdfast.service.noting import Asker
from holdfast.service.plans import Plans
from holdfast.service.service import Service
from holdfast.system import clock
from holdfast.usecases.audit import note
from holdfast.web.api.problems import status_of
from holdfast.web.pages.looks import page
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity
from holdfast.web.security.rights import seen
from holdfast.wiring.build import App
from holdfast.wiring.reporting import system_report

_TITLES = {
    "forbidden": "Not yours", "not-found": "Not here", "busy": "Busy",
    "second-person": "This waits for a second person",
}  # fmt: skip

_FILLED_IN = frozenset({"/restore"})
"""Forms whose page takes their fields as questions."""

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
                return failed(request, error, await _form(request) if error.code == "reauthenticate" else {})
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(each) for each in first["loc"][1:])
                wrong = UsageError("the form is not as it should be", where=where, why=str(first["msg"]))
                return failed(request, wrong)

        return handle


def pages() -> APIRouter:
    """A router for pages."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def failed(request: Request, error: HoldfastError, form: Mapping[str, str] | None = None) -> Response:
    """The page for an error, without secrets; the door for who is not known. ``form``: what was sent, to go on."""
    if error.code == "unauthorized":
        return to("/login", next=_here(request) if request.method == "GET" else "")
    if error.code == "reauthenticate":
        return to("/confirm", next=_came_from(request, form or {}))
    redactor = service_of(request).configuration.around.redactor
    told = {name: redactor.clean(getattr(error, name)) for name in ("what", "where", "why", "hint")}
    return page(request, "failed.html", status=status_of(error.code), error=told, title=_title(error.code))


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def _form(request: Request) -> dict[str, str]:
    """What a form sent, without what must not stand in an address."""
    sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    if "to" in sent:
        sent["to"] = split_password(sent["to"])[0]
    return {name: value for name, value in sent.items() if name not in ("csrf", "password", "typed")}


def _came_from(request: Request, form: Mapping[str, str]) -> str:
    """The page that holds the form, filled in where it can be, to try again from there."""
    if request.method == "GET":
        return _here(request)
    if request.url.path in _FILLED_IN:
        return link(request.url.path, form)
    found = urlsplit(request.headers.get("referer", "/"))
    return (found.path or "/") + (f"?{found.query}" if found.query else "")


def _title(code: str) -> str:
    return _TITLES.get(code, "That did not work")


def service_of(request: Request) -> Service:
    """The service these pages are the face of."""
    service: Service = request.app.state.service
    return service


def report(request: Request, app: App, who: Identity) -> SystemReport:
    """How things stand now, of the sources one may see, worst first."""
    return seen(system_report(app, service_of(request).journal), who)


def visible(who: Identity, run: Run) -> bool:
    """Whether a run is of sources that are theirs to see; those of the repository itself need all of them."""
    return sight.run_seen(who, run)


def entry_of(app: App, who: Identity, name: str, scope: str = "snapshot:read") -> SnapshotEntry:
    """The snapshot of that id, the start of it, or a name, which ``who`` may see."""
    return sight.entry_named(app.repository, name, who, scope)


def look(app: App, who: Identity, what: str, source: str, subject: str = "") -> str:
    """Note a look inside backup content before anything is shown; "" or a warning that it could not be noted."""
    return act(app, who, "data:read", what, source, subject)


def act(app: App, who: Identity, deed: str, *told: str) -> str:
    """Note a deed in the audit trail: what in words, source, subject; "" or a warning that it could not be noted."""
    what, source, subject = told
    noted = Act(at=clock.stamp(), deed=deed, who=who.name, via="dashboard", what=what, source=source, subject=subject)
    return note(app.repository, noted, required=app.settings.audit.required).warning


def plan(request: Request, who: Identity, deed: Deed) -> RedirectResponse:
    """Look what a deed would do, and show that."""
    who.require(deed.scope, deed.source)
    plans: Plans = request.app.state.plans
    run = service_of(request).start(plans.order(deed, Asker(who=who.name, via="dashboard")))
    return to(f"/plans/{run.id}")


def to(path: str, **query: str) -> RedirectResponse:
    """See there what became of a form."""
    told = {name: value for name, value in query.items() if value}
    return RedirectResponse(quote(path) + (f"?{urlencode(told)}" if told else ""), 303)


def link(path: str, query: Mapping[str, Any], **changed: Any) -> str:
    """The same page with some of its questions changed; None drops one."""
    told = {name: value for name, value in {**query, **changed}.items() if value not in (None, "")}
    return quote(path) + (f"?{urlencode(told, doseq=True)}" if told else "")
