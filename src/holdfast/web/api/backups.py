"""/api/backups: snapshots, and taking one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from holdfast.model.snapshot import SnapshotInfo
from holdfast.service.orders import BackupWish
from holdfast.service.service import Service
from holdfast.usecases.listing import ListRequest, list_snapshots
from holdfast.web.api.runs import RunDocument, run_document
from holdfast.web.security.identity import Identity, require

router = APIRouter(prefix="/api/backups", tags=["backups"])


class Backup(BaseModel):
    """One snapshot."""

    id: str
    source: str
    created_at: str
    trigger: str
    status: str
    rows: int | None
    items: int
    bytes_source: int
    pinned: bool


class Backups(BaseModel):
    """Newest first."""

    backups: list[Backup]


class BackupRequestBody(BaseModel):
    """Which sources; none: all."""

    sources: list[str] = []


def service_of(request: Request) -> Service:
    """The service this application is the face of."""
    service: Service = request.app.state.service
    return service


@router.get("")
def backups(
    who: Annotated[Identity, Depends(require("snapshot:read"))], service: Annotated[Service, Depends(service_of)]
) -> Backups:
    """Every snapshot one may see."""
    with service.reading() as app:
        entries = list_snapshots(app.repository, ListRequest(configured=tuple(app.settings.sources)))
    seen = [each for each in entries if who.may("snapshot:read", each.info.source)]
    return Backups(backups=[_backup(each.info, each.pinned) for each in seen])


@router.post("", status_code=202)
def back_up(
    body: BackupRequestBody,
    who: Annotated[Identity, Depends(require("backup:run"))],
    service: Annotated[Service, Depends(service_of)],
) -> list[RunDocument]:
    """Take a snapshot of each source; answers at once with the runs."""
    wanted = body.sources or list(service.settings.sources)
    for source in wanted:
        who.require("backup:run", source)
    return [run_document(service.back_up(BackupWish(source=source, who=who.name))) for source in wanted]


def _backup(info: SnapshotInfo, pinned: bool) -> Backup:
    return Backup(
        id=info.id, source=info.source, created_at=info.created_at, trigger=info.trigger, status=info.status,
        rows=info.rows, items=info.item_count, bytes_source=info.bytes_source, pinned=pinned,
    )  # fmt: skip
