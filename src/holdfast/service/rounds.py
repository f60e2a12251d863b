"""What is done once a minute beside the schedules: the watch, the weekly letter, the metrics in a file."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from holdfast.journal.base import JournalFailed
from holdfast.model.errors import UsageError
from holdfast.model.report import SystemReport
from holdfast.model.timetable import Schedule
from holdfast.planning.noticing import GIVE_UP_AFTER
from holdfast.planning.timetable import check_cron, next_appointment
from holdfast.service.metrics import metrics_text, write_textfile
from holdfast.service.service import Service
from holdfast.service.watch import Watch
from holdfast.wiring.channels import Outlets, outlets_of
from holdfast.wiring.journals import tidy_daily
from holdfast.wiring.reporting import system_report

_LETTER, _LEFT = "digest/last", "digest/left"
_log = logging.getLogger("holdfast.rounds")


class Rounds:
    """The rounds of one service. UsageError when the letter's times make no sense."""

    def __init__(self, service: Service) -> None:
        self._service = service
        settings = service.settings
        self.watch = Watch(service.journal, _outlets(service), self._look, public_url=settings.serve.public_url or "")
        zone = settings.defaults.timezone
        letter = settings.alerts.digest
        self._letter = Schedule(source="", name="digest", cron=letter, zone=zone) if letter else None
        if letter:
            _require_times(letter)
        textfile = settings.alerts.textfile
        self._blind = False
        self._textfile: Path | None = service.configuration.base / textfile if textfile else None
        service.on_round(self.round)

    def round(self, now: datetime) -> None:
        """One of them."""
        report = self.watch.round(now)
        if report is not None and self._blind:
            self._service.scheduler.store_is_back()
        self._blind = report is None
        with contextlib.suppress(JournalFailed):  # that is told elsewhere
            tidy_daily(self._service.configuration, self._service.journal)
        if report is not None:
            self._try_letter(report, now)
        if self._textfile is not None:
            self._write(self._textfile, report)

    def _write(self, path: Path, report: SystemReport | None) -> None:
        """The file is old when it cannot be written, and its reader sees that."""
        try:
            write_textfile(path, metrics_text(report, dict(self._service.counts)))
        except OSError as error:
            _log.warning("the metrics were not written: %s: %s", path, error.strerror)

    def _look(self, _now: datetime) -> SystemReport:
        with self._service.reading() as app:
            return system_report(app, self._service.journal)

    def _try_letter(self, report: SystemReport, now: datetime) -> None:
        """Without a journal nobody knows whether it is due; it is, when the journal is there again."""
        try:
            self._write_letter(report, now)
        except JournalFailed as error:
            _log.warning("the letter waits for the journal", extra={"why": error.why or error.what})

    def _write_letter(self, report: SystemReport, now: datetime) -> None:
        """Of several processes one writes it."""
        if self._letter_due(now) is None and not self._left():
            return
        with self.watch.book.telling(_LETTER, now) as alone:
            if alone:
                self._send_letter(report, now)

    def _send_letter(self, report: SystemReport, now: datetime) -> None:
        """Who could not be reached is tried again, as with alerts, also after a restart, until a day has passed."""
        journal = self._service.journal
        if self._letter_due(now) is not None:
            journal.remember(_LETTER, now.isoformat())
            left = self.watch.channels
        else:
            left = self._left()
        if not left:
            return
        begun = datetime.fromisoformat(journal.recall(_LETTER)[_LETTER])
        reached = self.watch.digest(report, now, left) if now - begun <= GIVE_UP_AFTER else left
        left = [name for name in left if name not in reached]
        journal.remember(_LEFT, msgspec.json.encode(left).decode() if left else None)

    def _left(self) -> list[str]:
        """Channels that the last letter did not reach yet."""
        return msgspec.json.decode(self._service.journal.recall(_LEFT).get(_LEFT, "[]"), type=list[str])

    def _letter_due(self, now: datetime) -> str | None:
        """When the last one was, if the next is due. The first comes at the first appointment after the first round."""
        if self._letter is None:
            return None
        last = self._service.journal.recall(_LETTER).get(_LETTER)
        if last is None:
            self._service.journal.remember(_LETTER, now.isoformat())
            return None
        return last if next_appointment(self._letter, datetime.fromisoformat(last)).due <= now else None


def _outlets(service: Service) -> Outlets:
    """That Sentry cannot be told of defects is told as of any other channel."""
    outlets = outlets_of(service.configuration)
    if service.defects.broken is None:
        return outlets
    return replace(outlets, broken={**outlets.broken, "sentry": service.defects.broken})


def _require_times(cron: str) -> None:
    """UsageError at the start rather than no letter for ever."""
    try:
        check_cron(cron)
    except ValueError as error:
        raise UsageError(str(error), where="[alerts] digest") from error
