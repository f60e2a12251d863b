"""What is known of alerts and channels: kept in the journal, and by this process for as long as that is away."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from holdfast.journal.base import Journal, JournalFailed
from holdfast.model.alert import Alert, Delivery
from holdfast.model.ids import new_id
from holdfast.planning.noticing import Notice

_ALERT, _DELIVERY, _TELLING = "alert/", "delivery/", "telling/"
_HELD = timedelta(minutes=5)
"""How long the others leave a channel to who tells now: longer than any message takes."""
_TRIES = 10
_log = logging.getLogger("holdfast.alerts")


class AlertBook:
    """The alerts of one journal. Others may write to it too: what they told, and what people said, stays."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._me = new_id()
        self._known: dict[str, Alert] = {}
        self._ahead = False  # this process knows what the journal did not take
        self._deliveries: dict[str, Delivery] = {}

    def alerts(self) -> dict[str, Alert]:
        """Every alert by its key, also those that are over; as this process saw them when the journal is away."""
        with contextlib.suppress(JournalFailed):
            stored = {alert.key: alert for alert in map(_alert, self._journal.recall(_ALERT).values())}
            self._known = _heard(self._known, stored) if self._ahead else stored
        return dict(self._known)

    def keep(self, gone: Collection[str], alerts: Iterable[Alert]) -> None:
        """Remember how the alerts are now, but for what they were told and what was said to them; drop ``gone``."""
        ahead = self._ahead
        self._known = {alert.key: alert for alert in alerts}
        try:
            for key in gone:
                self._journal.remember(_ALERT + key, None)
            for alert in self._known.values():
                self._change(alert.key, _followed(alert, ahead=ahead))
        except JournalFailed as error:
            self._fell_behind(error)
        else:
            self._ahead = False

    def told(self, channel: str, notices: Iterable[Notice]) -> None:
        """Remember at once that ``notices`` reached ``channel``."""
        for notice in notices:
            key, severity = notice.alert.key, notice.severity
            tell = _telling(self._known.get(key, notice.alert), channel, severity)
            self._known[key] = tell(None)
            try:
                self._change(key, tell)
            except JournalFailed as error:
                self._fell_behind(error)

    def say(self, key: str, *, muted_until: str | None = None, acknowledged_by: str = "") -> Alert | None:
        """Remember what a person said to an alert; None when there is none of that key. JournalFailed."""
        said: list[Alert | None] = [None]

        def change(kept: Alert | None) -> Alert | None:
            muted, taken = (kept.muted_until, kept.acknowledged_by) if kept else (None, "")
            said[0] = kept and msgspec.structs.replace(
                kept, muted_until=muted_until or muted, acknowledged_by=acknowledged_by or taken
            )
            return said[0]

        self._change(key, change)
        return said[0]

    def deliveries(self) -> dict[str, Delivery]:
        """How each channel does."""
        with contextlib.suppress(JournalFailed):
            kept = self._journal.recall(_DELIVERY)
            found = {name[len(_DELIVERY) :]: msgspec.json.decode(text, type=Delivery) for name, text in kept.items()}
            return {**found, **self._deliveries}
        return dict(self._deliveries)

    def delivered(self, channel: str, delivery: Delivery) -> None:
        """Remember how a channel does; by this process alone where the journal does not take it."""
        self._deliveries[channel] = delivery
        with contextlib.suppress(JournalFailed):
            self._journal.remember(_DELIVERY + channel, msgspec.json.encode(delivery).decode())
            del self._deliveries[channel]

    @contextlib.contextmanager
    def telling(self, channel: str, now: datetime) -> Iterator[bool]:
        """Whether it is this process that tells something through ``channel``, and no other meanwhile."""
        key, mine = _TELLING + channel, f"{(now + _HELD).isoformat()} {self._me}"
        try:
            held = self._journal.recall(key).get(key)
            free = held is None or datetime.fromisoformat(held.split()[0]) <= now
            alone = free and self._journal.swap(key, held, mine)
        except JournalFailed:
            alone = True  # better told twice than by nobody
        try:
            yield alone
        finally:
            if alone:
                with contextlib.suppress(JournalFailed):
                    self._journal.swap(key, mine, None)

    def _change(self, key: str, change: Callable[[Alert | None], Alert | None]) -> None:
        """Change what is stored, as it is stored at that moment."""
        name = _ALERT + key
        for _ in range(_TRIES):
            text = self._journal.recall(name).get(name)
            after = change(_alert(text) if text is not None else None)
            wanted = msgspec.json.encode(after).decode() if after is not None else None
            if text == wanted or self._journal.swap(name, text, wanted):
                return
        raise JournalFailed("an alert is changed by others all the time", where=key, retryable=True)

    def _fell_behind(self, error: JournalFailed) -> None:
        if not self._ahead:
            _log.warning("alerts are remembered by this process alone", extra={"why": error.why or error.what})
        self._ahead = True


def _alert(text: str) -> Alert:
    return msgspec.json.decode(text, type=Alert)


def _heard(known: dict[str, Alert], stored: dict[str, Alert]) -> dict[str, Alert]:
    """What this process knows, with what people said to it meanwhile."""
    return {key: _with_words_of(stored[key], alert) if key in stored else alert for key, alert in known.items()}


def _with_words_of(stored: Alert, alert: Alert) -> Alert:
    """A new trouble begins without what was said to the one before."""
    if stored.since != alert.since and stored.cleared_at is not None:
        return alert
    return msgspec.structs.replace(alert, muted_until=stored.muted_until, acknowledged_by=stored.acknowledged_by)


def _followed(alert: Alert, *, ahead: bool) -> Callable[[Alert | None], Alert]:
    def change(kept: Alert | None) -> Alert:
        if kept is None:
            return alert
        told = {**kept.told, **alert.told} if ahead else kept.told
        return msgspec.structs.replace(_with_words_of(kept, alert), told=told)

    return change


def _telling(alert: Alert, channel: str, severity: str) -> Callable[[Alert | None], Alert]:
    def change(kept: Alert | None) -> Alert:
        base = kept or alert
        return msgspec.structs.replace(base, told={**base.told, channel: severity})

    return change
