"""Plans: a deed previewed, kept for an hour under an id, and done only while the world is as the preview saw it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.model.events import Reporter
from holdfast.model.ids import new_id
from holdfast.model.run import Run, RunStatus
from holdfast.service.deeds import Deed, Going, PlanChanged, Told, digest_of
from holdfast.service.noting import Asker, noted
from holdfast.service.recording import Outcome
from holdfast.service.work import Order
from holdfast.system import clock
from holdfast.usecases.settling import Settle
from holdfast.wiring.build import App

_KEPT = 3600.0
_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``id`` is also that of the run that made it. ``told``: what would be done, with row values in it.

    ``shown_to``: who has seen them, which is noted. ``settled``: sum of the very rows that would be changed.
    """

    id: str
    deed: Deed
    asker: Asker
    told: Told
    digest: str
    made_at: str
    settled: str = ""
    shown_to: set[str] = field(default_factory=set)
    until: float = field(default_factory=lambda: time.monotonic() + _KEPT)


class Plans:
    """Plans of this process, from any thread. They hold row values and passwords, so they are written nowhere."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plans: dict[str, Plan] = {}

    def keep(self, plan: Plan) -> None:
        """Remember one for an hour; the oldest give way."""
        with self._lock:
            self._plans[plan.id] = plan
            now = time.monotonic()
            for old in [each.id for each in self._plans.values() if each.until < now]:
                del self._plans[old]
            while len(self._plans) > _MOST:
                del self._plans[next(iter(self._plans))]

    def get(self, plan: str) -> Plan | None:
        """One, None when nobody made it or its hour is over."""
        with self._lock:
            found = self._plans.get(plan)
        return found if found is not None and found.until >= time.monotonic() else None

    def order(self, deed: Deed, asker: Asker) -> Order:
        """The order to look what ``deed`` would do; its run's id is the plan's."""

        def work(app: App, report: Reporter, run: Run) -> Outcome:
            sums = [""]
            going = Going(app=app, report=report, run=new_id(), who=asker.who, dry_run=True, settle=sums.append)
            told = deed.do(going)
            plan = Plan(
                id=run.id, deed=deed, asker=asker, told=told, digest=digest_of(deed, told), made_at=clock.stamp(),
                settled=sums[-1],
            )  # fmt: skip
            self.keep(plan)
            return Outcome(result={"plan": plan.id, "digest": plan.digest, "of": deed.kind})

        return Order(kind="plan", work=work, sources=_sources(deed), trigger=asker.trigger, who=asker.who)


def deed_order(
    deed: Deed, asker: Asker, *, plan: Plan | None = None, stayed: Callable[[], None] = lambda: None
) -> Order:
    """The order to do it. With ``plan`` it is refused when a look now tells otherwise than that one, and again when the
    rows that it would change are held and are not those.

    ``stayed`` is called when it was refused so, and nothing was begun.
    """

    def work(app: App, report: Reporter, run: Run) -> Outcome:
        going = Going(app=app, report=report, run=run.id, who=asker.who)
        itself = getattr(deed, "notes_itself", False)
        with contextlib.nullcontext() if itself else noted(app, asker, deed, run.id, report):
            if plan is not None:
                try:
                    _require_unchanged(deed, going, plan.digest)
                except BaseException:
                    stayed()
                    raise
                going = replace(going, settle=_only(plan, stayed))
            told = deed.do(going)
        status = RunStatus.SUCCEEDED if told.complete else RunStatus.INCOMPLETE
        numbers: dict[str, Any] = {"snapshots": list(told.snapshots)} if told.snapshots else {}
        return Outcome(status=status, numbers=numbers, result=told.public())

    return Order(
        kind=deed.kind, work=work, key=_key(deed), sources=_sources(deed), trigger=asker.trigger,
        who=asker.who,
    )  # fmt: skip


def _require_unchanged(deed: Deed, going: Going, digest: str) -> None:
    try:
        told = deed.do(replace(going, dry_run=True, run=new_id()))
    except HoldfastError as error:
        raise PlanChanged("what was planned cannot be done any more", where=error.where, why=error.what,
                          hint="make a new plan") from error  # fmt: skip
    if digest_of(deed, told) != digest:
        raise _changed(str(told.document.get("target", "")))
    if told.refusals:
        raise TargetError(told.refusals[0], why="; ".join(told.refusals[1:]), hint="nothing was changed")


def _only(plan: Plan, stayed: Callable[[], None]) -> Settle:
    """Between the look and the deed somebody may have written."""

    def settle(summed: str) -> None:
        if summed != plan.settled:
            stayed()
            raise _changed(str(plan.told.document.get("target", "")))

    return settle


def _changed(where: str) -> PlanChanged:
    return PlanChanged(
        "what would happen now is not what the plan showed, so nothing was changed", where=where,
        hint="make a new plan and look at it",
    )  # fmt: skip


def _key(deed: Deed) -> str:
    """One writer into a source at a time, one check and one prune; saving an entity stands in nobody's way."""
    if deed.kind == "entity-backup":
        return ""
    return f"write:{deed.source}" if deed.source else deed.kind


def _sources(deed: Deed) -> tuple[str, ...]:
    return (deed.source,) if deed.source else ()
