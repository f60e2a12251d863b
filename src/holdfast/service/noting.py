"""Who asked for a deed, and the notes of it in the audit trail, however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from holdfast.model.audit import Act
from holdfast.model.events import Reporter, Warned
from holdfast.service.deeds import Deed
from holdfast.system import clock
from holdfast.usecases import noting
from holdfast.usecases.audit import note
from holdfast.wiring.build import App

_DEEDS = {
    "undo": "restore:undo", "forget": "delete:forget", "prune": "delete:prune", "entity-delete": "delete:entity",
    "entity-backup": "entity:backup", "entity-clone": "entity:clone", "trash-restore": "restore:trash",
}  # fmt: skip


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
    """Note that the deed begins, and how it ended; what fails is noted as failed and raised on."""
    act = _act(asker, _DEEDS.get(deed.kind, deed.scope), deed.words, deed.source, _subject(deed) or run)
    act = msgspec.structs.replace(act, more={"run": run} if run != act.subject else {})

    def warn(text: str) -> None:
        report(Warned(source=deed.source, text=text))

    with noting.noted(app.repository, act, required=app.settings.audit.required, warn=warn):
        yield


def looked(app: App, asker: Asker, what: str, source: str, subject: str = "") -> str:
    """Note a look inside backup content, before anything is shown; "" or a warning when it could not be noted."""
    act = _act(asker, "data:read", what, source, subject)
    return note(app.repository, act, required=app.settings.audit.required).warning


def previewed(app: App, asker: Asker, deed: Deed) -> str:
    """Note that the plan of a deed is shown with row values in it; "" or a warning."""
    return looked(app, asker, f"what would happen: {deed.words}", deed.source, _subject(deed))


@dataclass(slots=True)
class Small:
    """A small deed while it is done. ``ending`` may be filled in; ``warnings`` are told when it is over."""

    ending: noting.Ending
    warnings: list[str]


@contextlib.contextmanager
def changing(app: App, asker: Asker, deed: str, what: str, source: str = "", subject: str = "") -> Iterator[Small]:
    """Note a small deed that is no run (a pin, a pause, a token) before it is done, and how it ended."""
    warnings: list[str] = []
    act = _act(asker, deed, what, source, subject)
    way = noting.noted(app.repository, act, required=app.settings.audit.required, warn=warnings.append)
    with way as ending:
        yield Small(ending, warnings)


def _subject(deed: Deed) -> str:
    """The entity, the deletion, the run or the snapshots that a deed names; "" for none: the journal may be lost."""
    found = next((each for name in ("key", "id", "run", "snapshots", "info") if (each := getattr(deed, name, ""))), "")
    return " ".join(found) if isinstance(found, tuple) else str(getattr(found, "id", found))


def _act(asker: Asker, deed: str, what: str, source: str, subject: str) -> Act:
    return Act(
        at=clock.stamp(), deed=deed, who=asker.who, via=asker.via, what=what, source=source, subject=subject
    )
