"""Streams are open for long: whoever hears one is asked for again and again, and hears nothing after the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from holdfast.model.errors import HoldfastError
from holdfast.web.security.identity import Identity

LOOK = 5.0
"""Seconds within which a stream ends whose token, session or account ended."""
_FRESH = 1.0

Ask = Callable[[], Identity | None]
Key = tuple[str, ...]


class Rounds:
    """Who may still hear, asked for all streams of a server together: hundreds of them cost one thread a moment.

    Streams opened with the same credentials are one question. For one event loop.
    """

    def __init__(self) -> None:
        self._known: dict[Key, tuple[float, Identity | None]] = {}
        self._waiting: dict[Key, tuple[Ask, asyncio.Future[Identity | None]]] = {}
        self._round: asyncio.Task[None] | None = None

    async def asked(self, key: Key, ask: Ask) -> Identity | None:
        """What ``ask`` answers, as of a second ago at most."""
        known = self._known.get(key)
        if known is not None and time.monotonic() - known[0] <= _FRESH:
            return known[1]
        if key not in self._waiting:
            self._waiting[key] = ask, asyncio.get_running_loop().create_future()
        answer = self._waiting[key][1]
        if self._round is None:
            self._round = asyncio.create_task(self._go_round())
        return await asyncio.shield(answer)

    async def _go_round(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # whoever heard the same news asks too
            asked, self._waiting = self._waiting, {}
            try:
                answers = await run_in_threadpool(_all, [(key, ask) for key, (ask, _) in asked.items()])
            except Exception as error:  # noqa: BLE001 (raised again by each that waits)
                for _, answer in asked.values():
                    answer.set_exception(error)
                continue
            now = time.monotonic()
            self._known = {key: known for key, known in self._known.items() if now - known[0] <= _FRESH}
            for key, (_, answer) in asked.items():
                self._known[key] = now, answers[key]
                answer.set_result(answers[key])
        self._round = None


def _all(asked: list[tuple[Key, Ask]]) -> dict[Key, Identity | None]:
    return {key: ask() for key, ask in asked}


class Standing:
    """Who opened a stream, with the rights of now. ``scope``: what hearing it needs."""

    def __init__(self, request: Request, who: Identity, scope: str = "status:read") -> None:
        state = request.app.state
        self._ask = getattr(state.doorkeeper, "again", state.doorkeeper)
        if not hasattr(state, "standing_rounds"):
            state.standing_rounds = Rounds()
        self._rounds: Rounds = state.standing_rounds
        self._request, self._who, self._scope = request, who, scope
        headers, url = request.headers, request.url
        self._key = (headers.get("authorization", ""), headers.get("cookie", ""), url.path, url.scheme, url.netloc)
        self._asked_at = time.monotonic()

    async def now(self) -> Identity | None:
        """Who hears it, as of two seconds ago at most; None when they may not hear it any more."""
        if time.monotonic() - self._asked_at > _FRESH:
            found = await self._rounds.asked(self._key, self._asked)
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
