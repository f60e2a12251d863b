"""Backup: one snapshot, what is in it, what changed since the one before, and what may be done with it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.model.snapshot import Item
from holdfast.repository.repository import SnapshotEntry
from holdfast.service.care import Forget
from holdfast.usecases.diff import DiffOrder, diff
from holdfast.web.api import backups
from holdfast.web.pages import desk, wording
from holdfast.web.pages.looks import page
from holdfast.web.reach import AT_THE_SOURCES
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound
from holdfast.wiring.build import App

router = desk.pages()
_ITEMS = 100
_CHANGED_ROWS = 50


@router.get("/backups/{snapshot}")
def backup(
    request: Request,
    snapshot: str,
    who: Annotated[Identity, Depends(require("snapshot:read"))],
    q: str = "",
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> HTMLResponse:  # fmt: skip
    """Facts and items."""
    with desk.service_of(request).reading() as app:
        entry = desk.entry_of(app, who, snapshot)
        items = list(itertools.islice(_items(app, entry, q), max(0, start), max(0, start) + _ITEMS + 1))
        before, after = _neighbours(app, entry)
        undelete = wording.span(app.settings.running.undelete.total_seconds())
    path = f"/backups/{entry.info.id}"
    more = desk.link(path, {"q": q}, start=start + _ITEMS) if len(items) > _ITEMS else None
    return page(
        request, "backup.html", who=who, entry=entry, info=entry.info, items=items[:_ITEMS], q=q, more=more,
        before=before, after=after, undelete=undelete,
    )  # fmt: skip


def _items(app: App, entry: SnapshotEntry, wanted: str) -> Iterator[Item]:
    found = (item for item in app.repository.manifest(entry).items() if not item.part)
    return (item for item in found if wanted.lower() in item.label.lower())


def _neighbours(app: App, entry: SnapshotEntry) -> tuple[SnapshotEntry | None, SnapshotEntry | None]:
    """The whole snapshots of the same source before and after."""
    mine = [each for each in app.repository.snapshots() if each.info.source == entry.info.source]
    at = next(number for number, each in enumerate(mine) if each.info.id == entry.info.id)
    before = next((each for each in reversed(mine[:at]) if not each.info.partial), None)
    return before, next((each for each in mine[at + 1 :] if not each.info.partial), None)


@router.get("/backups/{snapshot}/changes", dependencies=[AT_THE_SOURCES])
def changes(
    request: Request, snapshot: str, who: Annotated[Identity, Depends(require("data:read"))], table: str = ""
) -> HTMLResponse:  # fmt: skip
    """What is not the same as in the snapshot before: counts of every table, rows of one."""
    with desk.service_of(request).reading() as app:
        entry = desk.entry_of(app, who, snapshot, "data:read")
        before, _after = _neighbours(app, entry)
        if before is None:
            raise NotFound("there is no snapshot of this source before that one")
        warning = desk.look(app, who, f"changes of {table or 'all tables'}", entry.info.source, entry.info.id)
        order = DiffOrder(
            before=before.info.id, after=entry.info.id, items=(table,) if table else (),
            limit=_CHANGED_ROWS if table else 0, source=app.reader_of, live=app.source,
        )  # fmt: skip
        result = diff(app.repository, order)
    return page(
        request, "changes.html", who=who, info=entry.info, before=before.info, result=result, table=table,
        warning=warning,
    )  # fmt: skip


@router.post("/backups/{snapshot}/pin")
def pin(
    request: Request, snapshot: str, who: Annotated[Identity, Depends(require("backup:run"))],
    pinned: Annotated[str, Form()] = "yes",
) -> RedirectResponse:  # fmt: skip
    """Keep it whatever the policy says, or no longer."""
    with desk.service_of(request).reading() as app:
        info, _warning = backups.pinned(app, snapshot, who, on=pinned == "yes")
    return desk.to(f"/backups/{info.id}")


@router.post("/backups/{snapshot}/forget")
def forget(
    request: Request, snapshot: str, who: Annotated[Identity, Depends(require("delete"))]
) -> RedirectResponse:  # fmt: skip
    """See what forgetting it would mean."""
    with desk.service_of(request).reading() as app:
        info = desk.entry_of(app, who, snapshot, "delete").info
    return desk.plan(request, who, Forget(snapshots=(info.id,), source=info.source))
