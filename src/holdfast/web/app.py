"""The application: routes, doors, headers, over one service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from holdfast import __version__
from holdfast.service.service import Service
from holdfast.web.api import backups, problems, runs
from holdfast.web.pages import routes as pages
from holdfast.web.pages.assets import Assets
from holdfast.web.security.identity import Identity

Doorkeeper = Callable[[Request], Identity | None]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def create_app(service: Service, doorkeeper: Doorkeeper) -> FastAPI:
    """The HTTP face of ``service``; ``doorkeeper`` tells who a request comes from."""
    app = FastAPI(title="holdfast", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.service, app.state.doorkeeper = service, doorkeeper
    problems.install(app, service.configuration.around.redactor)

    @app.middleware("http")
    async def headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    for router in (backups.router, runs.router, *pages.ROUTERS):
        app.include_router(router)
    app.mount("/static", Assets(), name="static")
    return app
