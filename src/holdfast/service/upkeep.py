"""The jobs that run by themselves: backups as the configuration says, and the care a repository needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta

from holdfast.journal.base import Journal
from holdfast.model.audit import Act
from holdfast.model.errors import Interrupted
from holdfast.model.events import Reporter, Warned
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.model.timetable import Schedule
from holdfast.repository.claims import STOPPED, Claims, Ending, Verdict
from holdfast.service.agenda import APPOINTMENT, Job, Slot
from holdfast.service.orders import BackupWish, backup_order
from holdfast.service.recording import Outcome, may_help
from holdfast.service.work import BACKUP, STOPPED_BY_HAND, Order
from holdfast.sources.guarding import Guarding
from holdfast.system import clock
from holdfast.usecases import noting, retention
from holdfast.usecases.check import CheckRequest, check, due_share
from holdfast.usecases.guard import ShipOrder, ship
from holdfast.usecases.prune import PruneRequest, prune
from holdfast.wiring.build import App
from holdfast.wiring.freeing import why_held
from holdfast.wiring.policies import policies
from holdfast.wiring.retaining import retention_request
from holdfast.wiring.settings import Settings

WHO = "scheduler"
SCHEDULE = "schedule"
SHIPPING = "guard-ship"
_SHIP_EVERY = timedelta(hours=1)

Do = Callable[[App, Reporter, Run], Outcome]


def jobs_of(settings: Settings, journal: Journal) -> list[Job]:
    """Every schedule of the sources, then the care of the repository and of what guards keep."""
    retries = settings.running.retries
    backups = [
        Job(schedule=schedule, order=_backup(retries, journal, others), backup=True)
        for policy in policies(settings).values()
        for schedule in policy.schedules
        for others in [[each.key for each in policy.schedules if each != schedule]]
    ]
    return [*backups, *_care(settings, retries, journal)]


def _backup(retries: int, journal: Journal, others: Sequence[str]) -> Callable[[Slot], Order]:
    def order(slot: Slot) -> Order:
        schedule = slot.schedule
        wish = BackupWish(
            source=schedule.source, trigger=SCHEDULE, who=WHO, name=schedule.label, pin=schedule.pin,
            only=schedule.only, schedule=schedule.key, due_at=clock.stamp(slot.due), attempt=slot.attempt,
            retry_of=slot.retry_of, run=slot.run,
            more={APPOINTMENT: {"schedule": schedule.key, "due": clock.stamp(slot.due)}},
        )  # fmt: skip
        plain = backup_order(wish, journal)
        return _of_slot(slot, plain.kind, plain.key, claimed(slot, plain.work, retries, others))

    return order


def _care(settings: Settings, retries: int, journal: Journal) -> Iterator[Job]:
    """``check`` and ``prune`` of the repository; ``ship`` of each source with entities, which may be under guard."""
    running = settings.running
    for kind, every, do in (("check", running.check_every, _check), ("prune", running.prune_every, _prune(journal))):
        if every:
            yield Job(schedule=Schedule(source="", name=kind, every=every), order=_plain(kind, do, retries))
    for source in dict.fromkeys(each.source for each in settings.entities.values()):
        if source in settings.sources:
            schedule = Schedule(source=source, name=SHIPPING, every=_SHIP_EVERY)
            yield Job(schedule=schedule, order=_plain("ship", _ship, retries))


def _plain(kind: str, do: Do, retries: int) -> Callable[[Slot], Order]:
    def order(slot: Slot) -> Order:
        key = f"{kind}:{slot.schedule.source}" if slot.schedule.source else kind
        return _of_slot(slot, kind, key, claimed(slot, do, retries))

    return order


def _of_slot(slot: Slot, kind: str, key: str, work: Do) -> Order:
    schedule = slot.schedule
    return Order(
        kind=kind, work=work, key=key, lane=BACKUP, sources=(schedule.source,) if schedule.source else (),
        trigger=SCHEDULE, who=WHO, schedule=schedule.key, due_at=clock.stamp(slot.due), attempt=slot.attempt,
        retry_of=slot.retry_of, run=slot.run,
    )  # fmt: skip


def claimed(slot: Slot, do: Do, retries: int, others: Sequence[str] = ()) -> Do:
    """``do``, unless another daemon keeps this appointment, or one of ``others`` just now; the end is told to all."""

    def work(app: App, report: Reporter, run: Run) -> Outcome:
        claims, job = Claims(app.repository.vault), slot.schedule.key
        busy = next(filter(None, map(claims.going, others)), "")
        verdict = Verdict(attempt=0, reason=busy) if busy else claims.take(job, slot.due, run.id, after=slot.retry_of)
        if not verdict.attempt:
            run.more["elsewhere"] = {"reason": verdict.reason, "over": verdict.over}
            return Outcome(status=RunStatus.SKIPPED)
        status, again = STOPPED, True
        try:
            outcome = do(app, report, run)
            status, again = outcome.status.value, outcome.error is not None and outcome.error.retryable
        except Exception as error:
            status, again = STOPPED if isinstance(error, Interrupted) else "failed", may_help(error)
            raise
        finally:
            again = again and retries > 0 and STOPPED_BY_HAND not in run.more
            claims.end(job, slot.due, verdict.attempt, Ending(status=status, again=again))
        return outcome

    return work


def retention_order(source: str) -> Order:
    """Let go of what the rules of one source do not keep."""

    def work(app: App, report: Reporter, run: Run) -> Outcome:
        plan = retention.plan(app.repository, retention_request(app.settings, clock.now(), (source,)))
        doing = retention.Doing(
            who=WHO, via="schedule", required=app.settings.audit.required,
            warn=lambda text: report(Warned(source=source, text=text)),
        )  # fmt: skip
        gone = retention.apply(app.repository, plan, doing)
        run.warnings += [finding.what for finding in retention.findings(plan)]
        return Outcome(
            status=RunStatus.INCOMPLETE if plan.held else RunStatus.SUCCEEDED,
            result={"forgotten": [info.id for info in gone]},
        )

    return Order(
        kind="forget", work=work, key=f"forget:{source}", lane=BACKUP, sources=(source,), trigger=SCHEDULE, who=WHO
    )


def wants_retention(settings: Settings, run: Run) -> bool:
    """Whether rules of retention are to be followed now that ``run`` is over: after every good scheduled backup."""
    if run.kind != "backup" or run.trigger != SCHEDULE or run.status not in (RunStatus.SUCCEEDED, RunStatus.INCOMPLETE):
        return False
    known = policies(settings)
    return all(name in known and bool(known[name].keep) for name in run.sources)


def _prune(journal: Journal) -> Do:
    """Nothing is freed while a snapshot or the clock looks wrong: what is forgotten may be the last that was right."""

    def work(app: App, report: Reporter, run: Run) -> Outcome:
        grace = app.settings.running.undelete
        if held := why_held(app, journal, grace):
            run.warnings.append(f"nothing is freed while {held}")
            return Outcome(status=RunStatus.SKIPPED, result={"held": held})
        with _noted(app, report, run, "delete:prune", "freeing space"):
            done = prune(app.repository, PruneRequest(grace=grace, report=report))
        swept = Claims(app.repository.vault).sweep()
        told = {"freed": done.freed, "taken": done.taken, "warnings": done.warnings, "claims_swept": swept}
        return Outcome(result=told)

    return work


def _noted(app: App, report: Reporter, run: Run, deed: str, what: str) -> AbstractContextManager[noting.Ending]:
    """Done by nobody in person, and noted all the same."""
    act = Act(at=clock.stamp(), deed=deed, who=WHO, via="schedule", what=what, more={"run": run.id})
    required = app.settings.audit.required
    return noting.noted(app.repository, act, required=required, warn=lambda text: report(Warned(source="", text=text)))


def _check(app: App, report: Reporter, _run: Run) -> Outcome:
    done = check(app.repository, CheckRequest(read_data=due_share(app.repository), report=report))
    if done.ok:
        return Outcome(result={"ok": True, "findings": []})
    findings = [{"what": each.what, "where": each.where, "hint": each.hint} for each in done.findings]
    first = done.findings[0]
    error = RunError(
        code="problems-found", what=f"the check found {len(findings)} problem{'s' * (len(findings) > 1)}",
        where=first.where, why=first.what, hint=first.hint or "holdfast check",
    )  # fmt: skip
    return Outcome(status=RunStatus.FAILED, error=error, result={"ok": False, "findings": findings})


def _ship(app: App, report: Reporter, run: Run) -> Outcome:
    guarded = {name: source for name, source in app.sources(tuple(run.sources)).items() if isinstance(source, Guarding)}
    done = ship(app.repository, ShipOrder(sources=guarded, created_by=WHO, run=run.id, report=report))
    return Outcome(numbers={"rows": done.rows, "snapshots": [info.id for info in done.snapshots]})
