"""The description of the API as it is published: of the routes that every server has."""

from __future__ import annotations

import json

from fastapi import FastAPI

from holdfast import __version__
from holdfast.web.api import openapi
from holdfast.web.api.old_cron import old_routers
from holdfast.web.app import API


def described() -> str:
    """OpenAPI 3.1 as JSON text, without the aliases of any configuration."""
    app = FastAPI(version=__version__, openapi_url=None)
    app.state.routers = (*API, *old_routers(()))
    for router in app.state.routers:
        app.include_router(router)
    return json.dumps(openapi.document(app), indent=1, sort_keys=True) + "\n"
