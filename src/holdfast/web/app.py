"""The application: routes, doors, headers, over one service."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse

from holdfast import __version__
from holdfast.service.service import Service
from holdfast.web import metrics
from holdfast.web.api import backups, problems, runs
from holdfast.web.pages import routes as pages
from holdfast.web.pages.assets import Assets
from holdfast.web.security.guarding import guard
from holdfast.web.security.identity import Identity, open_to_all

Doorkeeper = Callable[[Request], Identity | None]


def create_app(service: Service, doorkeeper: Doorkeeper) -> FastAPI:
    """The HTTP face of ``service``; ``doorkeeper`` tells who a request comes from."""
    app = FastAPI(title="holdfast", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.service, app.state.doorkeeper = service, doorkeeper
    problems.install(app, service.configuration.around.redactor)

    guard(app, service, doorkeeper)

    @app.get("/healthz", include_in_schema=False, dependencies=[Depends(open_to_all("it tells only that it answers"))])
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    for router in (backups.router, runs.router, metrics.router, *pages.ROUTERS):
        app.include_router(router)
    app.mount("/static", Assets(), name="static")
    return app
