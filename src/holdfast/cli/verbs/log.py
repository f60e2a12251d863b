"""``holdfast log``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.cli.rows import shown_value
from holdfast.model.errors import Exit
from holdfast.model.ids import short
from holdfast.records.history import Version
from holdfast.usecases.history import HistoryOrder, HistoryResult, Place, RowHistory, history

_EXAMPLES = """
holdfast log shop orders 4711
holdfast log shop public.order_lines 4711,2 --live
holdfast log shop users email=ada@example.org --json
"""
_STYLES = {"added": "green", "removed": "red", "changed": "yellow"}


@verb("log", examples=_EXAMPLES)
@click.argument("source", metavar="SOURCE")
@click.argument("item", metavar="ITEM")
@click.argument("key", metavar="KEY|COLUMN=VALUE...", nargs=-1, required=True)
@click.option("--live", is_flag=True, help="Also as it is in the application now.")
def log(face: Face, source: str, item: str, key: Sequence[str], live: bool) -> int:
    """Tell every version of a row or document over all snapshots of SOURCE, oldest first, with what changed."""
    with opened(face) as app, shown(face) as report:
        order = HistoryOrder(
            source_name=source,
            item=item,
            words=tuple(key),
            source=app.reader_of,
            live=app.source if live else None,
            report=report,
        )
        result = history(app.repository, order)
    face.document(_document(result))
    _tell(face, result)
    return int(Exit.OK if result.rows else Exit.FAILED)


def _document(result: HistoryResult) -> dict[str, Any]:
    return {
        "source": result.source,
        "item": result.item,
        "versions": [_version(row, version) for row in result.rows for version in row.versions],
        "snapshots": result.looked_into,
        "skipped": [{"snapshot": snapshot, "why": why} for snapshot, why in result.skipped.items()],
        "seconds": result.seconds,
    }


def _version(row: RowHistory, version: Version[Place]) -> dict[str, Any]:
    return {
        "key": row.key,
        "status": version.status,
        **_place(version.first, ""),
        **_place(version.last, "last_"),
        "snapshots": version.count,
        "row": version.row,
        "changed": {column: list(told) for column, told in version.changed.items()},
    }


def _place(place: Place, prefix: str) -> dict[str, Any]:
    identity, created, of = (place.id, place.created_at, place.data_at) if place is not None else ("live", None, None)
    return {f"{prefix}snapshot": identity, f"{prefix}created_at": created, f"{prefix}data_at": of}


def _tell(face: Face, result: HistoryResult) -> None:
    for number, row in enumerate(result.rows):
        if number:
            face.line()
        face.line(f"{result.item} {','.join(map(shown_value, row.key.values()))}".rstrip(), "bold")
        for version in row.versions:
            face.line(_text(version), _STYLES[version.status])
            if version.count > 1:
                face.line(f"          same in {version.count:,} snapshots, until {_named(version.last)}", "dim")
    if not result.rows:
        face.loud_note(f"in none of {result.looked_into:,} snapshots of {result.source}", "yellow")
        return
    face.note(f"{result.looked_into:,} snapshots looked into, {words.seconds(result.seconds)}")


def _text(version: Version[Place]) -> str:
    told = f"{version.status:8}  {_named(version.first)}"
    if version.status == "changed":
        changes = [f"{name}: {shown_value(one)} -> {shown_value(two)}" for name, (one, two) in version.changed.items()]
        return f"{told}  {', '.join(changes) or 'order of its fields'}"
    row = version.row or {}
    return f"{told}  {', '.join(f'{name}={shown_value(value)}' for name, value in row.items())}".rstrip()


def _named(place: Place) -> str:
    return f"{short(place.id)} {words.instant(place.data_at)}" if place is not None else "now"
