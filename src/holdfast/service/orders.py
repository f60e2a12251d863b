"""Orders that people, schedules and programs give: a backup, a restore."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.journal.base import Journal
from holdfast.model.errors import HoldfastError, Interrupted
from holdfast.model.events import Reporter
from holdfast.model.ids import new_id, short
from holdfast.model.run import Run, RunStatus
from holdfast.model.snapshot import Notes
from holdfast.service.recording import Outcome, error_of
from holdfast.service.work import BACKUP, Order
from holdfast.usecases.backup import BackupRequest, BackupResult, backup
from holdfast.wiring.build import App
from holdfast.wiring.reporting import protect_clean
from holdfast.wiring.retaining import remember_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupWish:
    """One source. ``schedule`` and ``due_at``: the appointment it keeps. ``more``: facts for SnapshotInfo.more."""

    source: str
    trigger: str = "api"
    who: str = ""
    name: str | None = None
    pin: bool = False
    only: tuple[str, ...] = ()
    schedule: str = ""
    due_at: str | None = None
    attempt: int = 1
    retry_of: str | None = None
    run: str = field(default_factory=new_id)
    more: Notes | None = None


def backup_order(wish: BackupWish, journal: Journal | None = None) -> Order:
    """The order for it. What looks suspicious afterwards gets the last clean snapshot before it pinned."""

    def work(app: App, report: Reporter, run: Run) -> Outcome:
        app.begin_opening()
        request = BackupRequest(
            sources=app.sources((wish.source,)), name=wish.name, pin=wish.pin, trigger=wish.trigger, only=wish.only,
            created_by=wish.who, run=run.id, width=app.width, report=report, config=app.configuration.text,
            environments=app.environments, more=wish.more,
        )  # fmt: skip
        result = backup(app.repository, request)
        run.warnings += _protected(app, journal)
        remember_rules(app, (wish.source,), wish.who)
        return _outcome(app, result)

    return Order(
        kind="backup", work=work, key=f"backup:{wish.source}", sources=(wish.source,), trigger=wish.trigger,
        who=wish.who, schedule=wish.schedule, due_at=wish.due_at, attempt=wish.attempt, retry_of=wish.retry_of,
        run=wish.run, lane=BACKUP,
    )  # fmt: skip


def _protected(app: App, journal: Journal | None) -> list[str]:
    """What was pinned. A backup is no worse for not knowing whether it is suspicious."""
    try:
        pinned = protect_clean(app, journal)
        return [f"pinned snapshot {short(each)}: what came after it looks suspicious" for each in pinned]
    except HoldfastError as error:
        return [f"whether this backup is suspicious is not known: {error.what}"]


def _outcome(app: App, result: BackupResult) -> Outcome:
    if result.failures:
        error = next(iter(result.failures.values()))
        if isinstance(error, Interrupted):
            raise error
        return Outcome(status=RunStatus.FAILED, error=error_of(error, app.configuration.around.redactor))
    infos = result.snapshots
    complete = all(info.status == "complete" for info in infos)
    rows = [info.rows for info in infos]
    return Outcome(
        status=RunStatus.SUCCEEDED if complete else RunStatus.INCOMPLETE,
        numbers={
            "snapshots": [info.id for info in infos],
            "rows": None if None in rows else sum(each or 0 for each in rows),
            "items": sum(info.item_count for info in infos),
            **{
                name: sum(getattr(info, name) for info in infos)
                for name in ("bytes_source", "bytes_read", "bytes_new", "bytes_stored")
            },
        },
    )
