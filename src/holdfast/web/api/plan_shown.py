"""A plan as whoever asks may see it: row values for those who may read data, and then the look is noted."""

from __future__ import annotations

from typing import Any

from holdfast.model.run import Run
from holdfast.service.noting import previewed
from holdfast.service.plans import Plan
from holdfast.service.service import Service
from holdfast.web.api.routes import asker_of
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.sight import own, run_seen

GONE = "make it anew: a plan is kept for an hour, and not longer than the server runs"


def shown(service: Service, who: Identity, plan: Plan) -> dict[str, Any]:
    """What it tells. The first look of each at row values is noted before they are shown."""
    told = plan.told
    if not who.may("data:read", plan.deed.source):
        return told.public()
    if any(told.document.get(name) for name in told.private) and who.name not in plan.shown_to:
        with service.reading() as app:
            previewed(app, asker_of(who), plan.deed)
        plan.shown_to.add(who.name)
    return told.document


def require_seen(who: Identity, plan: Plan) -> None:
    """NotFound for a plan of others' sources, Forbidden without the right that its deed needs."""
    if not own(who, plan.deed.source):
        raise nothing(plan.id)
    who.require(plan.deed.scope, plan.deed.source)


def being_made(service: Service, who: Identity, plan: str) -> Run:
    """The run that makes a plan, or failed to. NotFound."""
    run = service.journal.get(plan)
    if run is None or run.kind != "plan" or not run_seen(who, run) or (run.status.over and run.error is None):
        raise nothing(plan)
    return run


def nothing(plan: str) -> NotFound:
    """There is no such plan for whoever asks."""
    return NotFound(f"there is no plan {plan!r}", why="a plan is kept for an hour", hint=GONE)
