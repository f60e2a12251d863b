"""/api/entities and /api/trash: one thing of the application with all that belongs to it, and what was deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from holdfast.planning.names import check_label
from holdfast.service.deeds import Deed
from holdfast.service.entity_deeds import EntityBackup, EntityDelete, subject_of
from holdfast.service.noting import looked
from holdfast.service.plans import deed_order
from holdfast.service.service import Service
from holdfast.usecases.entity_finding import versions as versions_of
from holdfast.usecases.trash import Discarded
from holdfast.web.api import wishes
from holdfast.web.api.consenting import Agreed, AgreedOf
from holdfast.web.api.documents import Document, RunDocument, run_fields
from holdfast.web.api.once import Once
from holdfast.web.api.routes import (
    BackupRunner,
    Body,
    DataReader,
    Deleter,
    InPlaceRestorer,
    Limit,
    Name,
    ServiceOf,
    SnapshotReader,
    StatusReader,
    answer,
    asker_of,
)
from holdfast.web.reach import AT_THE_SOURCES, ReachOf
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity
from holdfast.wiring.build import App

router = APIRouter(prefix="/api", tags=["entities"], route_class=Once)


class Entity(Document):
    """As the configuration declares it."""

    name: str
    source: str
    root: str


class Entities(Document):
    """What the configuration declares."""

    entities: list[Entity]


class EntityVersion(Document):
    """A snapshot that has it; ``of`` "entity" or "everything"; ``row``: its root."""

    snapshot: str
    created_at: str
    of: str
    trigger: str
    title: str | None
    rows: dict[str, int]
    row: dict[str, Any] | None


class EntityVersions(Document):
    """Those of the entity alone first, then full ones, newest first."""

    versions: list[EntityVersion]


class EntityBackupBody(Body):
    """``name`` labels the snapshot, ``pin`` protects it."""

    name: Name | None = None
    pin: bool = False


class Trashed(Document):
    """What one transaction deleted. ``restored``: runs that brought rows back; ``there``: it is in place again."""

    id: str
    source: str
    at: str
    user: str
    application: str
    address: str
    operations: list[str]
    rows: int
    tables: dict[str, int]
    entity: str | None
    key: str | None
    title: str | None
    there: bool
    waiting: bool
    snapshots: list[str]
    restored: list[str]


class Trash(Document):
    """Newest first. ``more``: there are older ones than ``limit`` let through."""

    trash: list[Trashed]
    more: bool
    warnings: list[str]


@router.get("/entities", response_model=Entities)
def entities(who: StatusReader, service: ServiceOf) -> Response:
    """What entities there are."""
    known = service.settings.entities
    told = [{"name": name, "source": each.source, "root": each.root} for name, each in known.items()
            if sight.own(who, each.source)]  # fmt: skip
    return answer({"entities": told})


@router.get("/entities/{entity}/{key}/versions", response_model=EntityVersions)
def versions(entity: Name, key: Name, who: DataReader, service: ServiceOf) -> Response:
    """Every snapshot that has it."""
    with service.reading() as app:
        source = wishes.declared(app, entity, who).source
        who.require("data:read", source)
        looked(app, asker_of(who), f"versions of {entity} {key}", source, key)
        found = list(versions_of(app.repository, subject_of(app, entity, key)))
    told = [
        {"snapshot": each.entry.info.id, "created_at": each.entry.info.created_at,
         "of": "entity" if each.is_entity else "everything", "trigger": each.entry.info.trigger, "title": each.title,
         "rows": each.counts or {}, "row": each.row}
        for each in found
    ]  # fmt: skip
    return answer({"versions": told})


@router.post("/entities/{entity}/{key}/backup", status_code=202, response_model=RunDocument)
def backup(
    entity: Name,
    key: Name,
    who: BackupRunner,
    service: ServiceOf,
    agreed: AgreedOf,
    body: EntityBackupBody | None = None,
) -> Response:
    """A snapshot of it alone, with everything that belongs to it."""
    wanted = body or EntityBackupBody()
    if wanted.name is not None:
        check_label(wanted.name)

    def deed(app: App) -> Deed:
        source = wishes.declared(app, entity, who).source
        return EntityBackup(name=entity, key=key, source=source, label=wanted.name, pin=wanted.pin)

    return _started(service, who, agreed, deed)


@router.post("/entities/{entity}/{key}/restore", status_code=202, response_model=RunDocument)
def restore(
    entity: Name,
    key: Name,
    who: InPlaceRestorer,
    service: ServiceOf,
    agreed: AgreedOf,
    body: wishes.EntityRestoreBody | None = None,
) -> Response:
    """Bring it back, in one transaction. Look first: POST /api/restore-plans with what = "entity-restore"."""
    wanted = body or wishes.EntityRestoreBody()
    return _started(service, who, agreed, lambda app: wishes.entity_restore(app, entity, key, wanted, who))


@router.post("/entities/{entity}/{key}/clone", status_code=202, response_model=RunDocument)
def clone(
    entity: Name,
    key: Name,
    who: InPlaceRestorer,
    service: ServiceOf,
    agreed: AgreedOf,
    body: wishes.EntityCloneBody | None = None,
) -> Response:
    """Copy it: new ids, every reference inside rewritten."""
    wanted = body or wishes.EntityCloneBody()
    return _started(service, who, agreed, lambda app: wishes.entity_clone(app, entity, key, wanted, who))


@router.delete("/entities/{entity}/{key}", status_code=202, response_model=RunDocument)
def delete(
    entity: Name, key: Name, who: Deleter, service: ServiceOf, agreed: AgreedOf, force: bool = False
) -> Response:
    """Delete it from the application, once it is stored and was read back. The trash brings it back."""

    def deed(app: App) -> Deed:
        return EntityDelete(name=entity, key=key, source=wishes.declared(app, entity, who).source, force=force)

    return _started(service, who, agreed, deed)


@router.get("/trash", response_model=Trash, dependencies=[AT_THE_SOURCES])
def trashed(who: SnapshotReader, service: ServiceOf, reach: ReachOf, limit: Limit = 50) -> Response:
    """What was deleted: what guards kept, and entities that holdfast deleted."""
    warnings: list[str] = []
    with service.reading() as app:
        mine = [name for name in app.settings.sources if who.may("snapshot:read", name)]
        found = reach.trash(app, mine, lambda event: warnings.append(getattr(event, "text", "")))
        warnings += looked_into_trash(app, who, found[:limit])
    shown = [_trashed(sight.trashed(who, each)) for each in found[:limit]]
    return answer({"trash": shown, "more": len(found) > limit, "warnings": warnings})


def looked_into_trash(app: App, who: Identity, shown: Sequence[Discarded]) -> list[str]:
    """Note the look of somebody who is shown keys and titles; warnings when that could not be noted."""
    told = sorted({each.source for each in shown if each.entity and who.may("data:read", each.source)})
    noted = [looked(app, asker_of(who), "the trash", source) for source in told]
    return [warning for warning in noted if warning]


def _trashed(each: Discarded) -> dict[str, Any]:
    entity, key = each.entity or (None, None)
    return {
        "id": each.id, "source": each.source, "at": each.at, "user": each.by.user or "",
        "application": each.by.application or "", "address": each.by.address or "", "operations": list(each.operations),
        "rows": each.rows, "tables": dict(each.tables), "entity": entity, "key": key, "title": each.title,
        "there": each.there, "waiting": each.waiting, "snapshots": list(each.snapshots),
        "restored": list(each.restored),
    }  # fmt: skip


@router.post("/trash/{trash}/restore", status_code=202, response_model=RunDocument, dependencies=[AT_THE_SOURCES])
def untrash(
    trash: Name, who: InPlaceRestorer, service: ServiceOf, agreed: AgreedOf, body: wishes.TrashBody | None = None
) -> Response:
    """Bring back what one transaction deleted, in one transaction."""
    wanted = body or wishes.TrashBody()
    return _started(
        service, who, agreed, lambda app: wishes.trash_restore(wishes.discarded(app, trash, who), wanted)
    )


def _started(service: Service, who: Identity, agreed: Agreed, deed_of: Callable[[App], Deed]) -> Response:
    with service.reading() as app:
        deed = deed_of(app)
    who.require(deed.scope, deed.source)
    run = agreed(who, deed, "").begin(service, deed_order(deed, asker_of(who)))
    return answer(run_fields(run), 202, Location=f"/api/runs/{run.id}")
