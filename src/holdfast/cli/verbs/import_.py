"""``holdfast import``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.system import clock
from holdfast.usecases.importing import Imported, ImportOrder, ImportResult, import_
from holdfast.wiring.places import scheme_of

_FORMATS = ("json", "csv", "jsonl", "sql", "pgdump", "bson")

_EXAMPLES = """
holdfast import ./backups/event_deletions --source shop
holdfast import backup-1700000000000.json --source shop --dry-run
holdfast import export.csv --source shop --table export=orders
holdfast import postgresql://app@localhost/shop --source shop --table database_backups
"""


@verb("import", examples=_EXAMPLES, plans=True)
@click.argument("place", metavar="FILE|FOLDER|URL")
@click.option("--source", "source", required=True, metavar="NAME", help="The source these are backups of.")
@click.option("--format", "format_", type=click.Choice(_FORMATS), help="What the file is, if its name does not tell.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="NAME[=TABLE]",
    help="Only this table of the file; NAME=TABLE says which of yours it is, NAME= leaves it out. Repeatable.",
)
@click.option("--again", is_flag=True, help="Also what was imported before.")
def imported(
    face: Face, place: str, source: str, format_: str | None, tables: Sequence[str], again: bool
) -> None:
    """Make snapshots of backups that other systems made: files, folders of them, tables they were kept in.

    Everything is read and checked first; if anything is wrong nothing is imported. Old ids stay names of the
    snapshots: holdfast show OLD_ID.
    """
    renamed, only = _wanted(tables)
    is_url = scheme_of(place) is not None
    with opened(face) as app, shown(face) as report:
        order = ImportOrder(
            name=source,
            source=app.source(source),
            unpack=app.archive_script,
            path=None if is_url else app.configuration.around.folder / Path(place).expanduser(),
            database=app.elsewhere(place) if is_url else None,
            format=format_,
            renamed=renamed,
            only=only,
            again=again,
            dry_run=face.dry_run,
            created_by=clock.user(), run=face.run_id,
            report=report,
        )
        result = import_(app.repository, order)
    face.document(_document(face, result))
    _tell(face, result)


def _wanted(tables: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(renamed, only)."""
    renamed: dict[str, str] = {}
    only: list[str] = []
    for each in tables:
        name, equals, ours = each.partition("=")
        if not name:
            raise UsageError(f"--table {each}: a name is missing", hint="--table NAME=TABLE")
        if equals:
            renamed[name] = ours
        else:
            only.append(name)
    return renamed, tuple(only)


def _document(face: Face, result: ImportResult) -> dict[str, Any]:
    backups = [
        {
            "id": each.id,
            "snapshot": each.snapshot.id if each.snapshot else None,
            "created_at": each.origin.created_at or None,
            "format": each.origin.format or None,
            "from": each.origin.path or None,
            "rows": each.rows,
            "skipped": each.skipped or None,
        }
        for each in result.backups
    ]
    return {"run": result.run, "dry_run": face.dry_run, "backups": backups, "warnings": result.warnings}


def _tell(face: Face, result: ImportResult) -> None:
    titles = ("old id", "from (UTC)", "rows", "tables", "snapshot")
    rows = [
        (
            each.id or "-",
            words.instant(each.origin.created_at) if each.origin.created_at else "-",
            words.count(sum(each.rows.values())),
            words.count(len(each.rows)),
            _outcome(each),
        )
        for each in result.backups
    ]
    face.lines(words.table(titles, rows, right=(2, 3)))
    for text in result.warnings:
        face.warning(text)


def _outcome(each: Imported) -> str:
    return each.skipped or (short(each.snapshot.id) if each.snapshot else "would be imported")
