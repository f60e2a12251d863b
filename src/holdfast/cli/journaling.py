"""Runs of the command line in the journal: begun, heard of, ended. A journal that fails is a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.cli.face import Face
from holdfast.cli.failure import failure_of
from holdfast.journal.forgiving import Forgiving
from holdfast.model.errors import Exit, UsageError
from holdfast.model.events import Reporter
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.service.recording import Outcome, Recorder
from holdfast.wiring.journals import open_forgiving, tidy_daily
from holdfast.wiring.load import Configuration

_ENDINGS: Mapping[int, RunStatus] = {
    Exit.OK: RunStatus.SUCCEEDED, Exit.INCOMPLETE: RunStatus.INCOMPLETE, Exit.PROBLEMS_FOUND: RunStatus.INCOMPLETE,
    Exit.SOFT_SKIP: RunStatus.SKIPPED,
}  # fmt: skip
_COUNTS = ("rows", "bytes_read", "freed", "repaired")


def begun(face: Face, configuration: Configuration, run: Run) -> tuple[Forgiving, Recorder]:
    """A run that begins now, in the journal of the configuration."""
    journal = open_forgiving(configuration, face.warning)
    recorder = Recorder(run, journal, lambda _run: None, face.redactor)
    recorder.begin()
    tidy_daily(configuration, journal)
    return journal, recorder


def both(first: Reporter, second: Reporter) -> Reporter:
    """A reporter that tells two."""

    def report(event: Any) -> None:
        first(event)
        second(event)

    return report


def run_error(face: Face, error: BaseException) -> RunError:
    """An error as a run keeps it, without secrets."""
    return msgspec.convert(face.without_secrets(failure_of(error).document())["error"], RunError)


def outcome_of(face: Face, status: int, error: BaseException | None, document: Mapping[str, Any]) -> Outcome:
    """How a run ended that ended with ``status`` or ``error``."""
    numbers = {"snapshots": _snapshots(document)} if _snapshots(document) else {}
    if error is None:
        ended = _ENDINGS.get(status, RunStatus.FAILED)
        fault = RunError(code="failed", what=f"it ended with status {status}, see what it said")
        return Outcome(
            status=ended, numbers=numbers, result=counted(document),
            error=fault if ended is RunStatus.FAILED else None,
        )  # fmt: skip
    if isinstance(error, UsageError):  # nothing was tried
        return Outcome(status=RunStatus.SKIPPED, error=run_error(face, error))
    failure = failure_of(error)
    interrupted = failure.status == Exit.INTERRUPTED
    return Outcome(status=RunStatus.INTERRUPTED if interrupted else RunStatus.FAILED, error=run_error(face, error))


def counted(document: Mapping[str, Any]) -> dict[str, Any]:
    """What may be kept of a result: counts, never rows."""
    found = {name: document[name] for name in _COUNTS if isinstance(document.get(name), int)}
    if isinstance(counts := document.get("counts"), dict):
        found["counts"] = {name: number for name, number in counts.items() if isinstance(number, int)}
    return found


def _snapshots(document: Mapping[str, Any]) -> list[str]:
    made = document.get("snapshots")
    if isinstance(made, list):
        return [each["id"] for each in made if isinstance(each, dict) and isinstance(each.get("id"), str)]
    return []
