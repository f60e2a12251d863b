"""``holdfast pin`` and ``holdfast unpin``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.words import instant
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.usecases import pin as usecase


@verb("pin", examples="holdfast pin 3f9c12aa\nholdfast pin before-migration")
@click.argument("snapshots", nargs=-1, required=True, metavar="ID...")
def pin(face: Face, snapshots: Sequence[str]) -> None:
    """Protect snapshots from being forgotten, until unpin."""
    with opened(face) as app:
        found = usecase.pin(app.repository, snapshots)
    _tell(face, "pinned", found)


@verb("unpin", examples="holdfast unpin 3f9c12aa")
@click.argument("snapshots", nargs=-1, required=True, metavar="ID...")
def unpin(face: Face, snapshots: Sequence[str]) -> None:
    """Take the protection of a pin away."""
    with opened(face) as app:
        found = usecase.unpin(app.repository, snapshots)
    _tell(face, "unpinned", found)


def _tell(face: Face, what: str, found: Sequence[SnapshotInfo]) -> None:
    face.document({what: [info.id for info in found]})
    for info in found:
        face.line(f"{what} {short(info.id)}  {info.source}  {instant(info.created_at)}")
