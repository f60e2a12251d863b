"""The application: routes, doors, headers, over one service."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable

from fastapi import Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse

from holdfast import __version__
from holdfast.model.errors import HoldfastError
from holdfast.service.plans import Plans
from holdfast.service.service import Service
from holdfast.web import metrics
from holdfast.web.api import (
    backups,
    consents,
    entities,
    looking,
    old_backups,
    old_cron,
    openapi,
    people,
    problems,
    restoring,
    retention,
    runs,
    system,
    tokens,
)  # fmt: skip
from holdfast.web.api.news import News
from holdfast.web.pages import mistyped
from holdfast.web.pages import routes as pages
from holdfast.web.pages.assets import Assets
from holdfast.web.reach import Reach
from holdfast.web.request_log import RequestLog
from holdfast.web.security.guarding import guard
from holdfast.web.security.identity import Identity, open_to_all
from holdfast.wiring.reporting import system_report

_SWITCH = 0.0005
"""Seconds a thread of a backup keeps the interpreter while a request waits: ten times less than Python's own."""

Doorkeeper = Callable[[Request], Identity | None]


API = (
    old_backups.taking, old_backups.router, backups.router, looking.router, runs.router, runs.live,
    restoring.planning, restoring.router, system.router, entities.router, openapi.router, tokens.router,
    people.router, consents.router, retention.router,
)  # fmt: skip


@contextlib.asynccontextmanager
async def _while_open(app: FastAPI) -> AsyncIterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH)
    warming = asyncio.create_task(asyncio.to_thread(_warm, app.state.service))
    yield
    app.state.news.close()
    await warming
    sys.setswitchinterval(usual)


def _warm(service: Service) -> None:
    """Open what the first look needs; what goes wrong is told to whoever looks."""
    with contextlib.suppress(HoldfastError), service.reading() as app:
        system_report(app, service.journal)


def create_app(service: Service, doorkeeper: Doorkeeper) -> FastAPI:
    """The HTTP face of ``service``; ``doorkeeper`` tells who a request comes from."""
    app = FastAPI(
        title="holdfast", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=_while_open
    )
    app.state.service, app.state.doorkeeper = service, doorkeeper
    app.state.plans, app.state.news, app.state.reach = Plans(), News(service), Reach()
    app.state.going, app.state.kept, app.state.swept = {}, {}, 0.0
    problems.install(app, service.configuration.around.redactor)
    mistyped.install(app)

    guard(app, service, doorkeeper)
    app.add_middleware(RequestLog)  # the last one added is the outermost

    told_to_all = [Depends(open_to_all("it tells only that it answers"))]

    @app.api_route("/healthz", methods=["GET", "HEAD"], include_in_schema=False, dependencies=told_to_all)
    async def healthz() -> PlainTextResponse:  # on the event loop: it answers also when every thread is taken
        return PlainTextResponse("ok\n")

    app.state.routers = (*API, *old_cron.old_routers(service.settings.serve.aliases), metrics.router, *pages.ROUTERS)
    for router in app.state.routers:
        app.include_router(router)
    app.mount("/static", Assets(), name="static")
    return app
