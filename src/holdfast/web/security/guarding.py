"""An application gets its wall and its doors."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request

from holdfast.service.service import Service
from holdfast.web.security import doors
from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.identity import Identity
from holdfast.web.security.origins import Origins
from holdfast.web.security.wall import Wall


def guard(app: FastAPI, service: Service, doorkeeper: Callable[[Request], Identity | None]) -> None:
    """Put the wall around ``app``; with a Gate also the doors, and its acts go into the audit trail."""
    serve = service.settings.serve
    origins, refused = Origins(listen=serve.listen, public_url=serve.public_url), None
    if isinstance(doorkeeper, Gate):
        origins, refused = doorkeeper.origins, doorkeeper.refused
        app.state.gate = doorkeeper
        doorkeeper.carry_with(service)
        app.include_router(doors.router)
    redactor = service.configuration.around.redactor
    app.add_middleware(Wall, origins=origins, redactor=redactor, refused=refused)
