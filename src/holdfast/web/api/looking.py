"""/api/backups/{id}/rows and /api/sources/{name}/versions: look inside backup content. Every look is in the audit."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from holdfast.model.errors import UsageError
from holdfast.records.history import Version
from holdfast.records.naming import table_named
from holdfast.records.telling import told_row
from holdfast.repository.repository import SnapshotEntry
from holdfast.service.noting import looked
from holdfast.usecases.find import FindOrder, FindResult, find
from holdfast.usecases.history import HistoryOrder, HistoryResult, Place, RowHistory, history
from holdfast.usecases.looking import open_book
from holdfast.web.api.documents import Document
from holdfast.web.api.once import Once
from holdfast.web.api.routes import DataReader, Limit, Name, ServiceOf, Text, answer, asker_of
from holdfast.web.reach import AT_THE_SOURCES
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.sight import entry_named, own
from holdfast.wiring.build import App

router = APIRouter(prefix="/api", tags=["looking"], route_class=Once)

Item = Annotated[Name, Query(description="Table, collection or file, with or without its schema.")]
Key = Annotated[list[Name] | None, Query(description="A key, or column=value each.")]
Where = Annotated[Text | None, Query(description="A condition, as --where takes it (docs/records.md).")]


class Elsewhere(Document):
    """A snapshot that has it."""

    snapshot: str
    created_at: str
    name: str | None


class Rows(Document):
    """Rows as JSON values. ``elsewhere``: where nothing was found, the nearest snapshots that have it."""

    snapshot: str
    created_at: str
    source: str
    item: str
    rows: list[dict[str, Any]]
    more: bool
    elsewhere: list[Elsewhere]


class RowVersion(Document):
    """One state of a row, from ``snapshot`` to ``last_snapshot`` ("live": the application now)."""

    key: dict[str, Any]
    status: str
    snapshot: str
    created_at: str | None
    last_snapshot: str
    last_created_at: str | None
    snapshots: int
    row: dict[str, Any] | None
    changed: dict[str, list[Any]]


class Versions(Document):
    """Oldest first. ``snapshots``: how many were looked into; ``skipped``: which could not be, and why."""

    source: str
    item: str
    versions: list[RowVersion]
    snapshots: int
    skipped: dict[str, str]


@router.get("/backups/{backup}/rows", response_model=Rows)
def rows(
    backup: Name, who: DataReader, service: ServiceOf, item: Item, key: Key = None, where: Where = None,
    limit: Limit = 100,
) -> Response:  # fmt: skip
    """Rows of a snapshot: by key, by ``column=value``, by a condition, or the first ones."""
    if key and where is not None:
        raise UsageError("key and where exclude each other", hint="send one of them")
    with service.reading() as app:
        entry = entry_named(app.repository, backup, who, "data:read")
        looked(app, asker_of(who), f"rows of {item}", entry.info.source, entry.info.id)
        if not key and where is None:
            return answer(_first(app, entry, item, limit))
        order = FindOrder(
            snapshot=entry.info.id, item=item, words=tuple(key or ()), limit=limit, source=app.reader_of,
            where=where,
        )  # fmt: skip
        found = find(app.repository, order)
    return answer(_rows(found))


def _first(app: App, entry: SnapshotEntry, item: str, limit: int) -> dict[str, Any]:
    info = entry.info
    with open_book(app.repository, entry, app.reader_of(info)) as book:
        table = table_named(book, item)
        found = [told_row(book, table, row) for row in itertools.islice(book.rows(table), limit + 1)]
    return {
        "snapshot": info.id, "created_at": info.created_at, "source": info.source, "item": table.name,
        "rows": found[:limit], "more": len(found) > limit, "elsewhere": [],
    }  # fmt: skip


def _rows(found: FindResult) -> dict[str, Any]:
    info = found.snapshot
    return {
        "snapshot": info.id, "created_at": info.created_at, "source": info.source, "item": found.item,
        "rows": found.rows, "more": found.more,
        "elsewhere": [
            {"snapshot": each.id, "created_at": each.created_at, "name": each.name} for each in found.elsewhere
        ],
    }  # fmt: skip


@router.get("/sources/{source}/versions", response_model=Versions, dependencies=[AT_THE_SOURCES])
def versions(
    source: Name, who: DataReader, service: ServiceOf, item: Item,
    key: Annotated[list[Name], Query(description="A key, or column=value each.")], live: bool = False,
) -> Response:  # fmt: skip
    """Every version of a row over all snapshots; ``live``: also as it is in the application now."""
    with service.reading() as app:
        known = {entry.info.source for entry in app.repository.snapshots() if own(who, entry.info.source)}
        if source not in known:
            raise NotFound(f"there is no snapshot of a source {source!r}", hint="GET /api/sources")
        looked(app, asker_of(who), f"versions of a row of {item}", source)
        order = HistoryOrder(
            source_name=source, item=item, words=tuple(key), source=app.reader_of, live=app.source if live else None
        )
        found = history(app.repository, order)
    return answer(_versions(found))


def _versions(found: HistoryResult) -> dict[str, Any]:
    told = [_version(row, version) for row in found.rows for version in row.versions]
    return {
        "source": found.source, "item": found.item, "versions": told, "snapshots": found.looked_into,
        "skipped": found.skipped,
    }  # fmt: skip


def _version(row: RowHistory, version: Version[Place]) -> dict[str, Any]:
    first, last = version.first, version.last
    return {
        "key": row.key, "status": version.status, "snapshot": first.id if first else "live",
        "created_at": first.created_at if first else None, "last_snapshot": last.id if last else "live",
        "last_created_at": last.created_at if last else None, "snapshots": version.count, "row": version.row,
        "changed": {column: list(told) for column, told in version.changed.items()},
    }  # fmt: skip
