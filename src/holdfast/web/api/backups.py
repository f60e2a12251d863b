"""/api/backups: snapshots, and taking one."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.repository.repository import SnapshotEntry
from holdfast.service.care import Forget
from holdfast.service.deeds import Going
from holdfast.service.noting import changing, noted
from holdfast.service.service import Service
from holdfast.usecases.forget import unforget
from holdfast.usecases.listing import ListRequest, list_snapshots
from holdfast.usecases.pin import pin, unpin
from holdfast.web.api import paging
from holdfast.web.api.consenting import AgreedOf
from holdfast.web.api.documents import BackupDetails, Backups, Done, Items, backup_fields
from holdfast.web.api.once import Once
from holdfast.web.api.routes import (
    BackupRunner,
    Cursor,
    Deleter,
    Limit,
    Name,
    ServiceOf,
    SnapshotReader,
    Text,
    answer,
    asker_of,
)
from holdfast.web.api.tables import items_of, tables_of
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.sight import entry_named, own
from holdfast.wiring.build import App
from holdfast.wiring.instants import instant_of

router = APIRouter(prefix="/api/backups", tags=["backups"], route_class=Once)
_TABLES = 500


@router.get("", response_model=Backups)
def backups(
    who: SnapshotReader,
    service: ServiceOf,
    source: Annotated[list[Name] | None, Query()] = None,
    trigger: Annotated[list[Name] | None, Query()] = None,
    status: Annotated[list[Name] | None, Query()] = None,
    since: Text = "",
    until: Text = "",
    pinned: bool | None = None,
    forgotten: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Snapshots one may see, newest first. ``since`` and ``until``: ISO 8601, UTC unless it says otherwise, or "36h".

    ``forgotten``: those that can be brought back instead.
    """
    since, until = instant_of(since or None, "since") or "", instant_of(until or None, "until") or ""
    with service.reading() as app:
        entries = list_snapshots(
            app.repository, ListRequest(configured=tuple(app.settings.sources), forgotten=forgotten)
        )

    def wanted(entry: SnapshotEntry) -> bool:
        info = entry.info
        return (
            who.may("snapshot:read", info.source)
            and (not source or info.source in source)
            and (not trigger or info.trigger in trigger)
            and (not status or info.status in status)
            and since <= info.created_at
            and (not until or info.created_at < until)
            and (pinned is None or entry.pinned == pinned)
        )

    found = [entry for entry in entries if wanted(entry)]
    page, next_ = _page(found, limit, cursor)
    return answer({"backups": [backup_fields(each) for each in page], "next": next_, "total": len(found)})


def _page(found: list[SnapshotEntry], limit: int, cursor: str | None) -> tuple[list[SnapshotEntry], str | None]:
    """By place in the log, which a snapshot keeps: the cursor names the last one seen, and its time if that is gone."""
    start = 0
    if cursor is not None:
        identifier, at = paging.place(cursor, str, str)
        places = [number for number, each in enumerate(found) if each.info.id == identifier]
        older = (number for number, each in enumerate(found) if each.info.created_at < at)
        start = places[0] + 1 if places else next(older, len(found))
    page = found[start : start + limit]
    more = len(found) > start + limit
    return page, paging.cursor(page[-1].info.id, page[-1].info.created_at) if more else None


@router.get("/{backup}", response_model=BackupDetails)
def one(backup: Name, who: SnapshotReader, service: ServiceOf) -> Response:
    """One snapshot, by id, the start of it, ``latest:SOURCE``, label or old id."""
    with service.reading() as app:
        entry = entry_named(app.repository, backup, who)
        tables = list(itertools.islice(tables_of(app.repository, entry.info.id), _TABLES + 1))
    info = entry.info
    return answer(
        {**backup_fields(entry), "not_protected": info.not_protected, "warnings": info.warnings,
         "tables": tables[:_TABLES], "tables_more": len(tables) > _TABLES}
    )  # fmt: skip


@router.get("/{backup}/items", response_model=Items)
def items(
    backup: Name, who: SnapshotReader, service: ServiceOf, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """What is in it: tables, collections, files with their rows and sizes."""
    start = paging.place(cursor, int)[0] if cursor is not None else 0
    with service.reading() as app:
        entry = entry_named(app.repository, backup, who)
        found = list(itertools.islice(items_of(app.repository, entry.info.id), start, start + limit + 1))
    return answer({"items": found[:limit], "next": paging.cursor(start + limit) if len(found) > limit else None})


@router.delete("/{backup}", response_model=Done)
def delete(backup: Name, who: Deleter, service: ServiceOf, agreed: AgreedOf) -> Response:
    """Forget a snapshot: it can be brought back (unforget) as long as the configuration says, 14 days by default."""
    with service.reading() as app:
        entry = entry_named(app.repository, backup, who, "delete")
        deed, asker = Forget(snapshots=(entry.info.id,), source=entry.info.source), asker_of(who)
        agreed(who, deed, "")
        warnings: list[str] = []
        with noted(app, asker, deed, entry.info.id, lambda event: warnings.append(getattr(event, "text", ""))):
            told = deed.do(Going(app=app, report=lambda _event: None, run=entry.info.id, who=who.name))
    if told.document["last_good"]:
        warnings.append(f"{entry.info.source} has no good snapshot left")
    return answer(
        Done(message=f"snapshot {short(entry.info.id)} is forgotten", backups=[entry.info.id], warnings=warnings)
        .model_dump()
    )  # fmt: skip


@router.post("/{backup}/unforget", response_model=Done)
def bring_back(backup: Name, who: Deleter, service: ServiceOf) -> Response:
    """Bring a forgotten snapshot back."""
    with service.reading() as app:
        gone = [each.info for each in app.repository.snapshots(forgotten=True) if each.forgotten]
        gone = [info for info in gone if own(who, info.source)]
        try:
            (info,) = names.every([backup], gone)
        except (UsageError, ValueError) as error:
            raise NotFound(f"no forgotten snapshot is {backup!r}", hint="GET /api/backups?forgotten=true") from error
        who.require("delete", info.source)
        what = f"{short(info.id)} brought back"
        with changing(app, asker_of(who), "delete:unforget", what, info.source, info.id) as noting:
            unforget(app.repository, [info.id])
    return answer(_done(f"snapshot {short(info.id)} is back", info.id, "; ".join(noting.warnings)))


@router.post("/{backup}/pin", response_model=Done)
def protect(backup: Name, who: BackupRunner, service: ServiceOf) -> Response:
    """Pin it: nothing forgets it."""
    return _pinned(backup, who, service, on=True)


@router.post("/{backup}/unpin", response_model=Done)
def unprotect(backup: Name, who: Deleter, service: ServiceOf) -> Response:
    """Take the pin away."""
    return _pinned(backup, who, service, on=False)


def _pinned(backup: str, who: Identity, service: Service, *, on: bool) -> Response:
    with service.reading() as app:
        info, warning = pinned(app, backup, who, on=on)
    return answer(_done(f"snapshot {short(info.id)} is {'' if on else 'un'}pinned", info.id, warning))


def pinned(app: App, backup: str, who: Identity, *, on: bool) -> tuple[SnapshotInfo, str]:
    """Pin a snapshot of theirs, or take the pin away, which is as dangerous as deleting; "" or a warning."""
    info = entry_named(app.repository, backup, who, "backup:run" if on else "delete").info
    deed, what = "pin:add" if on else "pin:remove", f"{'pin' if on else 'unpin'} {short(info.id)}"
    with changing(app, asker_of(who), deed, what, info.source, info.id) as noting:
        (pin if on else unpin)(app.repository, [info.id])
    return info, "; ".join(noting.warnings)


def _done(message: str, snapshot: str, warning: str) -> dict[str, Any]:
    return Done(message=message, backups=[snapshot], warnings=[warning] if warning else []).model_dump()
