"""Style, scripts and fonts: what carries its version in its path may be kept for ever, the rest is asked for anew."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from holdfast.web.pages.looks import STATIC

_FOR_EVER = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """The files under static/."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """See StaticFiles."""
        response = await super().get_response(path, scope)
        kept = path.replace("\\", "/").startswith("vendor/") and response.status_code in (200, 304)
        response.headers["Cache-Control"] = _FOR_EVER if kept else "no-cache"
        return response
