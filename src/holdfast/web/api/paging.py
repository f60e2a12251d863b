"""Cursors: where a page ended, in a form that stays valid while entries come and go."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from holdfast.model.errors import UsageError

_LARGEST = 2**53


def cursor(*place: Any) -> str:
    """Where a page ended."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def place(cursor: str, *kinds: type) -> tuple[Any, ...]:
    """What ``cursor`` was made of, values of ``kinds``. UsageError for one that nobody made."""
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _unknown() from error
    if not isinstance(found, list) or [type(each) for each in found] != list(kinds):
        raise _unknown()
    if any(isinstance(each, int) and not 0 <= each <= _LARGEST for each in found):
        raise _unknown()
    return tuple(found)


def _unknown() -> UsageError:
    return UsageError("this is no cursor", hint="send back the `next` of the page before, as it is")
