"""``holdfast export``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from holdfast.cli import entity_words, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import UsageError
from holdfast.model.ids import short
from holdfast.planning import names
from holdfast.usecases.exporting import ExportOrder, ExportResult
from holdfast.usecases.exporting import export as export_snapshot
from holdfast.wiring.build import App

_FORMATS = ("json", "csv", "jsonl", "sql", "pgdump", "bson")
_ENDINGS = {"json": ".json", "sql": ".sql", "pgdump": ".dump"}

_EXAMPLES = """
holdfast export latest:shop --format sql --to shop.sql
holdfast export latest:shop --format csv --only orders --to ./orders
holdfast export latest:shop --format json --to - | jq .statistics
holdfast export 3f9c12aa --format pgdump --to shop.dump
holdfast export latest:shop --format json --entity event 42 --to event-42.json
"""


@verb("export", examples=_EXAMPLES)
@click.argument("snapshot", metavar="ID")
@click.option("--format", "format_", type=click.Choice(_FORMATS), required=True, help="What to write.")
@click.option("--to", metavar="PATH", help="File, or folder for csv, jsonl and bson; - is stdout. Default: named here.")
@click.option("--only", multiple=True, metavar="TABLE", help="Only tables that match; repeatable.")
@click.option(
    "--entity", nargs=2, metavar="NAME KEY", help="Only what belongs to one entity; as json, csv or jsonl."
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def export(
    face: Face,
    snapshot: str,
    format_: str,
    to: str | None,
    only: Sequence[str],
    entity: tuple[str, str] | None,
    overwrite: bool,
) -> None:
    """Write a snapshot in a format that other programs read.

    json is one document, csv and jsonl a file for each table; sql is loaded by psql or sqlite3, pgdump by
    pg_restore, bson by mongorestore. A file appears when it is whole, readable by you alone: nothing in it is
    encrypted.
    """
    if to == "-" and face.as_json:
        raise UsageError("--to - and --json both want stdout", hint="--to PATH")
    with opened(face) as app, shown(face) as report:
        entries = {entry.info.id: entry for entry in app.repository.snapshots()}
        info = names.one(snapshot, [entry.info for entry in entries.values()])
        order = ExportOrder(
            entry=entries[info.id],
            source=app.reader_of(info),
            format=format_,
            to=None if to == "-" else _place(app, to, f"{info.source}-{short(info.id)}", format_),
            stream=sys.stdout.buffer if to == "-" else None,
            only=tuple(only),
            entity=entity_words.subject_of(app, *entity, None) if entity else None,
            overwrite=overwrite,
            report=report,
        )
        result = export_snapshot(app.repository, order)
    face.document(_document(result))
    if to != "-":
        _tell(face, result)


def _place(app: App, to: str | None, name: str, format_: str) -> Path:
    folder = app.configuration.around.folder
    if to is not None:
        return folder / Path(to).expanduser()
    return folder / (re.sub(r"[^\w.-]", "_", name) + _ENDINGS.get(format_, f"-{format_}"))


def _document(result: ExportResult) -> dict[str, Any]:
    files = [{"path": path, "bytes": size} for path, size in result.files.items()]
    return {"snapshot": result.snapshot, "format": result.format, "files": files, "rows": result.rows}


def _tell(face: Face, result: ExportResult) -> None:
    for path, size in result.files.items():
        face.line(f"{path}  {words.size(size)}")
    if result.rows:
        face.line(f"{sum(result.rows.values()):,} rows of {len(result.rows):,} tables")
    face.note("exported files are not encrypted; keep them where only those may read them who should", "dim")
