"""/api/cron/backup and its aliases: they wait, and answer complete, in the words of the systems before holdfast."""

# ruff: noqa: N815 - the names stand in contracts that others wrote

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from holdfast.web.api.complete import Asked, Completed, backed_up
from holdfast.web.api.old_words import Cron, CronFailure, ManualFailure, Success, failures
from holdfast.web.api.routes import BackupRunner, NewsOf, ServiceOf, answer
from holdfast.web.api.taking import BackupBody
from holdfast.wiring.sections import AliasSettings

CRON = AliasSettings(path="/api/cron/backup", answer="cron")


class CronBackup(BaseModel):
    """``rowCount`` of all tables unless the configuration maps it; ``featuredEntryCount`` as mapped, else None.

    Further names that are mapped stand beside them.
    """

    id: str
    createdAt: str
    rowCount: int | None
    featuredEntryCount: int | None = None
    model_config = ConfigDict(extra="allow")


class CronAnswer(BaseModel):
    """What a cron job gets when everything is done; ``backup`` is the first of ``backups``."""

    ok: bool
    message: str
    backup: CronBackup
    backups: list[CronBackup]
    prunedCount: int


class ManualBackup(BaseModel):
    """``size`` in bytes, ``duration`` in milliseconds."""

    id: str
    timestamp: str
    size: int
    duration: int
    model_config = ConfigDict(extra="allow")


class ManualAnswer(BaseModel):
    """What a button gets when everything is done."""

    success: bool
    message: str
    backup: ManualBackup
    backups: list[ManualBackup]
    prunedCount: int


def old_routers(aliases: tuple[AliasSettings, ...]) -> list[APIRouter]:
    """``/api/cron/backup`` and the paths of the configuration."""
    chosen = {alias.path: alias for alias in (CRON, *aliases)}
    return [cron_router(each) if each.answer == "cron" else manual_router(each) for each in chosen.values()]


def cron_router(alias: AliasSettings) -> APIRouter:
    """A path that answers as a cron endpoint, by GET and POST."""
    router = APIRouter(tags=["old contracts"], route_class=Cron)

    async def cron(who: BackupRunner, service: ServiceOf, news: NewsOf) -> Response:
        asked = Asked(body=BackupBody(sources=list(alias.sources)), trigger="cron", counts=alias.counts or {})
        done = await backed_up(service, news, who, asked)
        backups = [_cron_backup(done, number) for number in range(len(done.snapshots))]
        rows = backups[0]["rowCount"]
        message = f"backup {backups[0]['id']} made" + (f", {rows} rows" if rows is not None else "")
        return answer(
            {"ok": True, "message": message, "backup": backups[0], "backups": backups, "prunedCount": done.pruned}
        )

    for method in ("GET", "POST"):
        router.add_api_route(
            alias.path, cron, methods=[method], response_model=CronAnswer, responses=failures(CronFailure),
            operation_id=_operation(alias.path, method), summary="Take a backup, wait, and tell of it",
        )  # fmt: skip
    router.add_api_route(alias.path, _allowed, methods=["HEAD"], include_in_schema=False)
    return router


async def _allowed(_who: BackupRunner) -> Response:
    """Whether who asks would be let in, and nothing done: for ``holdfast doctor``."""
    return Response(status_code=204)


def _cron_backup(done: Completed, number: int) -> dict[str, Any]:
    info = done.snapshots[number]
    told = {"id": info.id, "createdAt": info.created_at, "rowCount": info.rows, "featuredEntryCount": None}
    return {**told, **done.counts} if number == 0 else told


def manual_router(alias: AliasSettings) -> APIRouter:
    """A path that answers as a button's endpoint."""
    router = APIRouter(tags=["old contracts"], route_class=Success)

    async def manual(who: BackupRunner, service: ServiceOf, news: NewsOf) -> Response:
        trigger = "cron" if who.kind == "secret" else "manual"
        asked = Asked(body=BackupBody(sources=list(alias.sources)), trigger=trigger, counts=alias.counts or {})
        return manual_answer(await backed_up(service, news, who, asked))

    for method in ("GET", "POST"):
        router.add_api_route(
            alias.path, manual, methods=[method], response_model=ManualAnswer, responses=failures(ManualFailure),
            operation_id=_operation(alias.path, method), summary="Take a backup, wait, and tell of it",
        )  # fmt: skip
    return router


def manual_answer(done: Completed) -> Response:
    """``{success, message, backup: {id, timestamp, size, duration}}``."""
    backups: list[dict[str, Any]] = [
        {"id": info.id, "timestamp": info.created_at, "size": info.bytes_source, "duration": round(info.seconds * 1000)}
        for info in done.snapshots
    ]
    first = {**backups[0], **done.counts}
    message = f"backup {first['id']} made in {backups[0]['duration'] / 1000:g} s"
    return answer(
        {"success": True, "message": message, "backup": first, "backups": [first, *backups[1:]],
         "prunedCount": done.pruned}
    )  # fmt: skip


def _operation(path: str, method: str) -> str:
    return f"{method.lower()}{path}".replace("/", "_").replace("-", "_")


