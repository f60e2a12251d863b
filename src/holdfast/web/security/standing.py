"""Streams are open for long: whoever hears one is asked for again and again, and hears nothing after the end."""

from __future__ import annotations

import time

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from holdfast.model.errors import HoldfastError
from holdfast.web.security.identity import Identity

LOOK = 5.0
"""Seconds within which a stream ends whose token, session or account ended."""
_FRESH = 1.0


class Standing:
    """Who opened a stream, with the rights of now. ``scope``: what hearing it needs."""

    def __init__(self, request: Request, who: Identity, scope: str = "status:read") -> None:
        doorkeeper = request.app.state.doorkeeper
        self._ask = getattr(doorkeeper, "again", doorkeeper)
        self._request, self._who, self._scope = request, who, scope
        self._asked_at = time.monotonic()

    async def now(self) -> Identity | None:
        """Who hears it, as of a second ago at most; None when they may not hear it any more."""
        if time.monotonic() - self._asked_at > _FRESH:
            found = await run_in_threadpool(self._asked)
            if found is None or not found.may(self._scope):
                return None
            self._who, self._asked_at = found, time.monotonic()
        return self._who

    def _asked(self) -> Identity | None:
        try:
            found: Identity | None = self._ask(self._request)
        except HoldfastError:
            return None
        return found
