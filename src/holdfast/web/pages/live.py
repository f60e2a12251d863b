"""News for open pages: one small stream of server-sent events, of which pages make what they need."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import StreamingResponse

from holdfast.model.run import Run
from holdfast.service.service import Service
from holdfast.web.pages import desk
from holdfast.web.security.identity import Identity, require

router = desk.pages()
_LOOK = 0.5
_BEAT = 15.0


@router.get("/live")
def live(request: Request, _who: Annotated[Identity, Depends(require("status:read"))]) -> StreamingResponse:
    """``news`` when a run begins or ends, ``progress`` while one goes on; what is new the page asks itself."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(desk.service_of(request)), media_type="text/event-stream", headers=headers)


async def _stream(service: Service) -> AsyncIterator[bytes]:
    """Holds no thread; several news of one moment are told once."""
    states: dict[str, str] = {}
    with service.live.listening() as news:
        yield b": here\n\n"
        silent = 0.0
        while True:
            told = _told(news, states)
            silent = 0.0 if told else silent + _LOOK
            for name in told:
                yield f"event: {name}\ndata: 1\n\n".encode()
            if silent >= _BEAT:
                silent = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(_LOOK)


def _told(news: queue.Queue[Run], states: dict[str, str]) -> list[str]:
    """Which events the waiting news are."""
    found: set[str] = set()
    while not news.empty():
        run = news.get_nowait()
        found.add("progress" if states.get(run.id) == run.status.value else "news")
        states[run.id] = run.status.value
        if run.status.over:
            states.pop(run.id)
    return sorted(found)
