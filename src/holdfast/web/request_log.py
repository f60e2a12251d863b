"""The log of requests: who asked which route, and what came of it; never an address's values, query or body."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("holdfast.requests")
_OFTEN = ("/healthz", "/static")


class RequestLog:
    """Around the whole application. A route is told as it is declared: keys of rows and tokens stand in paths."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, then log."""
        if scope["type"] != "http" or not _log.isEnabledFor(logging.INFO) or scope["path"].startswith(_OFTEN):
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            _log.info("request", extra=_facts(scope, status, time.perf_counter() - began))


def _facts(scope: Scope, status: int, seconds: float) -> dict[str, Any]:
    identity = (scope.get("state") or {}).get("identity")
    return {
        "method": scope["method"], "route": getattr(scope.get("route"), "path", ""), "status": status,
        "ms": round(seconds * 1000, 1), "who": getattr(identity, "name", ""),
        "client": (scope.get("client") or ("",))[0],
    }  # fmt: skip
