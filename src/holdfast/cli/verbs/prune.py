"""``holdfast prune``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import click

from holdfast.cli import ask, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import StorageFull
from holdfast.model.prune import Fate, PrunePlan, Reprieve
from holdfast.usecases.prune import PruneRequest, PruneResult
from holdfast.usecases.prune import prune as tidy_up
from holdfast.wiring.build import App
from holdfast.wiring.freeing import held, why_held
from holdfast.wiring.journals import reading

_EXAMPLES = """
holdfast prune --dry-run
holdfast prune --yes
holdfast prune --now
"""


@verb("prune", examples=_EXAMPLES, plans=True)
@click.option("--now", is_flag=True, help="Also what was forgotten a short while ago: it cannot be brought back then.")
@click.option("--despite-hold", is_flag=True, help="Although a snapshot looks suspicious, or the clock wrong.")
def prune(face: Face, now: bool, despite_hold: bool) -> None:
    """Free the space nothing needs any more.

    Only what forget dropped is freed, and only when that is 14 days ago ([running] undelete) or with --now; it may run
    beside backups and restores, which then hold back what they might need until a later prune. While a snapshot looks
    suspicious, or the clock wrong, nothing is freed without --despite-hold: what was forgotten may be what was right.
    """
    with opened(face) as app, shown(face) as report, _told_when_full():
        grace = None if now else app.settings.running.undelete
        _look_first(face, app, grace, despite_hold=despite_hold)
        result = tidy_up(app.repository, PruneRequest(dry_run=True, grace=grace, report=report))
        face.lines(result.plan.summary())
        if face.verbosity > 0:
            face.lines(result.plan.details())
        if not face.dry_run and not result.plan.idle:
            _confirm(face, result.plan)
            result = tidy_up(app.repository, PruneRequest(grace=grace, report=report))
    face.document(_document(result, dry_run=face.dry_run))
    if result.reprieve is not None:
        _tell_reprieve(face, result.reprieve)
    if not face.dry_run and not result.plan.idle:
        face.line(f"freed {words.size(result.freed)}", "green")
    if result.taken:
        face.line(f"copies take {words.size(result.taken)} more until a later prune frees what they were made from")


def _tell_reprieve(face: Face, left: Reprieve) -> None:
    count = len(left.snapshots)
    days = f"{left.first:%Y-%m-%d}" + (f" to {left.last:%Y-%m-%d}" if left.last.date() != left.first.date() else "")
    face.line(
        f"{count} forgotten snapshot{'' if count == 1 else 's'} ({words.size(left.size)}) can still be brought back:"
        f" holdfast unforget ID; freed from {days} on, or at once by: holdfast prune --now"
    )


def _look_first(face: Face, app: App, grace: timedelta | None, *, despite_hold: bool) -> None:
    """PruneHeld when nothing should be freed now and nobody said that it should be all the same."""
    with reading(app.configuration, lambda error: face.warning(f"the journal cannot be read: {error.what}")) as journal:
        why = why_held(app, journal, grace)
    if why and not despite_hold and not face.dry_run:
        raise held(why)
    if why:
        face.loud_note(f"warning: {why}", "red")


@contextlib.contextmanager
def _told_when_full() -> Iterator[None]:
    """A full store: advice to prune would lead in a circle."""
    try:
        yield
    except StorageFull as error:
        error.hint = "free some space there by other means and prune again: it makes notes before it deletes"
        raise


def _confirm(face: Face, plan: PrunePlan) -> None:
    gone = [*plan.packs(Fate.SWEEP), *plan.packs(Fate.CONDEMN), *plan.packs(Fate.REPACK)]
    ask.confirm(face, f"remove {len(gone)} pack(s) for good?")


def _document(result: PruneResult, *, dry_run: bool) -> dict[str, Any]:
    plan = result.plan
    fates = {fate.value.replace(" ", "_"): plan.packs(fate) for fate in Fate}
    return {
        "dry_run": dry_run,
        "packs": {
            name: {"count": len(packs), "bytes": sum(pack.size for pack in packs)} for name, packs in fates.items()
        },
        "bytes_copied": plan.moved,
        "frees_now": max(0, plan.frees_now),
        "takes_now": max(0, -plan.frees_now),
        "frees_later": plan.frees_later,
        "freed": result.freed,
        "taken": result.taken,
        "reprieve": _reprieve(result.reprieve),
        "warnings": result.warnings,
    }


def _reprieve(left: Reprieve | None) -> dict[str, Any] | None:
    if left is None:
        return None
    return {
        "snapshots": list(left.snapshots),
        "bytes": left.size,
        "first": left.first.isoformat(),
        "last": left.last.isoformat(),
    }
