"""Numbers, times and sizes as the pages say them: absolute with zone for those who compare, relative for the rest."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from holdfast.planning import saying
from holdfast.system import clock

_SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_LONGEST = 300
# Control characters but tab and line break, and those that turn the direction of what follows them.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def plain(found: Any) -> Any:
    """What a page says, with unseen and direction-changing characters of texts as escapes: none reads as another."""
    if type(found) is not str or (found.isascii() and found.isprintable()):
        return found
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode(), found)


def exact(found: Any) -> Markup:
    """For fields that send back what they were given."""
    return escape(found)


def size(count: int | None) -> str:
    """``1.4 GiB``; a dash when unknown."""
    return "–" if count is None else saying.size(count, "B")


def count(number: int | None) -> str:
    """``1,234,567``; a dash when unknown."""
    return "–" if number is None else f"{number:,}"


def span(seconds: float | None) -> str:
    """``14 minutes``, ``2 days``: the largest unit that is at least two of itself, or one exactly."""
    if seconds is None:
        return "–"
    whole = abs(round(seconds))
    for length, name in _SPANS:
        number = whole // length
        if number >= 2 or (number == 1 and whole < 1.25 * length):
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "0 seconds"


def took(seconds: float | None) -> str:
    """A duration, short: ``0.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(iso: str | None) -> datetime | None:
    """An ISO 8601 time; None for what is none. A time without zone is UTC."""
    try:
        found = datetime.fromisoformat(iso or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def instant(iso: str | None) -> str:
    """``2026-11-20 04:20:00 UTC``; what is no time stays as it is."""
    found = moment(iso)
    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if found else (iso or "–")


def ago(iso: str | None) -> str:
    """``14 minutes ago``, ``in 2 hours``."""
    found = moment(iso)
    if found is None:
        return "never"
    seconds = (clock.now() - found).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(seconds)}"


def when(iso: str | None, empty: str = "never") -> Markup:
    """Both at once, for people and for programs."""
    if moment(iso) is None:
        return escape(iso or empty)
    told = '<time datetime="{}" class="when"><span class="rel">{}</span> <span class="abs">{}</span></time>'
    return Markup(told).format(iso, ago(iso), instant(iso))  # noqa: S704 - the text is ours, values are escaped by format


def value(found: Any) -> str:
    """One value of a row: text as it is, the rest as JSON; what is very long is cut and says so."""
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def command(*words: str) -> str:
    """A line for a shell: ``holdfast find latest:shop events 42``."""
    return shlex.join(("holdfast", *(word for word in words if word)))


def percent(part: int, whole: int) -> str:
    """``99.2 %``, never rounded up to 100; a dash of nothing."""
    if not whole:
        return "–"
    return "100 %" if part == whole else f"{min(99.9, 100 * part / whole):.1f} %"
