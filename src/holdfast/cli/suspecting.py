"""After a backup at the command line: what looks suspicious is told, and the last clean snapshot pinned."""

from __future__ import annotations

import contextlib

from holdfast.cli.face import Face
from holdfast.model.errors import HoldfastError
from holdfast.model.ids import short
from holdfast.usecases import anomaly
from holdfast.wiring.build import App
from holdfast.wiring.journals import open_journal
from holdfast.wiring.reporting import request_of


def protect_clean(face: Face, app: App) -> None:
    """A backup is no worse for not knowing whether it is suspicious: what goes wrong here is a warning."""
    try:
        with contextlib.closing(open_journal(app.configuration)) as journal:
            pinned = anomaly.protect_clean(app.repository, request_of(app, journal), journal)
    except HoldfastError as error:
        face.warning(f"whether this backup looks suspicious is not known: {error.what}")
        return
    for each in pinned:
        text = f"snapshot {short(each)} was pinned, because what came after it looks suspicious: holdfast status"
        face.loud_note(text, "red")
