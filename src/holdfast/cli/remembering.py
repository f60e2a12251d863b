"""A backup that is a run of the journal, and whose failures are remembered for ``status``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace

from holdfast.cli import runs
from holdfast.cli.face import Face
from holdfast.cli.failure import failure_of
from holdfast.cli.journaling import begun, both, outcome_of, run_error
from holdfast.cli.runs import BackupWishes
from holdfast.cli.textfile import write_metrics
from holdfast.model.events import Reporter
from holdfast.model.run import Run, RunStatus
from holdfast.service.recording import Outcome
from holdfast.system import clock
from holdfast.usecases.backup import BackupResult
from holdfast.usecases.last_failure import FailureNotes
from holdfast.usecases.rebuilding_runs import NUMBERS, numbers_of
from holdfast.wiring.build import App

_STATUS = {"complete": "succeeded", "incomplete": "incomplete"}


def take(face: Face, app: App, wishes: BackupWishes, report: Reporter) -> BackupResult:
    """One run, kept in the journal from its beginning."""
    names = list(wishes.sources or app.settings.sources)
    run = Run(
        id=face.run_id, kind="backup", status=RunStatus.QUEUED, created_at=clock.stamp(), sources=names,
        key=f"backup:{names[0]}" if len(names) == 1 else "", trigger=wishes.trigger, who=clock.user(),
    )  # fmt: skip
    journal, recorder = begun(face, app.configuration, run)
    wishes = replace(wishes, run=face.run_id)
    with contextlib.closing(journal):
        try:
            result = _take(face, app, wishes, both(report, recorder.report))
        except BaseException as error:
            recorder.end(outcome_of(face, 0, error, {}))
            write_metrics(face, app, journal)
            raise
        recorder.end(_outcome(face, result))
        write_metrics(face, app, journal)
    return result


def _take(face: Face, app: App, wishes: BackupWishes, report: Reporter) -> BackupResult:
    """A run limited to some items tells nothing about the source and changes no note."""
    names = tuple(wishes.sources or app.settings.sources)
    if wishes.only or not all(name in app.settings.sources for name in names):
        return runs.take(app, wishes, report)
    notes = notes_of(app)
    try:
        result = runs.take(app, wishes, report)
    except Exception as error:
        _remember(face, notes, names, error)
        raise
    for info in result.snapshots:
        notes.succeeded(info.source)
    for name, failure in result.failures.items():
        _remember(face, notes, (name,), failure)
    return result


def _outcome(face: Face, result: BackupResult) -> Outcome:
    """What became of each source, and the sums of what is known of all."""
    infos = result.snapshots
    complete = all(info.status == "complete" for info in infos)
    status = RunStatus.FAILED if result.failures else RunStatus.SUCCEEDED if complete else RunStatus.INCOMPLETE
    told = {info.source: {"status": _STATUS[info.status], **numbers_of(info)} for info in infos}
    told |= {source: {"status": "failed"} for source in result.failures}
    error = next(iter(result.failures.values()), None)
    sums = {name: _sum([each[name] for each in map(numbers_of, infos)]) for name in NUMBERS}
    return Outcome(
        status=status, error=run_error(face, error) if error else None,
        numbers={
            "snapshots": [info.id for info in infos], "items": sum(info.item_count for info in infos), **sums,
            **({"more": {"sources": told}} if len(told) > 1 else {}),
        },
    )  # fmt: skip


def _sum(values: list[int | None]) -> int | None:
    """None when any is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def notes_of(app: App) -> FailureNotes:
    """What this client remembers about runs into the repository of the configuration."""
    return FailureNotes(app.places.state, app.settings.repository.url)


def _remember(face: Face, notes: FailureNotes, names: Iterable[str], error: Exception) -> None:
    told = face.without_secrets(failure_of(error).document())["error"]
    for name in names:
        notes.failed(name, code=told["code"], what=told["what"], why=told["why"], hint=told["hint"])
