"""Whether space may be freed now, which cannot be taken back: not while a snapshot looks wrong, or the clock does."""

from __future__ import annotations

from datetime import timedelta

from holdfast.journal.base import Journal
from holdfast.model.errors import Exit, HoldfastError
from holdfast.system import clock
from holdfast.usecases.anomaly import prune_hold
from holdfast.usecases.doubting import why_doubted
from holdfast.wiring.build import App
from holdfast.wiring.reporting import system_report


class PruneHeld(HoldfastError):
    """Nothing is freed until a person looked; nothing was changed."""

    code = "prune-held"
    exit = Exit.PROBLEMS_FOUND


def why_held(app: App, journal: Journal | None, grace: timedelta | None) -> str:
    """Why nothing should be freed now, in words; "" when it may be. ``grace`` as of a PruneRequest."""
    if found := prune_hold(system_report(app, journal)):
        return f"something looks suspicious: {found}"
    aging = bool(grace) and any(each.forgotten for each in app.repository.snapshots(forgotten=True))
    if aging and (doubt := why_doubted(app.repository, clock.now())):
        return f"the clock may be wrong: {doubt}"
    return ""


def held(why: str) -> PruneHeld:
    """The refusal, with what to do."""
    return PruneHeld(
        "nothing is freed: what was forgotten may be the last that was right", why=why,
        hint="look first: holdfast status; holdfast prune --despite-hold frees it all the same",
    )  # fmt: skip
