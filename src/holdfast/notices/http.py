"""One request outward: short, without redirects, its answer read only as far as needed."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Self
from urllib.parse import quote

from holdfast.notices.addresses import Refused, connected, refusal

_SECONDS = 15.0
_ENOUGH = 4096
_PLAIN = "!#$%&'()*+,/:;=?@[]~"
"""What stays as it is in a URL; anything else but letters and digits is written as percent signs and digits."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_request: Any) -> None:
        """A signed body goes where it was signed for."""


class _Deadline:
    """Cuts off what was not over in time: a receiver that sends a byte now and then never lets a socket time out."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._over = False
        self._timer = threading.Timer(_SECONDS, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    @property
    def over(self) -> bool:
        """Whether it was cut off."""
        return self._over

    def holds(self, opened: socket.socket) -> None:
        """It is this connection that takes too long, if any."""
        self._socket = opened
        if self._over:
            self._cut()

    def _cut(self) -> None:
        self._over = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    def __init__(self, *given: Any, deadline: _Deadline, **more: Any) -> None:
        super().__init__(*given, **more)
        self._create_connection, self._deadline = connected, deadline

    def connect(self) -> None:
        super().connect()
        self._deadline.holds(self.sock)


class _SecureConnection(_Connection, HTTPSConnection):
    """The same; what it holds is the encrypted connection."""


class _Plainly(urllib.request.HTTPHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_Connection, deadline=self._deadline), req)


class _Securely(urllib.request.HTTPSHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(partial(_SecureConnection, deadline=self._deadline), req)


def request(url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
    """ "" when the answer is 2xx, else why not, without the URL."""
    if why := refusal(url):
        return why
    with _Deadline() as deadline:
        why = _asked(url, body, headers, deadline)
    return f"it could not be reached: no whole answer within {_SECONDS:g} s" if deadline.over and why else why


def _asked(url: str, body: bytes | None, headers: Mapping[str, str] | None, deadline: _Deadline) -> str:
    opener = urllib.request.build_opener(_NoRedirects, _Plainly(deadline), _Securely(deadline))
    try:
        place = quote(url, safe=_PLAIN)
        wanted = urllib.request.Request(place, data=body, headers=dict(headers or {}))  # noqa: S310 - refusal checked it
        with opener.open(wanted, timeout=_SECONDS) as answer:
            answer.read(_ENOUGH)
            return "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"it answered {error.code}"
    except urllib.error.URLError as error:
        if isinstance(error.reason, Refused):
            return str(error.reason.strerror)
        return f"it could not be reached: {getattr(error.reason, 'strerror', None) or type(error.reason).__name__}"
    except (OSError, HTTPException, ValueError) as error:
        return f"it could not be reached: {type(error).__name__}"
