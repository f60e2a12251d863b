"""Take back what a restore changed, from the snapshot it took first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.model.errors import UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import new_id, short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.repository.undoing import read_undo
from holdfast.sources.base import RestoreRequest, Source
from holdfast.usecases.restore import RestoreOrder, RestoreResult, restore

# Fewer could mean a run that somebody else made a moment ago.
_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoOrder:
    """``run``: id of the restore, or the start of it. ``source``: finds the source a snapshot's name stands for."""

    run: str
    source: Callable[[SnapshotInfo], Source]
    dry_run: bool = False
    created_by: str = ""
    report: Reporter = silent
    new_run: str = field(default_factory=new_id)


def undo(repository: Repository, order: UndoOrder) -> RestoreResult:
    """Make what the restore touched exactly as it was, and remove what it created. Can itself be undone.

    What the restore neither touched nor created stays, also where nothing existed before it.
    """
    entry = _before(repository, order.run)
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
        ),
    )


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
