"""Acts about tokens and accounts, noted at once where the repository opens without a question."""

from __future__ import annotations

import contextlib

from holdfast.cli.face import Face
from holdfast.model.audit import Act
from holdfast.model.errors import HoldfastError
from holdfast.system import clock
from holdfast.web.security.notes import Notes
from holdfast.web.security.register import open_register
from holdfast.wiring.build import App
from holdfast.wiring.load import Configuration


def doors_act(face: Face, found: Configuration, deed: str, what: str, subject: str) -> None:
    """Note what was done. With the repository out of reach it is kept in the register, and carried over later."""
    with contextlib.closing(open_register(found)) as register:
        notes = Notes(register)
        notes.note(Act(at=clock.stamp(), deed=deed, who=clock.user(), via="cli", what=what, subject=subject))
        try:
            with contextlib.closing(App(found, ask=lambda _url: None)) as app:
                warning = notes.carry(app)
        except HoldfastError as error:
            warning = f"this waits to be noted in the audit trail: {error.what}"
    if warning:
        face.warning(warning)
