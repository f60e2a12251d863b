"""One call of a verb on the record: a run in the journal, its deed in the audit trail, from beginning to end.

A journal that fails is a warning. So is an audit trail that cannot be written, unless the configuration demands it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.cli.face import Face
from holdfast.cli.journaling import begun, both, counted, outcome_of
from holdfast.cli.recorded import SNAPSHOTS, Recorded, deed_of, told
from holdfast.cli.textfile import write_metrics
from holdfast.journal.forgiving import Forgiving
from holdfast.model.audit import Act
from holdfast.model.errors import Exit, HoldfastError, UsageError
from holdfast.model.events import Reporter
from holdfast.model.run import Run, RunStatus
from holdfast.repository.repository import Repository
from holdfast.service.recording import Recorder
from holdfast.system import clock
from holdfast.usecases.audit import note
from holdfast.usecases.noting import Ending, noted, snapshot_meant
from holdfast.wiring.build import App


class Record:
    """What becomes of one call. The objects it works with are closed when its end has been noted."""

    def __init__(self, face: Face, recorded: Recorded, options: Mapping[str, Any]) -> None:
        self._face, self._recorded, self._options = face, recorded, options
        self._deed = deed_of(recorded, options, dry_run=face.dry_run)
        self._look = recorded.look or face.dry_run
        self._exit = contextlib.ExitStack()
        self._ending: Ending | None = None
        self._journal: Forgiving | None = None
        self._recorder: Recorder | None = None
        self.status: int = 0

    def attach(self, app: App) -> None:
        """``app`` is what the call works with."""
        self._exit.callback(app.close)
        if self._recorded.kind and not self._face.dry_run and self._recorder is None:
            self._journal, self._recorder = begun(self._face, app.configuration, self._run())
            self._exit.callback(self._close_journal)
            self._exit.callback(write_metrics, self._face, app, self._journal)
        if self._deed:
            app.on_open = lambda repository: self._note(app, repository)
            if self._recorded.opens and not self._face.dry_run:
                self._open(app)

    def hearing(self, report: Reporter) -> Reporter:
        """``report``, and the run hears of it too."""
        if self._recorder is None:
            return report
        return both(report, self._recorder.report)

    def end(self, error: BaseException | None) -> None:
        """It is over."""
        document = self._face.told if isinstance(self._face.told, dict) else {}
        if self._ending is not None:
            if self.status == Exit.FAILED:
                self._ending.outcome = "failed"
            self._ending.more.update(counted(document))
        if isinstance(error, UsageError | SystemExit) and self._ending is not None:
            self._ending.outcome = "refused"
        try:
            if self._recorder is not None:
                self._recorder.end(outcome_of(self._face, self.status, error, document))
        finally:
            self._exit.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def _run(self) -> Run:
        source = self._options.get(self._recorded.source) if self._recorded.source else None
        return Run(
            id=self._face.run_id, kind=self._recorded.kind, status=RunStatus.QUEUED, created_at=clock.stamp(),
            sources=[source] if isinstance(source, str) and source else [], who=clock.user(),
        )  # fmt: skip

    def _open(self, app: App) -> None:
        """For verbs that work with a source alone: what they do is noted all the same."""
        try:
            app.repository  # noqa: B018 - opening it notes the deed
        except HoldfastError as error:
            if app.settings.audit.required:
                raise
            self._face.alarm(f"this is not in the audit trail: {error.what}")

    def _note(self, app: App, repository: Repository) -> None:
        if self._ending is not None:
            return
        act, required = self._act(app, repository), app.settings.audit.required
        if self._look:
            if warning := note(repository, act, required=required).warning:
                self._face.alarm(warning)
            self._ending = Ending()
        else:
            way = noted(repository, act, required=required, warn=self._face.alarm)
            self._ending = self._exit.enter_context(way)
        if self._recorder is not None and act.source and not self._recorder.run.sources:
            self._recorder.run.sources = [act.source]

    def _act(self, app: App, repository: Repository) -> Act:
        recorded, options = self._recorded, self._options
        subject = options.get(recorded.subject, "") if recorded.subject else ""
        subject = " ".join(map(str, subject)) if isinstance(subject, tuple | list) else str(subject or "")
        entity = app.settings.entities.get(str(options.get("name") or ""))
        source = str(options.get(recorded.source) or "") if recorded.source else entity.source if entity else ""
        if recorded.subject in SNAPSHOTS and (found := snapshot_meant(repository, subject)):
            subject, source = found
        return Act(
            at=clock.stamp(), deed=self._deed, who=clock.user(), via="cli",
            what=self._face.redactor.clean(told(recorded, options)), source=source,
            subject=self._face.redactor.clean(subject),
            more={} if self._look else {"run": self._face.run_id},
        )  # fmt: skip

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()


@contextlib.contextmanager
def recording(face: Face, recorded: Recorded, options: Mapping[str, Any]) -> Iterator[Record]:
    """Keep a record of what happens within."""
    record = face.record = Record(face, recorded, options)
    try:
        yield record
    except BaseException as error:
        face.record = None
        record.end(error)
        raise
    face.record = None
    record.end(None)
