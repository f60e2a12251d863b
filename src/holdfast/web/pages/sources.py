"""Sources: how fresh each is, its last thirty days, how it grows, and a backup right now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.journal.base import RunQuery
from holdfast.model.report import SourceReport
from holdfast.model.snapshot import SnapshotInfo
from holdfast.service.orders import BackupWish
from holdfast.web.pages import desk
from holdfast.web.pages.looks import page
from holdfast.web.pages.trend import trend_of
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound
from holdfast.wiring.build import App

router = desk.pages()
_TREND = 60
_PAGE = 40
_RUNS = 8
_TOLD = ("backup", "restore", "undo", "entity-restore", "entity-delete", "trash-restore", "check")


@router.get("/sources")
def sources(
    request: Request, who: Annotated[Identity, Depends(require("status:read"))], q: str = "", start: int = 0
) -> HTMLResponse:  # fmt: skip
    """All of them, worst first, by pages; ``q``: whose name, kind, tier or environment holds it."""
    with desk.service_of(request).reading() as app:
        report = desk.report(request, app, who)
        found = [each for each in report.sources if q.lower() in _words(each)]
        shown = found[max(0, start) : max(0, start) + _PAGE]
        trends = _trends(app, [each.source for each in shown])
    more = desk.link("/sources", {"q": q}, start=start + _PAGE) if len(found) > start + _PAGE else None
    again = desk.link("/sources", {"q": q}, start=start or None)
    return page(
        request, "sources.html", who=who, found=shown, trends=trends, more=more, again=again, q=q, total=len(found),
        many=len(report.sources) > _PAGE or bool(q), as_of=report.as_of,
    )  # fmt: skip


def _words(each: SourceReport) -> str:
    return f"{each.source} {each.kind} {each.tier or ''} {each.environment}".lower()


def _trends(app: App, names: Sequence[str]) -> dict[str, list[float]]:
    """Sizes by source, gone through once for all of them."""
    by_source: dict[str, list[SnapshotInfo]] = {name: [] for name in names}
    for entry in app.repository.snapshots():
        info = entry.info
        if info.source in by_source and info.status == "complete" and not info.partial:
            by_source[info.source].append(info)
    return {name: sizes(infos) for name, infos in by_source.items()}


@router.get("/sources/{name}")
def source(request: Request, name: str, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """One source: everything there is to say about it."""
    who.require("status:read", name)
    service = desk.service_of(request)
    with service.reading() as app:
        report = desk.report(request, app, who)
        snapshots = _complete(app, name)
    found = next((each for each in report.sources if each.source == name), None)
    if found is None:
        raise NotFound(f"there is no source {name!r}", hint="holdfast status lists them")
    runs = service.journal.runs(RunQuery(sources=(name,), kinds=_TOLD, limit=_RUNS)).runs
    return page(
        request, "source.html", who=who, each=found, trend=trend_of(snapshots), runs=runs, as_of=report.as_of,
        words=[each.words for each in service.schedules() if each.schedule.source == name],
    )  # fmt: skip


@router.post("/sources/{name}/backup")
def back_up(
    request: Request, name: str, who: Annotated[Identity, Depends(require("backup:run"))]
) -> RedirectResponse:  # fmt: skip
    """Take a snapshot now, and see it happen."""
    who.require("backup:run", name)
    run = desk.service_of(request).back_up(BackupWish(source=name, trigger="manual", who=who.name))
    return desk.to(f"/runs/{run.id}")


def sizes(snapshots: Sequence[SnapshotInfo]) -> list[float]:
    """How large the data was, oldest first."""
    return [float(info.bytes_source) for info in snapshots[-_TREND:]]


def _complete(app: App, name: str) -> list[SnapshotInfo]:
    found = [entry.info for entry in app.repository.snapshots() if entry.info.source == name]
    return [info for info in found if info.status == "complete" and not info.partial]
