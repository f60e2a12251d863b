"""Connections as the server bears them: so many and no more, and none that keeps it waiting for a request."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD, BODY, LEAVING = 10.0, 60.0, 60.0
"""Seconds for the head of a request; for its body; for the rest of an answer to be taken by a connection that ends."""

_RESERVE, _FEWEST, _MOST = 256, 32, 2048


def most_of(descriptors: int) -> int:
    """So many connections at most, where a process may have ``descriptors`` open: backups need theirs."""
    return max(_FEWEST, min((descriptors - _RESERVE) // 2, _MOST))


def at_once(most: int) -> int:
    """So many are taken at a time: the event loop takes that many again before it gets to hang up on the first."""
    return max(_FEWEST, most // 4)


class Lines:
    """The open connections of one server, of its event loop only.

    When there are too many, one goes that no request is being answered on: the oldest of the address that has the most
    such, so that one stranger with thousands does not push out the others.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Line] = set()
        self._waiting: dict[str, dict[Line, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, line: Line) -> None:
        """One more; another goes, or this one, when that is one too many."""
        self._open.add(line)
        self.waits(line)
        if len(self._open) > self._most:
            most = max(self._waiting.values(), key=len)
            next(iter(most)).drop()

    def waits(self, line: Line) -> None:
        """Nothing is being answered on it."""
        self._waiting.setdefault(line.address, {}).setdefault(line)

    def works(self, line: Line) -> None:
        """A whole request came on it, which is being answered."""
        mine = self._waiting.get(line.address, {})
        mine.pop(line, None)
        if not mine:
            self._waiting.pop(line.address, None)

    def closed(self, line: Line) -> None:
        """It is no more, or as good as."""
        self._open.discard(line)
        self.works(line)


class Line(H11Protocol):
    """One connection. Whoever begins a request and does not go on with it is hung up on."""

    lines: Lines
    address = ""
    _for = ""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._wait_for("head", HEAD)
        self.lines.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_waiting()
        self.lines.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """See H11Protocol."""
        super().on_response_complete()
        self._look()

    def drop(self) -> None:
        """Hang up at once, whatever is still to be sent."""
        self._stop_waiting()
        self.lines.closed(self)
        self.transport.abort()

    def _look(self) -> None:
        if self.transport.is_closing():
            self._wait_for("leaving", LEAVING)
        elif self.cycle is None or self.cycle.response_complete:
            self._wait_for("head", HEAD if not self.transport.get_write_buffer_size() else LEAVING)
        elif self.conn.their_state is h11.SEND_BODY:
            self._wait_for("body", BODY)
        else:
            self._stop_waiting()
            self.lines.works(self)

    def _wait_for(self, what: str, seconds: float) -> None:
        if self._for != what:
            self._stop_waiting()
            self._for, self._timer = what, self.loop.call_later(seconds, self.drop)
            self.lines.waits(self)

    def _stop_waiting(self) -> None:
        self._for = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def line_class(most: int) -> type[Line]:
    """Connections of one server, ``most`` at once."""

    class Bounded(Line):
        lines = Lines(most)

    return Bounded


class Seldom(logging.Filter):
    """Lets the same message through once a minute: what goes wrong thousands of times a second fills no disk."""

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self._seconds, self._told = seconds, dict[Any, float]()

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        now, told = time.monotonic(), str(record.msg).partition("\n")[0]
        if now - self._told.get(told, -self._seconds) < self._seconds:
            return False
        if len(self._told) > _MOST:
            self._told.clear()
        self._told[told] = now
        return True
