"""``holdfast forget`` and ``holdfast unforget``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from holdfast.cli import ask
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.shapes import snapshot_document
from holdfast.cli.words import instant
from holdfast.model.ids import short
from holdfast.usecases import forget as usecase

_EXAMPLES = """
holdfast forget 3f9c12aa --dry-run
holdfast forget 3f9c12aa 81d2e0b4 --yes
"""


@verb("forget", examples=_EXAMPLES, plans=True)
@click.argument("snapshots", nargs=-1, required=True, metavar="ID...")
def forget(face: Face, snapshots: Sequence[str]) -> None:
    """Drop snapshots. Their space is freed by a later prune; until then unforget brings them back."""
    with opened(face) as app:
        plan = usecase.plan_forget(app.repository, snapshots)
        for info in plan.drop:
            named = f" “{info.name}”" if info.name else ""
            face.line(f"forget {short(info.id)}  {info.source}  {instant(info.created_at)}{named}")
        for info in plan.last_good:
            face.loud_note(f"warning: after this {info.source} has no complete snapshot left", "yellow")
        if not face.dry_run:
            ask.confirm(face, f"forget {len(plan.drop)} snapshot(s)?")
            usecase.forget(app.repository, plan)
    face.document(
        {
            "dry_run": face.dry_run,
            "forgotten": [snapshot_document(info) for info in plan.drop],
            "sources_left_without_snapshot": sorted({info.source for info in plan.last_good}),
        }
    )
    if not face.dry_run:
        face.note("space is freed by: holdfast prune; until then: holdfast unforget ID")


@verb("unforget", examples="holdfast unforget 3f9c12aa")
@click.argument("snapshots", nargs=-1, required=True, metavar="ID...")
def unforget(face: Face, snapshots: Sequence[str]) -> None:
    """Bring forgotten snapshots back. See: holdfast list --forgotten."""
    with opened(face) as app:
        back = usecase.unforget(app.repository, snapshots)
    face.document({"unforgotten": [snapshot_document(info) for info in back]})
    for info in back:
        face.line(f"back: {short(info.id)}  {info.source}  {instant(info.created_at)}")
