"""The watch: look, compare with what was told, tell. A round a minute; what was told is kept before anything else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from holdfast.journal.base import Journal, RunQuery
from holdfast.model.alert import Alert, Delivery, Message
from holdfast.model.errors import HoldfastError
from holdfast.model.health import Finding, Severity
from holdfast.model.report import SystemReport
from holdfast.model.run import Run
from holdfast.notices.channel import Channel
from holdfast.planning import noticing
from holdfast.planning.noticing import Listener, Notice
from holdfast.planning.wording import alert_message, digest_message
from holdfast.service.alert_book import AlertBook
from holdfast.system import clock
from holdfast.wiring.channels import Outlets

_WEEK = timedelta(days=7)
_PAGE = 500
_log = logging.getLogger("holdfast.alerts")


class Watch:
    """``look`` gives the report of this moment; what it raises is a finding itself. No journal has to be there."""

    def __init__(
        self, journal: Journal, outlets: Outlets, look: Callable[[datetime], SystemReport], *, public_url: str = ""
    ) -> None:
        self._journal, self._outlets, self._look, self._public_url = journal, outlets, look, public_url
        self.book = AlertBook(journal)

    def round(self, now: datetime) -> SystemReport | None:
        """One look, and everything that has to be told because of it. None when nothing could be seen."""
        before = self.book.alerts()
        report, findings = self._seen(before.values(), now)
        alerts = noticing.follow(before, [*findings, *self._own_findings(now)], now)
        self.book.keep(before.keys() - alerts.keys(), alerts.values())
        for alert in alerts.values():
            _log_change(before.get(alert.key), alert)
        for name, channel in self._outlets.channels.items():
            self._tell(name, channel, now)
        self._ping(findings)
        return report

    @property
    def channels(self) -> list[str]:
        """Names of those that can be tried."""
        return list(self._outlets.channels)

    def digest(self, report: SystemReport, now: datetime, channels: Collection[str]) -> list[str]:
        """Send the weekly letter to ``channels``; returns the names of those it reached. JournalFailed."""
        message = digest_message(report, self._backups(now - _WEEK), now, self._public_url)
        return [
            name
            for name, channel in self._outlets.channels.items()
            if name in channels and self._send(name, channel, message, now)
        ]

    def _backups(self, since: datetime) -> Iterator[Run]:
        """Every one since then, however many."""
        query = RunQuery(kinds=("backup",), since=clock.stamp(since), limit=_PAGE)
        while True:
            page = self._journal.runs(query)
            yield from page.runs
            if page.next is None:
                return
            query = replace(query, before=page.next)

    def _seen(self, before: Iterable[Alert], now: datetime) -> tuple[SystemReport | None, list[Finding]]:
        """What is found now. Where nothing can be seen, nothing has recovered: the open findings stay."""
        try:
            report = self._look(now)
        except HoldfastError as error:
            blind = Finding(
                code="blind", severity=Severity.CRITICAL, source="", what=f"holdfast cannot look: {error.what}",
                why=error.why, hint=error.hint or "holdfast doctor",
            )  # fmt: skip
            return None, [blind, *(each.finding for each in before if each.cleared_at is None)]
        return report, [*report.findings, *(finding for each in report.sources for finding in each.findings)]

    def _own_findings(self, now: datetime) -> list[Finding]:
        """Channels that are broken, or reach nobody for a day."""
        found = [
            Finding(code="channel", severity=Severity.WARNING, source="", what=f"the channel {name} cannot be used",
                    why=error.what, hint=error.hint)
            for name, error in self._outlets.broken.items()
        ]  # fmt: skip
        for name, each in self.book.deliveries().items():
            if each.failing_since and now - datetime.fromisoformat(each.failing_since) > noticing.GIVE_UP_AFTER:
                what = f"the channel {name} has reached nobody since {each.failing_since}"
                found.append(Finding(code=f"silent-{name}", severity=Severity.CRITICAL, source="", what=what,
                                     why=each.error, hint=f"holdfast alerts test {name}"))  # fmt: skip
        return found

    def _tell(self, name: str, channel: Channel, now: datetime) -> None:
        listener = self._outlets.listeners.get(name, Listener(name=name))

        def due() -> list[Notice]:
            return noticing.due(self.book.alerts().values(), listener, self._outlets.quiet, now)

        if not due():
            return
        with self.book.telling(name, now) as alone:
            notices = due() if alone else []  # another process may have told them a moment ago
            if notices and self._send(name, channel, alert_message(notices, now, self._public_url), now):
                self.book.told(name, notices)

    def _send(self, name: str, channel: Channel, message: Message, now: datetime) -> bool:
        delivery = self.book.deliveries().get(name, Delivery())
        if not noticing.may_try(delivery, now):
            return False
        if why := _failure(channel, message):
            _log.warning("message not delivered", extra={"channel": name, "kind": message.kind, "why": why})
            self.book.delivered(name, noticing.failed(delivery, why, now))
            return False
        _log.info("message delivered", extra={"channel": name, "kind": message.kind, "title": message.title})
        self.book.delivered(name, noticing.delivered(delivery, now))
        return True

    def _ping(self, findings: list[Finding]) -> None:
        """A sign of life to whoever watches from outside. That it does not arrive is what the watcher is for."""
        if self._outlets.ping is None:
            return
        bad = [each for each in findings if each.severity is Severity.CRITICAL]
        try:
            if bad:
                self._outlets.ping.failed("\n".join(each.what for each in bad))
            else:
                self._outlets.ping.well("holdfast looks after its sources")
        except HoldfastError:
            return


def _failure(channel: Channel, message: Message) -> str:
    """Why it did not arrive, "" when it did. Channels are other people's code: whatever one raises stops no other."""
    try:
        channel.send(message)
    except HoldfastError as error:
        return "; ".join(filter(None, (error.what, error.why)))
    except Exception as error:  # noqa: BLE001 - its text may hold the channel's URL
        return f"the message was not delivered; the channel failed with {type(error).__name__}"
    return ""


def _log_change(before: Alert | None, after: Alert) -> None:
    """An alert that is raised, again, or over; nothing when it goes on as it was."""
    open_before, open_now = before is not None and before.cleared_at is None, after.cleared_at is None
    if open_before == open_now:
        return
    found = after.finding
    _log.log(
        logging.WARNING if open_now else logging.INFO, "alert raised" if open_now else "alert over",
        extra={"key": after.key, "source": found.source, "severity": found.severity.value, "what": found.what},
    )  # fmt: skip
