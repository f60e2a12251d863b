"""``holdfast run``: a snapshot before a command that may do harm."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from holdfast.cli import remembering, runs
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import Exit
from holdfast.planning.names import check_label
from holdfast.usecases.run_before import TRIGGER, CommandRequest, run_command

_EXAMPLES = """
holdfast run --before migration-42 -- python manage.py migrate
holdfast run --before import --source shop -- ./import.sh orders.csv
"""


@verb("run", examples=_EXAMPLES)
@click.option("--before", "name", required=True, metavar="NAME", help="The name of the snapshots taken first.")
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Only of this source; repeatable.")
@click.option("--allow-incomplete", is_flag=True, help="Run the command although something could not be read.")
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND...")
def run(face: Face, name: str, sources: Sequence[str], allow_incomplete: bool, command: Sequence[str]) -> int:
    """Take snapshots named NAME, then run COMMAND and return its exit status.

    When the backup fails or is incomplete the command is not run. With --json the command's own output goes
    to stderr.
    """
    check_label(name)
    wishes = runs.BackupWishes(sources=tuple(sources), name=name, trigger=TRIGGER)
    with opened(face) as app, shown(face) as report:
        result = remembering.take(face, app, wishes, report)
    document = runs.backup_document(face, result)
    status = runs.status_of(result)
    if not face.as_json:
        runs.tell_backup(face, result)
    if status is Exit.FAILED or (status is Exit.INCOMPLETE and not allow_incomplete):
        face.document({**document, "command_status": None})
        face.loud_note("the command was not run", "red")
        return int(status)
    ended = run_command(CommandRequest(command=command, output=sys.stderr if face.as_json else None))
    face.document({**document, "command_status": ended})
    return ended
