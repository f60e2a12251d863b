"""A backup whose failures are remembered for ``status``."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.cli import runs
from holdfast.cli.face import Face
from holdfast.cli.failure import failure_of
from holdfast.cli.runs import BackupWishes
from holdfast.model.events import Reporter
from holdfast.usecases.backup import BackupResult
from holdfast.usecases.last_failure import FailureNotes
from holdfast.wiring.build import App


def take(face: Face, app: App, wishes: BackupWishes, report: Reporter) -> BackupResult:
    """One run. A run limited to some items tells nothing about the source and changes no note."""
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


def notes_of(app: App) -> FailureNotes:
    """What this client remembers about runs into the repository of the configuration."""
    return FailureNotes(app.places.state, app.settings.repository.url)


def _remember(face: Face, notes: FailureNotes, names: Iterable[str], error: Exception) -> None:
    told = face.without_secrets(failure_of(error).document())["error"]
    for name in names:
        notes.failed(name, code=told["code"], what=told["what"], why=told["why"], hint=told["hint"])
