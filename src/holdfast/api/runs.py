"""What programs do is a run in the journal, from its beginning to its end, as what people do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from holdfast.model.errors import Interrupted, UsageError
from holdfast.model.events import Event, Reporter, Warned, silent
from holdfast.model.run import Run, RunStatus
from holdfast.service.recording import Outcome, Recorder, error_of
from holdfast.system import clock
from holdfast.usecases.backup import BackupResult
from holdfast.usecases.rebuilding_runs import NUMBERS, numbers_of
from holdfast.wiring.build import App as Wired
from holdfast.wiring.journals import open_forgiving


class Relay:
    """Tells events to whoever listens: the program's own listener, and the run's record while there is one."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self.recorded: Reporter = silent

    def __call__(self, event: Event) -> None:
        self.recorded(event)
        self._report(event)


@dataclass(slots=True)
class Kept:
    """How the run ends when nothing is raised."""

    outcome: Outcome = field(default_factory=Outcome)


@contextlib.contextmanager
def run_of(
    wired: Wired, report: Relay, kind: str, run: str, sources: Iterable[str], *, dry_run: bool = False
) -> Iterator[Kept]:
    """The run ``run`` while it is carried out, with phases and log lines of what ``report`` is told meanwhile.

    A dry run is none. A journal that fails is a warning.
    """
    kept = Kept()
    if dry_run:
        yield kept
        return
    journal = open_forgiving(wired.configuration, lambda text: report(Warned(source="", text=text)))
    told = Run(
        id=run, kind=kind, status=RunStatus.QUEUED, created_at=clock.stamp(), sources=list(sources), trigger="api",
        who=clock.user(),
    )  # fmt: skip
    redactor = wired.configuration.around.redactor
    recorder = Recorder(told, journal, lambda _run: None, redactor)
    with contextlib.closing(journal):
        recorder.begin()
        report.recorded = recorder.report
        try:
            yield kept
        except BaseException as error:
            recorder.end(Outcome(status=_status(error), error=error_of(error, redactor)))
            raise
        finally:
            report.recorded = silent
        recorder.end(kept.outcome)


def backup_outcome(wired: Wired, result: BackupResult) -> Outcome:
    """Failed when a source failed; the sums of what is known of all, and with several sources each one's numbers."""
    infos = result.snapshots
    error = next(iter(result.failures.values()), None)
    each: dict[str, Any] = {info.source: {"status": _STATUS[info.status], **numbers_of(info)} for info in infos}
    each |= {source: {"status": "failed"} for source in result.failures}
    complete = all(info.status == "complete" for info in infos)
    return Outcome(
        status=RunStatus.FAILED if error else RunStatus.SUCCEEDED if complete else RunStatus.INCOMPLETE,
        error=error_of(error, wired.configuration.around.redactor) if error else None,
        numbers={
            "snapshots": [info.id for info in infos], "items": sum(info.item_count for info in infos),
            **{name: _sum([numbers_of(info)[name] for info in infos]) for name in NUMBERS},
            **({"more": {"sources": each}} if len(each) > 1 else {}),
        },
    )  # fmt: skip


_STATUS = {"complete": "succeeded", "incomplete": "incomplete"}


def _status(error: BaseException) -> RunStatus:
    if isinstance(error, UsageError):  # nothing was tried
        return RunStatus.SKIPPED
    stopped = isinstance(error, Interrupted) or not isinstance(error, Exception)
    return RunStatus.INTERRUPTED if stopped else RunStatus.FAILED


def _sum(values: list[int | None]) -> int | None:
    """None when any is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
