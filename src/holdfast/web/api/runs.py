"""/api/runs: what ran, what runs, and its progress as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from holdfast.journal.base import RunQuery
from holdfast.model.errors import HoldfastError
from holdfast.model.run import Run
from holdfast.service.service import Service
from holdfast.web.api.documents import Log, RunDocument, Runs, run_fields
from holdfast.web.api.news import News, heard
from holdfast.web.api.once import Once
from holdfast.web.api.routes import BackupRunner, Cursor, Limit, Name, NewsOf, ServiceOf, StatusReader, Text, answer
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.sight import run_seen
from holdfast.web.security.standing import LOOK, Standing
from holdfast.wiring.instants import instant_of

router = APIRouter(prefix="/api/runs", tags=["runs"], route_class=Once)
live = APIRouter(prefix="/api", tags=["runs"], route_class=Once)
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`event: run` with `data:` a run; a comment every 15 seconds",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
_TO_STOP = {
    "restore": "restore:in-place", "undo": "restore:in-place", "entity-restore": "restore:in-place",
    "entity-clone": "restore:in-place", "trash-restore": "restore:in-place", "entity-delete": "delete",
    "prune": "delete", "forget": "delete",
}  # fmt: skip
"""By kind of run, the right that stopping it needs."""


class NotStoppable(HoldfastError):
    """A run that is over, or that goes on in another process."""

    code = "not-stoppable"


def run_named(service: Service, who: Identity, run: str) -> Run:
    """One run. NotFound when there is none, or it is not theirs to see."""
    found = service.journal.get(run)
    if found is None or not run_seen(who, found):
        raise NotFound(f"there is no run {run!r}", hint="GET /api/runs")
    return found


@router.get("", response_model=Runs)
def runs(
    who: StatusReader,
    service: ServiceOf,
    source: Annotated[list[Name] | None, Query()] = None,
    kind: Annotated[list[Name] | None, Query()] = None,
    status: Annotated[list[Name] | None, Query()] = None,
    since: Text | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Runs of the journal, newest first."""
    sources = [each for each in source or () if not who.sources or each in who.sources]
    if (source or who.sources) and not sources:
        sources = sorted(who.sources) if not source else [""]
    query = RunQuery(
        sources=sources, kinds=kind or (), statuses=status or (), since=instant_of(since or None, "since"), limit=limit,
        before=cursor,
    )  # fmt: skip
    page = service.journal.runs(query)
    return answer({"runs": [run_fields(run) for run in page.runs if run_seen(who, run)], "next": page.next})


@router.get("/{run}", response_model=RunDocument)
def one(run: Name, who: StatusReader, service: ServiceOf) -> Response:
    """One run."""
    return answer(run_fields(run_named(service, who, run)))


@router.get("/{run}/log", response_model=Log)
def log(
    run: Name, who: StatusReader, service: ServiceOf, after: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Limit = 500,
) -> Response:  # fmt: skip
    """What it said."""
    lines = list(service.journal.lines(run_named(service, who, run).id, after, limit + 1))
    page = lines[:limit]
    return answer({"lines": msgspec.to_builtins(page), "next": page[-1].number if len(lines) > limit else None})


@router.post("/{run}/cancel", status_code=202, response_model=RunDocument)
def cancel(run: Name, who: BackupRunner, service: ServiceOf) -> Response:
    """Ask a run to stop: what it stored is kept and used by the next one. 409 when it cannot be asked.

    Restores need the right to restore, prunes that to delete.
    """
    found = run_named(service, who, run)
    if not interrupted(service, who, found):
        raise NotStoppable(
            "this run cannot be stopped", where=found.id, why=f"it is {found.status}",
            hint="only a running run of this process can",
        )  # fmt: skip
    return answer(run_fields(found), 202, Location=f"/api/runs/{found.id}")


def interrupted(service: Service, who: Identity, run: Run) -> bool:
    """Ask a run of theirs to stop; False when it cannot be asked. Forbidden without the right to begin the like."""
    for source in run.sources or [""]:
        who.require(_TO_STOP.get(run.kind, "backup:run"), source)
    return not run.status.over and service.interrupt(run.id)


@router.get("/{run}/events", response_class=StreamingResponse, responses=EVENTS)
def events(run: Name, who: StatusReader, service: ServiceOf, news: NewsOf, request: Request) -> StreamingResponse:
    """How the run stands, at once and whenever that changes, until it is over, or the rights of who hears are."""
    found = run_named(service, who, run)
    return _stream(_told(news, Standing(request, who), found))


@live.get("/events", response_class=StreamingResponse, responses=EVENTS)
def all_events(who: StatusReader, news: NewsOf, request: Request) -> StreamingResponse:
    """Every change of every run one may see, from now on, until the rights of who hears end."""
    return _stream(_all(news, Standing(request, who)))


def _stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _told(news: News, standing: Standing, run: Run) -> AsyncIterator[bytes]:
    with news.listening(lambda told: told.id == run.id) as listener:
        now = heard(run)
        while (who := await standing.now()) is not None and run_seen(who, now.run):
            yield now.event
            if now.run.status.over:
                return
            told = await listener.take(LOOK)
            now = told[-1] if told else heard(await news.looked_up(run.id) or now.run)


async def _all(news: News, standing: Standing) -> AsyncIterator[bytes]:
    yield b": listening\n\n"
    async for event in news.events_of(standing, run_seen):
        yield event
