"""``holdfast list``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from holdfast.cli import shapes
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.usecases.listing import ListRequest, list_snapshots

_EXAMPLES = """
holdfast list
holdfast list --source shop --limit 10
holdfast list --json
"""


@verb("list", examples=_EXAMPLES)
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Only of this source; repeatable.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--forgotten", is_flag=True, help="Those forgotten that can still be brought back.")
def list_(face: Face, sources: Sequence[str], limit: int | None, forgotten: bool) -> None:
    """List snapshots, newest first."""
    with opened(face) as app:
        configured = tuple(app.settings.sources)
        request = ListRequest(sources=tuple(sources), limit=limit, forgotten=forgotten, configured=configured)
        entries = list_snapshots(app.repository, request)
    face.document([shapes.entry_document(entry) for entry in entries])
    if entries:
        face.lines(shapes.entry_lines(entries))
    else:
        face.note("no snapshot yet: holdfast backup" if not forgotten else "nothing forgotten that could come back")
