"""Runs: everything holdfast did or tried, and one of them while it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from holdfast.journal.base import RunQuery
from holdfast.model.run import RunStatus
from holdfast.web.api.runs import interrupted, run_named
from holdfast.web.pages import desk, wording
from holdfast.web.pages.looks import page
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound

router = desk.pages()
_PAGE = 50
_LINES = 1000
KINDS = ("backup", "restore", "undo", "check", "prune", "forget", "ship")


@router.get("/runs")
def runs(
    request: Request,
    who: Annotated[Identity, Depends(require("status:read"))],
    source: str = "",
    kind: str = "",
    status: str = "",
    before: str = "",
) -> HTMLResponse:  # fmt: skip
    """Newest first, as the filter says."""
    service = desk.service_of(request)
    chosen = {"source": source, "kind": kind, "status": status}
    query = RunQuery(
        sources=(source,) if source else (), kinds=(kind,) if kind else (), statuses=(status,) if status else (),
        limit=_PAGE, before=before or None,
    )  # fmt: skip
    found = service.journal.runs(query)
    older = desk.link("/runs", chosen, before=found.next) if found.next else None
    return page(
        request, "runs.html", who=who, runs=[run for run in found.runs if desk.visible(who, run)], chosen=chosen,
        again=desk.link("/runs", chosen, before=before), older=older,
        sources=[each for each in service.settings.sources if who.may("status:read", each)],
        kinds=KINDS, shell=_shell(source, status), statuses=[each.value for each in RunStatus],
    )  # fmt: skip


@router.get("/runs/{run}")
def one(request: Request, run: str, who: Annotated[Identity, Depends(require("status:read"))]) -> HTMLResponse:
    """One run: phases, numbers, log, and what went wrong."""
    service = desk.service_of(request)
    found = service.journal.get(run)
    if found is None or not desk.visible(who, found):
        raise NotFound(f"there is no run {run!r}", hint="holdfast runs lists them")
    return page(request, "run.html", who=who, run=found, lines=service.journal.lines(run, limit=_LINES))


@router.post("/runs/{run}/stop")
def stop(
    request: Request, run: str, who: Annotated[Identity, Depends(require("backup:run"))]
) -> RedirectResponse:  # fmt: skip
    """Ask it to stop as soon as it can do so cleanly."""
    service = desk.service_of(request)
    interrupted(service, who, run_named(service, who, run))
    return desk.to(f"/runs/{run}")


def _shell(source: str, status: str) -> str:
    filters = [word for name, value in (("--source", source), ("--status", status)) if value for word in (name, value)]
    return wording.command("runs", *filters)
