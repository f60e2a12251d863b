"""A sign of life to an outside watcher (healthchecks.io and its like): silence there is an alarm."""

from __future__ import annotations

from holdfast.model.secret import Secret
from holdfast.notices.channel import NotDelivered
from holdfast.notices.http import request


class Ping:
    """One check's URL; ``/start`` and ``/fail`` are added as healthchecks.io has them."""

    def __init__(self, url: Secret) -> None:
        self._url = url

    def started(self) -> None:
        """A round begins."""
        self._send("/start", b"")

    def well(self, text: str = "") -> None:
        """A round ended and everything is as it should be."""
        self._send("", text.encode())

    def failed(self, text: str = "") -> None:
        """A round ended and something is not."""
        self._send("/fail", text.encode())

    def _send(self, suffix: str, body: bytes) -> None:
        if why := request(self._url.reveal().rstrip("/") + suffix, body=body[:10_000]):
            raise NotDelivered("ping", why, hint="check [alerts] ping")
