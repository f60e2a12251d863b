"""Agreeing to what retention holds: the order that drops it, as long as it is what was agreed to."""

from __future__ import annotations

import hashlib

from holdfast.model.events import Reporter, Warned
from holdfast.model.keeping import SourceRetention
from holdfast.model.run import Run
from holdfast.service.deeds import PlanChanged
from holdfast.service.noting import Asker
from holdfast.service.recording import Outcome
from holdfast.service.work import BACKUP, Order
from holdfast.system import clock
from holdfast.usecases import retention
from holdfast.wiring.build import App
from holdfast.wiring.retaining import retention_request


def held_of(app: App, sources: tuple[str, ...] = ()) -> list[SourceRetention]:
    """What waits for somebody to agree, of these sources or of all."""
    return list(retention.plan(app.repository, retention_request(app.settings, clock.now(), sources)).held)


def digest_of(held: SourceRetention) -> str:
    """Of exactly those snapshots that would go."""
    gone = ",".join(sorted(info.id for info in held.drop))
    return hashlib.blake2b(f"{held.terms.source}\0{gone}".encode(), digest_size=16).hexdigest()


def changed(source: str) -> PlanChanged:
    """Another set of snapshots would go than the one agreed to."""
    return PlanChanged(
        "what retention holds is not what was agreed to any more", where=source,
        hint="GET /api/retention, and agree to that",
    )  # fmt: skip


def confirming_order(source: str, asker: Asker, digest: str) -> Order:
    """Drop what is held of ``source``. PlanChanged when that is no longer what ``digest`` was made of."""

    def work(app: App, report: Reporter, _run: Run) -> Outcome:
        plan = retention.plan(app.repository, retention_request(app.settings, clock.now(), (source,)))
        if [digest_of(each) for each in plan.held] != [digest]:
            raise changed(source)
        doing = retention.Doing(
            who=asker.who, via=asker.via, confirm=True, required=app.settings.audit.required,
            warn=lambda text: report(Warned(source=source, text=text)),
        )  # fmt: skip
        gone = retention.apply(app.repository, plan, doing)
        return Outcome(result={"forgotten": [info.id for info in gone]})

    return Order(
        kind="forget", work=work, key=f"forget:{source}", lane=BACKUP, sources=(source,), trigger=asker.trigger,
        who=asker.who,
    )  # fmt: skip
