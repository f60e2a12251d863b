"""``holdfast undo``."""

from __future__ import annotations

import click

from holdfast.cli import ask, recovery
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.events import Reporter
from holdfast.system import clock
from holdfast.usecases.restore import RestoreResult
from holdfast.usecases.undo import UndoOrder
from holdfast.usecases.undo import undo as take_back
from holdfast.wiring.build import App
from holdfast.wiring.restoring import undo_source

_EXAMPLES = """
holdfast undo 9d41c07e --dry-run
holdfast undo 9d41c07e --yes
"""


@verb("undo", examples=_EXAMPLES, plans=True)
@click.argument("run", metavar="RUN")
@click.option("--force", is_flag=True, help="Take single rows back also when somebody changed them since.")
def undo(face: Face, run: str, force: bool) -> int:
    """Take back what the in-place restore RUN changed. An undo can itself be undone."""
    with opened(face) as app:
        if not face.dry_run and not face.yes:
            with shown(face) as report:
                plan = _undo(face, app, run, report, force=force)
            recovery.tell_plan(face, plan)
            recovery.refuse_plan(plan)
            ask.confirm(face, f"change {plan.target}?")
        with shown(face) as report:
            result = _undo(face, app, run, report, force=force, dry_run=face.dry_run)
    return recovery.tell(face, result)


def _undo(face: Face, app: App, run: str, report: Reporter, *, force: bool, dry_run: bool = True) -> RestoreResult:
    order = UndoOrder(
        run=run,
        new_run=face.run_id,
        source=lambda info: undo_source(app, info),
        dry_run=dry_run,
        force=force,
        created_by=clock.user(),
        report=report,
    )
    return take_back(app.repository, order)
