"""``holdfast backup``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from holdfast.cli.due import DueTerms, due_document, if_due_options, tell_due
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import Exit
from holdfast.planning.names import check_label

_EXAMPLES = """
holdfast backup
holdfast backup shop --name before-import --pin
holdfast backup shop --only 'public.orders' --only 'public.order_*'
holdfast backup --trigger cron --json
holdfast backup --if-due --every 24h
"""

TRIGGERS = ("manual", "cron", "schedule", "api", "pre-change", "pre-delete", "import")


@verb("backup", examples=_EXAMPLES)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--name", help="A name for the snapshots, to find them by.")
@click.option("--pin", is_flag=True, help="Protect them from being forgotten.")
@click.option("--trigger", type=click.Choice(TRIGGERS), default="manual", show_default=True, help="Why it is taken.")
@click.option(
    "--only", multiple=True, metavar="PATTERN", help="Only items that match; such a snapshot is never latest."
)
@if_due_options
def backup(
    face: Face, sources: Sequence[str], name: str | None, pin: bool, trigger: str, only: Sequence[str], **due: Any
) -> int:
    """Take a snapshot of every source, or of those named.

    Exit status: 0 all complete, 3 something could not be read, 1 a source failed (the others are still taken), 75
    with --if-due when none is due.
    """
    if name is not None:
        check_label(name)
    terms = DueTerms(**due)
    with opened(face) as app, shown(face) as report:
        app.hasten()
        # what else a run needs takes as long to load as the key to derive
        from holdfast.cli import remembering, runs, suspecting
        from holdfast.system import clock
        from holdfast.wiring.retaining import remember_rules

        told = terms.told(app, tuple(sources))
        tell_due(face, told)
        wanted = tuple(each.source for each in told if each.due) if terms.if_due else tuple(sources)
        if terms.if_due and not wanted:
            face.document(due_document(told) | {"run": None, "snapshots": []})
            return int(Exit.SOFT_SKIP)
        wishes = runs.BackupWishes(sources=wanted, name=name, pin=pin, trigger=trigger, only=tuple(only))
        result = remembering.take(face, app, wishes, report)
        if not only:
            suspecting.protect_clean(face, app)
            remember_rules(app, {info.source for info in result.snapshots}, clock.user())
    face.document(runs.backup_document(face, result) | due_document(told))
    runs.tell_backup(face, result)
    return int(runs.status_of(result))
