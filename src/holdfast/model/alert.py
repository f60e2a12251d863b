"""Alerts: findings over time, and what each channel was told of them."""

from __future__ import annotations

import msgspec

from holdfast.model.health import Finding


class Alert(msgspec.Struct, kw_only=True):
    """A finding since it was first seen. Times are ISO 8601 UTC.

    ``cleared_at``: it was not found any more from then on. ``told``: by channel, the severity it was last told of;
    "" recovered. ``acknowledged_by``, ``muted_until``: what people said to it.
    """

    finding: Finding
    since: str
    seen_at: str
    cleared_at: str | None = None
    told: dict[str, str] = {}
    acknowledged_by: str = ""
    muted_until: str | None = None

    @property
    def key(self) -> str:
        """That of its finding."""
        return self.finding.key


class Delivery(msgspec.Struct, kw_only=True):
    """How a channel does: after a failure it is tried again at ``next_try``. ``digest_at``: the last digest."""

    failing_since: str | None = None
    attempts: int = 0
    next_try: str | None = None
    error: str = ""
    delivered_at: str | None = None
    digest_at: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel. ``kind`` "alert", "recovery", "digest" or "test"; ``facts`` for programs."""

    kind: str
    severity: str
    title: str
    text: str
    at: str
    facts: dict[str, object] = {}
