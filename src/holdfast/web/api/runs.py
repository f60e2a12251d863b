"""/api/runs: what ran, what runs, and its progress as server-sent events."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from holdfast.journal.base import RunQuery
from holdfast.model.run import Run
from holdfast.service.service import Service
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound

router = APIRouter(prefix="/api/runs", tags=["runs"])
_BEAT = 15.0


class RunDocument(BaseModel):
    """One run; fields as in docs/journal.md."""

    id: str
    kind: str
    status: str
    sources: list[str]
    created_at: str
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    snapshots: list[str]
    error: dict[str, str] | None


class Runs(BaseModel):
    """Newest first. ``next``: cursor of the page after."""

    runs: list[RunDocument]
    next: str | None


def run_document(run: Run) -> RunDocument:
    """A run as the API tells it."""
    known: dict[str, Any] = msgspec.to_builtins(run)
    return RunDocument(**{name: known[name] for name in RunDocument.model_fields})


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.get("")
def runs(
    _who: Annotated[Identity, Depends(require("status:read"))],
    service: Annotated[Service, Depends(_service)],
    limit: int = 50,
    cursor: str | None = None,
) -> Runs:
    """Runs of the journal."""
    page = service.journal.runs(RunQuery(limit=max(1, min(limit, 500)), before=cursor))
    return Runs(runs=[run_document(run) for run in page.runs], next=page.next)


@router.get("/{run}")
def one(
    run: str, _who: Annotated[Identity, Depends(require("status:read"))], service: Annotated[Service, Depends(_service)]
) -> RunDocument:
    """One run."""
    found = service.journal.get(run)
    if found is None:
        raise NotFound(f"there is no run {run!r}")
    return run_document(found)


@router.get("/{run}/events")
def events(
    run: str, _who: Annotated[Identity, Depends(require("status:read"))], service: Annotated[Service, Depends(_service)]
) -> StreamingResponse:
    """How the run stands, at once and whenever that changes, until it is over."""
    found = service.journal.get(run)
    if found is None:
        raise NotFound(f"there is no run {run!r}")
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(_stream(service, run), media_type="text/event-stream", headers=headers)


async def _stream(service: Service, run: str) -> AsyncIterator[bytes]:
    with service.live.listening() as news:
        now = await asyncio.to_thread(service.journal.get, run)
        while now is not None:
            yield b"event: run\ndata: " + msgspec.json.encode(now) + b"\n\n"
            if now.status.over:
                return
            now = await _next(news, run) or await asyncio.to_thread(service.journal.get, run)


async def _next(news: queue.Queue[Run], run: str) -> Run | None:
    waited = 0.0
    while waited < _BEAT:
        while not news.empty():
            if (told := news.get_nowait()).id == run:
                return told
        await asyncio.sleep(0.2)
        waited += 0.2
    return None
