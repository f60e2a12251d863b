"""What the routes about tokens, people and sessions share: the gate, and a note of what is done."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from holdfast.model.audit import Act
from holdfast.system import clock
from holdfast.web.security.doorkeeper import Gate
from holdfast.web.security.doors import gate_of
from holdfast.web.security.identity import Identity

GateOf = Annotated[Gate, Depends(gate_of)]


def acted(gate: Gate, who: Identity, deed: str, what: str, subject: str = "") -> None:
    """Note an act of the doors."""
    via = "dashboard" if who.kind == "session" else "api"
    gate.notes.note(Act(at=clock.stamp(), deed=deed, who=who.name, via=via, what=what, subject=subject))


def days(number: int | None) -> timedelta | None:
    """As a duration; None stays None."""
    return None if number is None else timedelta(days=number)
