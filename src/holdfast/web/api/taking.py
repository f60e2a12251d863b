"""Backups begun on request: a run for each source."""

from __future__ import annotations

from fastapi.responses import Response
from pydantic import Field

from holdfast.model.errors import RepositoryBusy, UsageError
from holdfast.model.run import Run
from holdfast.planning import names
from holdfast.service.orders import BackupWish
from holdfast.service.service import Service
from holdfast.web.api.documents import run_fields
from holdfast.web.api.routes import Body, Name, answer, asker_of
from holdfast.web.security.identity import Identity


class BackupBody(Body):
    """``sources`` empty: all. ``name`` labels the snapshots, ``pin`` protects them, ``only`` limits the items."""

    sources: list[Name] = Field(default_factory=list)
    name: Name | None = None
    pin: bool = False
    only: list[Name] = Field(default_factory=list)


def start_backups(service: Service, who: Identity, body: BackupBody, trigger: str = "") -> list[Run]:
    """A run for each source. UsageError without any, RepositoryBusy when none could be begun."""
    wanted = list(dict.fromkeys(body.sources or service.settings.sources))
    if not wanted:
        raise UsageError("the configuration names no source", hint="add one: [sources.shop]")
    for source in wanted:
        who.require("backup:run", source)
        if source not in service.settings.sources:
            raise UsageError(f"there is no source {source!r}", why=f"known: {', '.join(service.settings.sources)}")
    if body.name is not None:
        names.check_label(body.name)
    runs: list[Run] = []
    busy: RepositoryBusy | None = None
    for source in wanted:
        wish = BackupWish(
            source=source, who=who.name, trigger=trigger or asker_of(who).trigger, name=body.name, pin=body.pin,
            only=tuple(body.only),
        )  # fmt: skip
        try:
            runs.append(service.back_up(wish))
        except RepositoryBusy as error:
            busy = error
    if busy is not None and not runs:
        raise busy
    return runs


def started(runs: list[Run]) -> Response:
    """202 with the runs."""
    document = {"runs": [run_fields(run) for run in runs], "next": None}
    return answer(document, 202, Location=f"/api/runs/{runs[0].id}")
