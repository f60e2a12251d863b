"""Instants as people type them into ``--since`` and ``--until``, and send them as ``since`` and ``until``."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from holdfast.model.errors import UsageError
from holdfast.system import clock
from holdfast.wiring.units import parse_duration

_UNITS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_WORDS = re.compile(rf"(\d+) ({'|'.join(_UNITS)})s?")
_BEGINNING = re.compile(r"\d{4}(-\d{2})?")


def instant_of(text: str | None, option: str = "--since") -> str | None:
    """``2026-11-20``, ``2026-11``, ``2026-11-20T04:00+01:00`` (UTC unless it says otherwise); ``36h``: so long ago.

    Also in words: ``2 hours ago``.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(f"{text}-01-01"[:10] if _BEGINNING.fullmatch(text) else text)
        return clock.stamp(found if found.tzinfo else found.replace(tzinfo=UTC))
    except ValueError:
        pass
    try:
        return clock.stamp(clock.now() - parse_duration(_spoken(text.removesuffix(" ago"))))
    except UsageError as error:
        raise UsageError(f"{option} {text} is no time", hint="2026-11-20, 2026-11-20T04:00+01:00, or 36h") from error


def _spoken(text: str) -> str:
    """``2 hours`` as ``2h``."""
    found = _WORDS.fullmatch(text.strip())
    return f"{found[1]}{_UNITS[found[2]]}" if found else text
