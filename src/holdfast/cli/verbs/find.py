"""``holdfast find``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from holdfast.cli import shapes, words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.cli.rows import shown_value
from holdfast.model.errors import Exit
from holdfast.model.ids import short
from holdfast.usecases.find import FindOrder, FindResult
from holdfast.usecases.find import find as find_rows

_LONGEST = 4000
_EXAMPLES = """
holdfast find latest:shop orders 4711
holdfast find 3f9c12aa public.order_lines 4711,2
holdfast find latest:shop users email=ada@example.org --json
holdfast find latest orders --where "status = 'open' and total >= 100"
"""


@verb("find", examples=_EXAMPLES)
@click.argument("snapshot", metavar="SNAPSHOT")
@click.argument("item", metavar="ITEM")
@click.argument("key", metavar="[KEY|COLUMN=VALUE]...", nargs=-1)
@click.option("--where", metavar="CONDITION", help="Rows for which this is true, instead of a key.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Rows at most.")
def find(face: Face, snapshot: str, item: str, key: Sequence[str], where: str | None, limit: int) -> int:
    """Find rows or documents in a snapshot, without restoring it.

    KEY is a primary or unique key, a,b where it has several columns. Nothing found ends with status 1, and tells
    the nearest snapshots that have it.
    """
    with opened(face) as app, shown(face) as report:
        order = FindOrder(
            snapshot=snapshot,
            item=item,
            words=tuple(key),
            where=where,
            limit=limit,
            source=app.reader_of,
            report=report,
        )
        result = find_rows(app.repository, order)
    face.document(_document(result))
    _tell(face, result)
    return int(Exit.OK if result.rows else Exit.FAILED)


def _document(result: FindResult) -> dict[str, Any]:
    return {
        "snapshot": result.snapshot.id,
        "created_at": result.snapshot.created_at,
        "data_at": result.snapshot.data_at,
        "source": result.snapshot.source,
        "item": result.item,
        "key": result.key,
        "rows": result.rows,
        "more": result.more,
        "elsewhere": [
            {"snapshot": info.id, "created_at": info.created_at, "data_at": info.data_at, "name": info.name}
            for info in result.elsewhere
        ],
        "seconds": result.seconds,
    }


def _tell(face: Face, result: FindResult) -> None:
    info = result.snapshot
    where = f"snapshot {short(info.id)} of {info.source}, {shapes.of_when(info)} UTC"
    for number, row in enumerate(result.rows):
        if number:
            face.line()
        width = max(map(len, row), default=0)
        for column, value in row.items():
            face.line(f"{column:{width}}  {_cut(shown_value(value))}")
    if result.rows:
        more = " and more (--limit)" if result.more else ""
        face.note(f"{len(result.rows):,} of {result.item}{more} in {where}, {words.seconds(result.seconds)}")
        return
    face.loud_note(f"not in {result.item} of {where}", "yellow")
    for other in result.elsewhere:
        name = f" “{other.name}”" if other.name else ""
        face.line(f"but in {short(other.id)}, {shapes.of_when(other)} UTC{name}")
    if not result.elsewhere and result.looked_into:
        face.note(f"nor in the {result.looked_into} nearest snapshots; all of them: holdfast log {info.source} …")


def _cut(text: str) -> str:
    """What a terminal can bear of a value."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… ({len(text):,} characters; --json gives all)"
