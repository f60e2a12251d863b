"""From findings to notices: what has to be told to whom now. Pure: states in, states and messages out.

A channel is told when what it was last told differs from what is so, never by the clock: a notice that could not be
sent is still due the next time, also after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from holdfast.model.alert import Alert, Delivery
from holdfast.model.health import Finding, Severity

SETTLE = timedelta(minutes=10)
"""A trouble that comes back within this never went: no recovery is told, nor a second alert."""
FORGET_AFTER = timedelta(days=30)
GIVE_UP_AFTER = timedelta(hours=24)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
_RANK = {"": 0, Severity.INFO.value: 1, Severity.WARNING.value: 2, Severity.CRITICAL.value: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What a channel wants to hear: ``severity`` at least; ``sources`` empty: of all."""

    name: str
    severity: Severity = Severity.WARNING
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From ``begin`` to ``end`` by the clock of ``zone``, over midnight where ``end`` is earlier."""

    begin: time
    end: time
    zone: str = "UTC"

    def cover(self, now: datetime) -> bool:
        """Whether it is quiet now."""
        at = now.astimezone(ZoneInfo(self.zone)).time()
        if self.begin <= self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


@dataclass(frozen=True, slots=True)
class Notice:
    """``alert`` has to be told; ``severity`` "" tells that it is over."""

    alert: Alert
    severity: str


def follow(alerts: Mapping[str, Alert], findings: Iterable[Finding], now: datetime) -> dict[str, Alert]:
    """The alerts after one more look: new ones begin, those not found any more are cleared, old ones go."""
    stamp = now.isoformat()
    found = {each.key: each for each in findings}
    after: dict[str, Alert] = {}
    for key, alert in alerts.items():
        if key in found:
            after[key] = msgspec.structs.replace(alert, finding=found[key], seen_at=stamp, cleared_at=None)
        elif alert.cleared_at is None:
            after[key] = msgspec.structs.replace(alert, cleared_at=stamp)
        elif any(alert.told.values()) or now - _time(alert.cleared_at) < FORGET_AFTER:
            after[key] = alert
    for key, finding in found.items():
        before = alerts.get(key)
        if before is None or _long_gone(before, now):
            told = before.told if before else {}
            after[key] = Alert(finding=finding, since=stamp, seen_at=stamp, told=told)
    return after


def due(alerts: Iterable[Alert], listener: Listener, quiet: QuietHours | None, now: datetime) -> list[Notice]:
    """What ``listener`` has to be told now, worst first."""
    hushed = quiet is not None and quiet.cover(now)
    notices = [notice for alert in alerts if (notice := _notice(alert, listener, now, hushed=hushed))]
    return sorted(notices, key=lambda each: (-_RANK[each.severity], each.alert.since, each.alert.key))


def told(alerts: Mapping[str, Alert], listener: str, notices: Sequence[Notice]) -> dict[str, Alert]:
    """The alerts after ``notices`` reached ``listener``."""
    after = dict(alerts)
    for notice in notices:
        alert = after[notice.alert.key]
        after[alert.key] = msgspec.structs.replace(alert, told={**alert.told, listener: notice.severity})
    return after


def may_try(delivery: Delivery, now: datetime) -> bool:
    """Whether a channel that failed is due another attempt."""
    return delivery.next_try is None or now >= _time(delivery.next_try)


def failed(delivery: Delivery, error: str, now: datetime) -> Delivery:
    """After an attempt that did not reach anybody: pauses grow from a minute to an hour."""
    pause = min(_FIRST_PAUSE * 2 ** min(delivery.attempts, 10), _LONGEST_PAUSE)
    return msgspec.structs.replace(
        delivery, failing_since=delivery.failing_since or now.isoformat(), attempts=delivery.attempts + 1,
        next_try=(now + pause).isoformat(), error=error,
    )  # fmt: skip


def delivered(delivery: Delivery, now: datetime) -> Delivery:
    """After an attempt that arrived."""
    return Delivery(delivered_at=now.isoformat(), digest_at=delivery.digest_at)


def _notice(alert: Alert, listener: Listener, now: datetime, *, hushed: bool) -> Notice | None:
    before = alert.told.get(listener.name, "")
    wanted = _wanted(alert, listener, now, before)
    if wanted == before:
        return None
    if hushed and wanted != Severity.CRITICAL.value:
        return None
    return Notice(alert, wanted)


def _wanted(alert: Alert, listener: Listener, now: datetime, before: str) -> str:
    """What the listener should have been told by now."""
    if alert.cleared_at is not None:
        return "" if now - _time(alert.cleared_at) >= SETTLE else before
    source = alert.finding.source
    if listener.sources and source and source not in listener.sources:
        return ""
    if alert.muted_until is not None and now < _time(alert.muted_until):
        return before
    severity = alert.finding.severity.value
    return severity if _RANK[severity] >= _RANK[listener.severity.value] else ""


def _long_gone(alert: Alert, now: datetime) -> bool:
    return alert.cleared_at is not None and now - _time(alert.cleared_at) >= SETTLE


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
