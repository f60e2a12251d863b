"""One request outward: short, without redirects, its answer read only as far as needed."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from holdfast.notices.addresses import refusal

_SECONDS = 15.0
_ENOUGH = 4096


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_request: Any) -> None:
        """A signed body goes where it was signed for."""


def request(url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
    """"" when the answer is 2xx, else why not, without the URL."""
    if why := refusal(url):
        return why
    wanted = urllib.request.Request(url, data=body, headers=dict(headers or {}))  # noqa: S310 - refusal checked it
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(wanted, timeout=_SECONDS) as answer:
            answer.read(_ENOUGH)
            return "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"it answered {error.code}"
    except urllib.error.URLError as error:
        return f"it could not be reached: {getattr(error.reason, 'strerror', None) or type(error.reason).__name__}"
    except (OSError, HTTPException) as error:
        return f"it could not be reached: {type(error).__name__}"
