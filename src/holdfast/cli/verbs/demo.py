"""``holdfast demo``."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.options import verb
from holdfast.cli.play import Play, fresh, perform
from holdfast.model.errors import Exit
from holdfast.wiring.surroundings import own_variables

_LOOK_AROUND = (
    ("holdfast status", "what would be lost now"),
    ("holdfast list", "the snapshots, also those that undo the restores"),
    ("holdfast show latest:media", "what is in one"),
    ("holdfast restore latest:events", "the database again, beside the old one"),
    ("holdfast check --read-data", "every byte verified"),
    ("holdfast doctor", "what to mend before it is earnest"),
)


@verb("demo", examples="holdfast demo\nholdfast demo --folder /tmp/playground")
@click.option("--folder", default="./playground", show_default=True, metavar="PATH", help="Where; made anew each time.")
def demo(face: Face, folder: str) -> int:
    """See it all work on a sample application: backup, disaster, restore, comparison.

    Needs no server and asks nothing. The playground stays for looking around.
    """
    place = face.around.folder / folder
    fresh(place)
    outcome = perform(Play(face=face, folder=place, environ=_environ(face)))
    face.document(outcome.document)
    if not face.as_json:
        _summary(face, outcome.document)
        face.line()
        face.line(f"Look around: cd {folder}, then", "bold")
        face.lines(_to_the_program(face))
        face.lines(f"  {command:34} {text}" for command, text in _LOOK_AROUND)
    return int(Exit.PROBLEMS_FOUND if outcome.differences else Exit.OK)


def _to_the_program(face: Face) -> list[str]:
    """How the shell finds the program, where it would not by itself."""
    if shutil.which("holdfast", path=face.around.environ.get("PATH", "")):
        return []
    activate = Path(sys.prefix) / "bin" / "activate"
    if activate.exists():
        return [f"  {f'. {shlex.quote(str(activate))}':34} so that the shell finds holdfast"]
    return [f"  {f'alias holdfast={shlex.quote(str(Path(sys.argv[0]).resolve()))}':34} so that the shell finds it"]


def _environ(face: Face) -> dict[str, str]:
    """The play begins with no setting of the person's own."""
    return {name: value for name, value in face.around.environ.items() if name not in own_variables()}


def _summary(face: Face, told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="summary", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _rows(told):
        table.add_row(name, value)
    face.line()
    Console(file=sys.stdout, no_color=not face.colours(sys.stdout)).print(table)


def _rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    first, second, seconds = told["first_backup"], told["second_backup"], told["seconds"]
    return [
        (
            "application",
            f"{words.count(told['rows'])} rows, {words.count(told['files'])} files, {words.size(told['bytes'])}",
        ),
        ("first backup stored", f"{words.size(first['stored'])} in {words.seconds(seconds['backup'])}"),
        ("second backup stored", f"{words.size(second['stored'])} in {words.seconds(seconds['second backup'])}"),
        ("damaged by the disaster", f"{told['damaged']} tables, files and definitions"),
        ("restored", f"{words.count(told['restored_items'])} items in {words.seconds(seconds['restore'])}"),
        (
            "compared with before",
            "equal to the row and byte" if told["equal"] else f"{len(told['differences'])} DIFFERENCES",
        ),
    ]
