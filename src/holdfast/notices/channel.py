"""What every channel can do, and the failure all of them share."""

from __future__ import annotations

from typing import Protocol

from holdfast.model.alert import Message
from holdfast.model.errors import HoldfastError


class NotDelivered(HoldfastError):
    """A message did not reach anybody; no address and no secret is in the error, only the channel's name."""

    code = "not-delivered"

    def __init__(self, channel: str, why: str, *, hint: str = "") -> None:
        super().__init__(
            "the message was not delivered", where=f"channel {channel}", why=why,
            hint=hint or f"holdfast alerts test {channel}", retryable=True,
        )  # fmt: skip


class Channel(Protocol):
    """One way to reach people or programs."""

    @property
    def name(self) -> str:
        """As the configuration names it."""
        ...

    def send(self, message: Message) -> None:
        """Deliver one message, within half a minute; NotDelivered otherwise."""
        ...
