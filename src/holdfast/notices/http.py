"""One request outward: short, without redirects, its answer read only as far as needed."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote

from holdfast.notices.addresses import Refused, connected, refusal

_SECONDS = 15.0
_ENOUGH = 4096
_PLAIN = "!#$%&'()*+,/:;=?@[]~"
"""What stays as it is in a URL; anything else but letters and digits is written as percent signs and digits."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_request: Any) -> None:
        """A signed body goes where it was signed for."""


class _Connection(HTTPConnection):
    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._create_connection = connected


class _SecureConnection(HTTPSConnection):
    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._create_connection = connected


class _Plainly(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Connection, req)


class _Securely(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_SecureConnection, req)


def request(url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
    """ "" when the answer is 2xx, else why not, without the URL."""
    if why := refusal(url):
        return why
    opener = urllib.request.build_opener(_NoRedirects, _Plainly, _Securely)
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
