"""News for open pages: one small stream of server-sent events, of which pages make what they need."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import StreamingResponse

from holdfast.model.run import Run
from holdfast.web.api.news import News
from holdfast.web.pages import desk
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.standing import Standing

router = desk.pages()


@router.get("/live")
def live(request: Request, who: Annotated[Identity, Depends(require("status:read"))]) -> StreamingResponse:
    """``news`` when a run begins or ends, ``progress`` while one goes on; what is new the page asks itself."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    told = _stream(request.app.state.news, Standing(request, who))
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)


async def _stream(news: News, standing: Standing) -> AsyncIterator[bytes]:
    """Nothing of a run is in it but that it moved."""
    states: dict[str, str] = {}
    yield b": here\n\n"
    async for run in news.of(standing, desk.visible):
        yield f"event: {_event(run, states)}\ndata: 1\n\n".encode() if run else b": still here\n\n"


def _event(run: Run, states: dict[str, str]) -> str:
    same = states.get(run.id) == run.status.value
    if run.status.over:
        states.pop(run.id, None)
    else:
        states[run.id] = run.status.value
    return "progress" if same else "news"
