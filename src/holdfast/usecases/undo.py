"""Take back what a restore changed, from the snapshot it took first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from holdfast.model.errors import UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import new_id, short
from holdfast.model.plans import Action, RestorePlan, RestoreStep
from holdfast.model.records import Did
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.repository.undoing import read_undo
from holdfast.sources.base import RestoreRequest, Source
from holdfast.usecases.restore import RestoreOrder, RestoreResult, planned, restore
from holdfast.usecases.row_protection import is_row_undo
from holdfast.usecases.row_undo import RowUndoOrder, undo_rows
from holdfast.usecases.settling import Settle, anything

# Fewer could mean a run that somebody else made a moment ago.
_DIGITS = 4
_ACTIONS = {Did.ADDED: Action.CREATE, Did.CHANGED: Action.OVERWRITE, Did.REMOVED: Action.DELETE}


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoOrder:
    """``run``: id of the restore, or the start of it. ``source``: finds the source a snapshot's name stands for.

    ``force``: rows that were restored one by one are taken back even when somebody changed them since.
    """

    run: str
    source: Callable[[SnapshotInfo], Source]
    dry_run: bool = False
    force: bool = False
    created_by: str = ""
    report: Reporter = silent
    new_run: str = field(default_factory=new_id)
    settle: Settle = anything


def undo(repository: Repository, order: UndoOrder) -> RestoreResult:
    """Make what the restore touched exactly as it was, and remove what it created. Can itself be undone.

    What the restore neither touched nor created stays, also where nothing existed before it.
    """
    entry = _before(repository, order.run)
    if is_row_undo(entry.info):
        return _undo_rows(repository, entry, order)
    noted = entry.info.undo or {}
    reader = repository.reader()
    kept = read_undo(repository.manifest(entry, reader), reader)
    only = (*noted.get("only", ()), *kept.only)
    request = RestoreRequest(
        label=f"undo-{short(order.run)}",
        to=noted.get("to"),
        in_place=True,
        overwrite=True,
        exact=bool(only),  # no pattern means that nothing was touched, not that everything was
        only=only,
        undo_created=tuple(kept.created),
        report=order.report,
    )
    return restore(
        repository,
        RestoreOrder(
            entry=entry,
            source=order.source(entry.info),
            request=request,
            dry_run=order.dry_run,
            created_by=order.created_by,
            run=order.new_run,
            report=order.report,
            settle=order.settle,
        ),
    )


def _undo_rows(repository: Repository, entry: SnapshotEntry, order: UndoOrder) -> RestoreResult:
    started = time.monotonic()
    done = undo_rows(
        repository,
        RowUndoOrder(
            entry=entry, source=order.source(entry.info), dry_run=order.dry_run, force=order.force,
            created_by=order.created_by, report=order.report, run=order.new_run, settle=order.settle,
        ),
    )  # fmt: skip
    counted = Counter((change.table, change.did) for change in done.changes)
    steps = tuple(
        RestoreStep(item=table.encode(), kind="rows", action=_ACTIONS[did], rows=number)
        for (table, did), number in sorted(counted.items(), key=lambda each: (each[0][0], each[0][1].value))
    )
    refusals = () if order.force or not order.dry_run else tuple(done.conflicts)
    plan = RestorePlan(target=done.target, in_place=True, steps=steps, refusals=refusals)
    result = RestoreResult(
        run=done.run, snapshot=done.snapshot, dry_run=done.dry_run, target=done.target, plan=plan, undo=done.undo,
        verified=not done.dry_run, items=planned(plan),
        warnings=[*(done.conflicts if order.force else ()), *done.warnings],
    )  # fmt: skip
    if not done.dry_run:
        result.items = [replace(item, status="ok") for item in result.items]
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _before(repository: Repository, run: str) -> SnapshotEntry:
    if len(run) < _DIGITS:
        raise UsageError("that is too little to name a run", hint=f"give at least {_DIGITS} digits: holdfast list")
    found = [
        entry
        for entry in repository.snapshots()
        if entry.info.trigger == "pre-restore" and entry.info.undo is not None and entry.info.run.startswith(run)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several runs begin with {run}", hint="give more digits: holdfast list")
    raise UsageError(
        f"there is nothing to undo for run {run}",
        why="a restore into a new place changes nothing that exists, so it keeps no undo",
        hint="holdfast list --json shows the runs with trigger pre-restore",
    )
