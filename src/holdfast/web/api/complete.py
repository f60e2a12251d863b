"""A backup to its very end, as the systems before holdfast answered it: made, counted, pruned, told at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.model.errors import HoldfastError
from holdfast.model.run import Run, RunStatus
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.service.service import Service
from holdfast.system import clock
from holdfast.usecases.retention import Doing, apply, plan
from holdfast.web.api.news import News
from holdfast.web.api.routes import asker_of
from holdfast.web.api.tables import tables_of
from holdfast.web.api.taking import BackupBody, start_backups
from holdfast.web.security.identity import Identity
from holdfast.wiring.retaining import retention_request


class NotComplete(HoldfastError):
    """A run that was waited for did not succeed; its code is that of the run. ``made``: by the others, meanwhile."""

    def __init__(self, run: Run, made: Sequence[str] = ()) -> None:
        error, named = run.error, f"{', '.join(run.sources)}: " if made else ""
        what = error.what if error else "; ".join(run.warnings[:3]) or f"the run is {run.status.value}"
        why = "; ".join(filter(None, (error.why if error else "", f"made were {', '.join(made)}" if made else "")))
        super().__init__(named + what, where=error.where if error else run.id, why=why,
                         hint=error.hint if error else f"GET /api/runs/{run.id}/log")  # fmt: skip
        self.code = error.code if error else run.status.value
        self.run = run


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """``snapshots`` made, ``runs`` that made them; ``counts`` by the names that were asked for."""

    runs: Sequence[Run]
    snapshots: Sequence[SnapshotInfo]
    counts: Mapping[str, int] = field(default_factory=dict)
    pruned: int = 0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return round(sum(run.seconds or 0.0 for run in self.runs), 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``counts``: names to tables. ``trigger``: what the snapshots say why they were made."""

    body: BackupBody
    trigger: str = ""
    counts: Mapping[str, str] = field(default_factory=dict)


async def backed_up(service: Service, news: News, who: Identity, asked: Asked) -> Completed:
    """Begin, wait, count, apply retention. NotComplete when a run failed. A request that goes away stops nothing."""
    return await asyncio.shield(asyncio.ensure_future(_backed_up(service, news, who, asked)))


async def _backed_up(service: Service, news: News, who: Identity, asked: Asked) -> Completed:
    begun = await asyncio.to_thread(start_backups, service, who, asked.body, asked.trigger)
    runs = [await news.until_over(run.id) or run for run in begun]
    return await asyncio.to_thread(_told, service, who, asked, runs)


def _told(service: Service, who: Identity, asked: Asked, runs: list[Run]) -> Completed:
    made = [snapshot for run in runs for snapshot in run.snapshots]
    for run in runs:
        if run.status is not RunStatus.SUCCEEDED and not run.snapshots:
            raise NotComplete(run, made)
    with service.reading() as app:
        entries = {entry.info.id: entry.info for entry in app.repository.snapshots()}
        snapshots = [entries[each] for each in made if each in entries]
        counts = counted(app.repository, snapshots, asked.counts)
        request = retention_request(app.settings, clock.now(), tuple(dict.fromkeys(each.source for each in snapshots)))
        doing = Doing(who=who.name, via=asker_of(who).via, required=app.settings.audit.required)
        pruned = apply(app.repository, plan(app.repository, request), doing)
    bad = next((run for run in runs if run.status is not RunStatus.SUCCEEDED), None)
    if bad is not None:
        raise NotComplete(bad, made)
    return Completed(runs=runs, snapshots=snapshots, counts=counts, pruned=len(pruned))


def counted(
    repository: Repository, snapshots: Sequence[SnapshotInfo], names: Mapping[str, str]
) -> dict[str, int]:
    """Rows of the tables that ``names`` stand for, from the manifests of the snapshots."""
    found = dict.fromkeys(names, 0)
    if names:
        for info in snapshots:
            for each in tables_of(repository, info.id):
                for name, table in names.items():
                    if is_table(each["name"], table):
                        found[name] += each["rows"] or 0
    return found


def is_table(label: str, table: str) -> bool:
    """With its schema or without."""
    return label == table or ("." not in table and label.rpartition(".")[2] == table)
