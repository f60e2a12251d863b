"""POST /api/backups, its test and its restore as the systems before holdfast had them: they wait when asked to."""

# ruff: noqa: N815 - the names stand in contracts that others wrote

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.ids import short
from holdfast.model.run import Run, RunStatus
from holdfast.model.snapshot import SnapshotInfo
from holdfast.service.deeds import Deed
from holdfast.service.entity_deeds import EntityClone, EntityRestore
from holdfast.service.plans import Plans, deed_order
from holdfast.service.restores import restore_deed
from holdfast.service.service import Service
from holdfast.usecases import doctor
from holdfast.usecases.doctor import Line
from holdfast.web.api.complete import Asked, NotComplete, backed_up
from holdfast.web.api.consenting import AgreedOf
from holdfast.web.api.documents import Document, Runs
from holdfast.web.api.news import News
from holdfast.web.api.old_cron import ManualAnswer, manual_answer
from holdfast.web.api.old_restores import OldRestoreAnswer, told
from holdfast.web.api.old_words import ManualFailure, Success, Waiting, failures
from holdfast.web.api.routes import (
    BackupRunner,
    Body,
    InPlaceRestorer,
    Name,
    NewsOf,
    PlansOf,
    ServiceOf,
    answer,
    asker_of,
)
from holdfast.web.api.taking import BackupBody, start_backups, started
from holdfast.web.reach import AT_THE_SOURCES
from holdfast.web.security.identity import Identity
from holdfast.web.security.sight import entry_named
from holdfast.wiring.build import App
from holdfast.wiring.restoring import RestoreWish

taking = APIRouter(prefix="/api/backups", tags=["backups"], route_class=Waiting)
router = APIRouter(prefix="/api/backups", tags=["old contracts"], route_class=Success)


class TestLine(Document):
    """One thing looked at: ``level`` "ok", "warn" or "fail"; ``mend`` the command that mends it."""

    area: str
    level: str
    what: str
    mend: str


class TestAnswer(Document):
    """``success``: a backup could be made now."""

    success: bool
    message: str
    checks: list[TestLine]


class OldRestoreBody(Body):
    """``specificCollections``: only these tables or collections. ``newEventId``: as a new one under this id.

    ``skipExistingRecords``: rows that are there and differ stay; else they are why nothing is done.
    """

    dryRun: bool = False
    specificCollections: list[Name] | None = None
    newEventId: Name | int | None = None
    skipExistingRecords: bool = False


@taking.post(
    "", status_code=202, response_model=Runs, responses={200: {"model": ManualAnswer, "description": "With wait=1"}}
)
async def back_up(
    who: BackupRunner, service: ServiceOf, news: NewsOf, body: BackupBody | None = None,
    wait: Annotated[bool, Query(description="Answer when it is made, in the words of the old contract.")] = False,
) -> Response:  # fmt: skip
    """Take a snapshot of each source: a run for each, at once. 409 when all of them are at it already."""
    wanted = body or BackupBody()
    if wait:
        return manual_answer(await backed_up(service, news, who, Asked(body=wanted)))
    return started(await asyncio.to_thread(start_backups, service, who, wanted))


@router.post(
    "/test", response_model=TestAnswer, responses=failures(ManualFailure), dependencies=[AT_THE_SOURCES]
)
def test(who: BackupRunner, service: ServiceOf) -> Response:
    """Look whether a backup could be made now: the store, the folders, every source."""
    with contextlib.closing(App(service.configuration, ask=lambda _url: None)) as app:
        lines = _looked(app, [name for name in app.settings.sources if who.may("backup:run", name)])
    clean = service.configuration.around.redactor.clean
    checks = [{name: clean(text) for name, text in dataclasses.asdict(each).items()} for each in lines]
    bad = [each for each in checks if each["level"] == "fail"]
    message = f"{bad[0]['area']}: {bad[0]['what']}" if bad else "a backup can be made now"
    return answer({"success": not bad, "message": message, "checks": checks})


def _looked(app: App, sources: list[str]) -> list[Line]:
    lines = [
        doctor.folder("cache", app.places.cache, "HOLDFAST_CACHE_DIR"),
        doctor.folder("state", app.places.state, "HOLDFAST_STATE_DIR"),
    ]
    try:
        lines += doctor.store(app.storage)
        lines.append(Line(area="repository", level="ok", what=f"{len(app.repository.snapshots())} snapshots"))
    except HoldfastError as error:
        lines.append(doctor.failed("repository", error))
    for name in sources:
        lines += doctor.source(name, lambda name=name: app.source(name))  # type: ignore[misc]
    return lines


@router.post("/{backup}/restore", response_model=OldRestoreAnswer, responses=failures(ManualFailure))
async def restore(
    backup: Name, who: InPlaceRestorer, service: ServiceOf, plans: PlansOf, news: NewsOf,
    agreed: AgreedOf, body: OldRestoreBody | None = None,
) -> Response:  # fmt: skip
    """Bring an entity, or what is missing of its source, back in place: waits, and answers complete.

    A snapshot of everything is restored without overwriting. It can be taken back: POST /api/restores/{run}/undo.
    """
    wanted = body or OldRestoreBody()
    deed, info = await asyncio.to_thread(_deed, service, who, backup, wanted)
    if wanted.dryRun:
        work = _previewed(service, plans, news, who, deed)
    else:
        agreement = await asyncio.to_thread(agreed, who, deed, "")
        work = _done(news, agreement.begin(service, deed_order(deed, asker_of(who))))
    run, document = await asyncio.shield(asyncio.ensure_future(work))
    return answer(told(document, run, info, service.settings.serve.aliases, dry=wanted.dryRun))


def _deed(service: Service, who: Identity, backup: str, wanted: OldRestoreBody) -> tuple[Deed, SnapshotInfo]:
    with service.reading() as app:
        info = entry_named(app.repository, backup, who, "restore:in-place").info
        only = tuple(wanted.specificCollections or ())
        entity = (info.more or {}).get("entity")
        if entity is None:
            if wanted.newEventId is not None:
                raise UsageError(f"{short(info.id)} was not taken of one entity, so newEventId cannot be meant")
            return restore_deed(app, RestoreWish(snapshot=info.id, in_place=True, only=only)), info
    name, key = str(entity["name"]), ",".join(map(str, entity["key"]))
    if wanted.newEventId is not None:
        if only or wanted.skipExistingRecords:
            raise UsageError("newEventId makes a new one: collections and existing records do not apply")
        return EntityClone(name=name, key=key, source=info.source, as_=str(wanted.newEventId), from_=info.id), info
    existing = "skip" if wanted.skipExistingRecords else "refuse"
    return EntityRestore(name=name, key=key, source=info.source, from_=info.id, only=only, existing=existing), info


async def _previewed(
    service: Service, plans: Plans, news: News, who: Identity, deed: Deed
) -> tuple[Run, dict[str, Any]]:
    begun = service.start(plans.order(deed, asker_of(who)))
    run = await news.until_over(begun.id) or begun
    made = plans.get(run.id)
    if made is None:
        raise NotComplete(run)
    return run, made.told.document


async def _done(news: News, begun: Run) -> tuple[Run, dict[str, Any]]:
    run = await news.until_over(begun.id) or begun
    if run.status not in (RunStatus.SUCCEEDED, RunStatus.INCOMPLETE):
        raise NotComplete(run)
    return run, run.more.get("result") or {}
