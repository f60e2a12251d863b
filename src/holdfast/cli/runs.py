"""A backup run as a face sees it: from options to the use case, from its result to a document, lines and a status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from holdfast.cli import shapes, words
from holdfast.cli.face import Face
from holdfast.cli.failure import failure_of
from holdfast.model.errors import Exit
from holdfast.model.events import Reporter
from holdfast.model.ids import new_id, short
from holdfast.system import clock
from holdfast.usecases.backup import BackupRequest, BackupResult, backup
from holdfast.wiring.build import App


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupWishes:
    """``sources`` empty: all of the configuration."""

    sources: tuple[str, ...]
    name: str | None
    pin: bool = False
    trigger: str = "manual"
    only: tuple[str, ...] = ()
    run: str = field(default_factory=new_id)


def take(app: App, wishes: BackupWishes, report: Reporter) -> BackupResult:
    """One run. Unknown sources are an error before anything is opened."""
    app.begin_opening()
    request = BackupRequest(
        sources=app.sources(wishes.sources),
        name=wishes.name,
        pin=wishes.pin,
        trigger=wishes.trigger,
        only=wishes.only,
        created_by=clock.user(),
        width=app.width,
        report=report,
        run=wishes.run,
        config=app.configuration.text,
        environments=app.environments,
    )
    return backup(app.repository, request)


def status_of(result: BackupResult) -> Exit:
    """Failed when a source failed, incomplete when a snapshot is, else ok.

    A request that no source could make sense of (patterns that match nothing anywhere) is a usage error.
    """
    if result.failures:
        misused = not result.snapshots and all(error.exit is Exit.USAGE for error in result.failures.values())
        return Exit.USAGE if misused else Exit.FAILED
    incomplete = any(info.status != "complete" for info in result.snapshots)
    return Exit.INCOMPLETE if incomplete else Exit.OK


def backup_document(face: Face, result: BackupResult) -> dict[str, Any]:
    """For ``--json``; with ``error`` as well when a source failed."""
    document: dict[str, Any] = {
        "run": result.run,
        "snapshots": [shapes.snapshot_document(info) for info in result.snapshots],
    }
    errors = {
        name: face.without_secrets(failure_of(error).document())["error"] for name, error in result.failures.items()
    }
    if errors:
        document["error"] = next(iter(errors.values()))
        document["failures"] = [{"source": name, **error} for name, error in errors.items()]
    return document


def tell_backup(face: Face, result: BackupResult) -> None:
    """For people: what was made, what is missing from it, what failed."""
    if result.snapshots:
        face.lines(shapes.snapshot_lines(result.snapshots))
    shapes.tell_gaps(face, result.snapshots)
    for info in result.snapshots:
        if info.status != "complete":
            face.loud_note(f"{info.source}: snapshot {short(info.id)} is incomplete:", "yellow")
        for text in info.warnings:
            face.warning(text, info.source)
    for name, error in result.failures.items():
        face.loud_note(f"{name}: no snapshot was made", "red")
        for text in failure_of(error).lines():
            face.loud_note(f"  {text}")
    if result.snapshots and not result.failures and not face.as_json:
        new = sum(info.bytes_new for info in result.snapshots)
        stored = sum(info.bytes_stored for info in result.snapshots)
        face.note(f"{words.size(new)} were new, the repository grew by {words.size(stored)}")
