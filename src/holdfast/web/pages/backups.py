"""Backups: the whole history, filtered, with how often it went well and how the size moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from holdfast.journal.base import RunQuery
from holdfast.model.run import Run, RunStatus
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import SnapshotEntry
from holdfast.usecases.listing import ListRequest, list_snapshots
from holdfast.web.pages import desk, wording
from holdfast.web.pages.looks import page
from holdfast.web.pages.trend import trend_of
from holdfast.web.security.identity import Identity, require

router = desk.pages()
_PAGE = 50
_COUNTED = 500


@router.get("/backups")
def backups(
    request: Request,
    who: Annotated[Identity, Depends(require("snapshot:read"))],
    source: str = "",
    status: str = "",
    q: str = "",
    before: str = "",
) -> HTMLResponse:  # fmt: skip
    """Newest first, as the filter says."""
    service = desk.service_of(request)
    chosen = {"source": source, "status": status, "q": q}
    with service.reading() as app:
        known = tuple(app.settings.sources)
        entries = list_snapshots(app.repository, ListRequest(configured=known))
    seen = [each for each in entries if who.may("snapshot:read", each.info.source)]
    found = [each for each in seen if _fits(each.info, chosen)]
    shown, older = _page(found, before)
    runs = service.journal.runs(RunQuery(kinds=("backup",), sources=(source,) if source else (), limit=_COUNTED)).runs
    mine = [name for name in known if who.may("snapshot:read", name)]
    sources = sorted({*mine, *(each.info.source for each in seen)})
    runs = [run for run in runs if desk.visible(who, run)]
    return page(
        request, "backups.html", who=who, entries=shown, chosen=chosen, sources=sources, figures=_figures(found, runs),
        again=desk.link("/backups", chosen, before=before), total=len(found),
        older=desk.link("/backups", chosen, before=older) if older else None,
        trend=trend_of([each.info for each in reversed(found)]) if source else None, shell=_shell(source),
    )  # fmt: skip


def _fits(info: SnapshotInfo, chosen: dict[str, str]) -> bool:
    words = f"{info.id} {info.name or ''} {info.trigger} {info.source} {info.created_by}".lower()
    return (
        (not chosen["source"] or info.source == chosen["source"])
        and (not chosen["status"] or info.status == chosen["status"])
        and (not chosen["q"] or chosen["q"].lower() in words)
    )


def _page(found: Sequence[SnapshotEntry], before: str) -> tuple[Sequence[SnapshotEntry], str]:
    """From the one after ``before`` on; the cursor stays where it is while newer ones are added."""
    first = next((number + 1 for number, each in enumerate(found) if each.info.id == before), 0)
    shown = found[first : first + _PAGE]
    return shown, shown[-1].info.id if len(found) > first + _PAGE else ""


def _figures(found: Sequence[SnapshotEntry], runs: Sequence[Run]) -> dict[str, Any]:
    over = [run for run in runs if run.status.over and run.status is not RunStatus.SKIPPED]
    good = sum(run.status is RunStatus.SUCCEEDED for run in over)
    return {
        "total": len(found), "succeeded": good, "failed": len(over) - good, "counted": len(over),
        "latest": found[0].info if found else None, "stored": sum(each.info.bytes_stored for each in found),
        "largest": max((each.info.bytes_source for each in found), default=None),
    }  # fmt: skip


def _shell(source: str) -> str:
    return wording.command("list", *(("--source", source) if source else ()))
