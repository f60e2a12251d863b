"""Our own webhook: JSON, signed, so that a receiver knows whom it is from and that it is no replay."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from holdfast.model.alert import Message
from holdfast.model.ids import new_id
from holdfast.model.secret import Secret
from holdfast.notices.channel import NotDelivered
from holdfast.notices.http import request
from holdfast.system import clock

TIMESTAMP = "Holdfast-Timestamp"
SIGNATURE = "Holdfast-Signature"
DELIVERY = "Holdfast-Delivery"
WINDOW = timedelta(minutes=5)


def sign(secret: bytes, timestamp: str, delivery: str, body: bytes) -> str:
    """``v1=`` and the hex HMAC-SHA256 over ``timestamp.delivery.body``."""
    signed = b".".join((timestamp.encode(), delivery.encode(), body))
    return "v1=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """For receivers: whether a request is ours, unchanged, and younger than five minutes.

    Remember each Holdfast-Delivery for that long and refuse it the second time.
    """
    known = {name.lower(): value for name, value in headers.items()}
    timestamp = known.get(TIMESTAMP.lower(), "")
    expected = sign(secret, timestamp, known.get(DELIVERY.lower(), ""), body)
    if not hmac.compare_digest(expected.encode(), known.get(SIGNATURE.lower(), "").encode()):
        return False
    return abs(now.timestamp() - float(timestamp)) <= WINDOW.total_seconds()


class Webhook:
    """POSTs a Message as JSON to one URL."""

    def __init__(self, name: str, url: Secret, secret: Secret | None) -> None:
        self.name = name
        self._url, self._secret = url, secret

    def send(self, message: Message) -> None:
        """See Channel. Every attempt has a time and a delivery id of its own."""
        body = msgspec.json.encode(message)
        timestamp, delivery = str(int(clock.now().timestamp())), new_id()
        headers = {"Content-Type": "application/json", "User-Agent": "holdfast", TIMESTAMP: timestamp,
                   DELIVERY: delivery}  # fmt: skip
        if self._secret is not None:
            headers[SIGNATURE] = sign(self._secret.reveal().encode(), timestamp, delivery, body)
        if why := request(self._url.reveal(), body=body, headers=headers):
            raise NotDelivered(self.name, why)
