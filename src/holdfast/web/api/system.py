"""/api/status, sources, schedules, alerts, audit, checks and prunes: how things stand, and care for the repository."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from holdfast.model.alert import Alert
from holdfast.model.report import SourceReport, SystemReport
from holdfast.service.care import Check, Prune
from holdfast.service.noting import changing
from holdfast.service.plans import deed_order
from holdfast.service.service import Service
from holdfast.system import clock
from holdfast.usecases import audit
from holdfast.usecases.audit import ActQuery
from holdfast.web.api import paging
from holdfast.web.api.consenting import AgreedOf
from holdfast.web.api.documents import Document, Done, RunDocument, run_fields
from holdfast.web.api.mirroring import mirror
from holdfast.web.api.once import Once
from holdfast.web.api.routes import (
    Auditor,
    BackupRunner,
    Body,
    Configurer,
    Cursor,
    Deleter,
    Limit,
    Name,
    ServiceOf,
    StatusReader,
    Text,
    answer,
    asker_of,
)
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import Forbidden, NotFound
from holdfast.web.security.rights import seen
from holdfast.wiring.instants import instant_of
from holdfast.wiring.reporting import system_report

router = APIRouter(prefix="/api", tags=["system"], route_class=Once)


class Sources(Document):
    """Worst first."""

    sources: list[mirror(SourceReport)]  # type: ignore[valid-type]


class ScheduleDocument(Document):
    """One schedule. ``words`` as a person says it; ``state`` "waiting", "running", "again", "elsewhere"."""

    key: str
    source: str
    words: str
    next_at: str | None
    last_due: str | None
    paused: bool
    state: str


class Schedules(Document):
    """Of sources, and those of the repository's own care. ``paused``: since when, by source ("": everything)."""

    schedules: list[ScheduleDocument]
    paused: dict[str, str]


class Alerts(Document):
    """Open ones first, newest first."""

    alerts: list[mirror(Alert)]  # type: ignore[valid-type]


class AuditEntry(Document):
    """One act; ``client``: the account and machine that wrote it."""

    id: str
    client: str
    at: str
    deed: str
    who: str
    via: str
    what: str
    source: str
    subject: str
    outcome: str
    more: dict[str, Any]


class Trail(Document):
    """Newest first."""

    acts: list[AuditEntry]
    next: str | None


class Verified(Document):
    """``ok``: no entry is missing, changed or out of order, as far as the anchors reach."""

    ok: bool
    entries: int
    acts: int
    findings: list[str]


class CheckBody(Body):
    """``read_data``: share of the packs to read byte by byte, 0 to 1."""

    read_data: float = Field(default=0.0, ge=0, le=1)


@router.get("/status", response_model=mirror(SystemReport))
def status(who: StatusReader, service: ServiceOf) -> Response:
    """How everything stands now, from evidence: what would be lost, what is proven, what is wrong."""
    return answer(_report(service, who))


@router.get("/sources", response_model=Sources)
def sources(who: StatusReader, service: ServiceOf) -> Response:
    """Every source one may see, worst first."""
    return answer({"sources": _report(service, who).sources})


@router.get("/sources/{source}", response_model=mirror(SourceReport))
def source(source: Name, who: StatusReader, service: ServiceOf) -> Response:
    """One source."""
    for each in _report(service, who).sources:
        if each.source == source:
            return answer(each)
    raise NotFound(f"there is no source {source!r}", hint="GET /api/sources")


def _report(service: Service, who: Identity) -> SystemReport:
    """What one may see of the report; findings and headline of others' sources are left out."""
    with service.reading() as app:
        return seen(system_report(app, service.journal), who)


@router.get("/schedules", response_model=Schedules)
def schedules(who: StatusReader, service: ServiceOf) -> Response:
    """What runs by itself, and when next."""
    shown = [each for each in service.schedules() if sight.own(who, each.schedule.source)]
    told = [
        {"key": each.schedule.key, "source": each.schedule.source, "words": each.words,
         "next_at": clock.stamp(each.next_at) if each.next_at else None,
         "last_due": clock.stamp(each.last_due) if each.last_due else None, "paused": each.paused, "state": each.state}
        for each in shown
    ]  # fmt: skip
    return answer({"schedules": told, "paused": sight.by_source(who, service.paused())})


@router.post("/sources/{source}/pause", response_model=Done)
def pause(source: Name, who: Configurer, service: ServiceOf) -> Response:
    """Let no schedule of the source begin anything, until it is resumed. Health tells of it."""
    _require_source(service, who, source)
    what = f"schedules of {source} are paused"
    return _done(service, who, "config:pause", what, source, lambda: service.pause(source, who.name))


@router.post("/sources/{source}/resume", response_model=Done)
def resume(source: Name, who: Configurer, service: ServiceOf) -> Response:
    """Let its schedules go on."""
    _require_source(service, who, source)
    what = f"schedules of {source} go on"
    return _done(service, who, "config:resume", what, source, lambda: service.resume(source))


def _require_source(service: Service, who: Identity, source: str) -> None:
    if source not in service.settings.sources or not sight.own(who, source):
        raise NotFound(f"there is no source {source!r} in the configuration", hint="GET /api/sources")
    who.require("config", source)


def _done(
    service: Service, who: Identity, deed: str, message: str, source: str, do: Callable[[], None]
) -> Response:  # fmt: skip
    """Do it, noted before and after."""
    with service.reading() as app, changing(app, asker_of(who), deed, message, source) as noting:
        do()
    return answer(Done(message=message, warnings=noting.warnings).model_dump())


@router.get("/alerts", response_model=Alerts)
def alerts(who: StatusReader, service: ServiceOf, everything: bool = False) -> Response:
    """What is wrong, since when and who was told. ``everything``: also what is over."""
    kept = [msgspec.json.decode(text, type=Alert) for text in service.journal.recall("alert/").values()]
    shown = [each for each in sight.alerts(who, kept) if everything or each.cleared_at is None]
    shown.sort(key=lambda each: each.since, reverse=True)
    shown.sort(key=lambda each: each.cleared_at is not None)
    return answer({"alerts": shown})


@router.get("/audit", response_model=Trail)
def trail(
    who: Auditor,
    service: ServiceOf,
    deed: Annotated[list[Name] | None, Query()] = None,
    by: Annotated[list[Name] | None, Query()] = None,
    source: Annotated[list[Name] | None, Query()] = None,
    subject: Annotated[list[Name] | None, Query()] = None,
    since: Text = "",
    until: Text = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Who did what, newest first."""
    after: tuple[int, int] | None = paging.place(cursor, int, int) if cursor is not None else None
    query = ActQuery(
        deeds=deed or (), who=by or (), sources=source or (), subjects=subject or (),
        since=instant_of(since or None, "since") or "", until=instant_of(until or None, "until") or "",
    )  # fmt: skip
    with service.reading() as app:
        page, last = sight.acts_page(app.repository, query, who, limit, after)
    told = [{"id": each.id, "client": each.client, **_act(each.act)} for each in page]
    return answer({"acts": told, "next": paging.cursor(*last) if last else None})


def _act(act: Any) -> dict[str, Any]:
    return {name: getattr(act, name) for name in act.__struct_fields__}


@router.get("/audit/verify", response_model=Verified)
def verify(_who: Auditor, service: ServiceOf) -> Response:
    """Read the whole trail and hold it against what anchors it."""
    with service.reading() as app:
        told = audit.verify(app.repository)
    findings = [f"{each.what} ({each.where})" if each.where else each.what for each in told.found.findings]
    return answer({"ok": not findings, "entries": told.entries, "acts": told.acts, "findings": findings})


@router.post("/checks", status_code=202, response_model=RunDocument)
def check(who: BackupRunner, service: ServiceOf, body: CheckBody | None = None) -> Response:
    """Verify that the repository holds what it should."""
    if who.sources:
        raise Forbidden("backup:run", "every source")
    deed = Check(read_data=body.read_data if body else 0.0)
    run = service.start(deed_order(deed, asker_of(who)))
    return answer(run_fields(run), 202, Location=f"/api/runs/{run.id}")


@router.post("/prunes", status_code=202, response_model=RunDocument)
def prune(who: Deleter, service: ServiceOf, agreed: AgreedOf) -> Response:
    """Free the space of what was forgotten long enough ago."""
    if who.sources:
        raise Forbidden("delete", "every source")
    run = agreed(who, Prune(), "").begin(service, deed_order(Prune(), asker_of(who)))
    return answer(run_fields(run), 202, Location=f"/api/runs/{run.id}")
