"""Numbers, times and names as people read them; nothing that reaches a terminal can steer it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from holdfast.planning import saying

_OUTSIDE_QUOTES = re.compile(r'\n(?=(?:[^"]*"[^"]*")*[^"]*\Z)')

# One very long path must not push every other line's columns off the screen.
_WIDEST = 60


def printable(text: str) -> str:
    """``text`` with control, direction-changing and undecodable characters written as escapes, on one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _harmless(char) else _escaped(char) for char in text)


def _harmless(char: str) -> bool:
    return unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029"


def _escaped(char: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char) or char.encode("unicode_escape").decode()


def statements(text: str) -> list[str]:
    """Commands as the lines they are pasted in; a line break within quotes belongs to a name and is escaped."""
    return [printable(line) for line in _OUTSIDE_QUOTES.split(text)]


def size(count: int | None) -> str:
    """``1.4 GiB``; ``-`` when unknown."""
    return "-" if count is None else saying.size(count, "B")


def count(number: int | None) -> str:
    """``1,234,567``; ``-`` when unknown."""
    return "-" if number is None else f"{number:,}"


def seconds(amount: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 3 h``."""
    if amount < 10:
        return f"{amount:.1f} s"
    whole = round(amount)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def instant(iso: str) -> str:
    """An ISO 8601 time to the second in UTC, ``2026-11-20 04:20:00``; what is no time stays as it is."""
    try:
        return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return iso


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Lines of aligned columns, escaped; columns whose number is in ``right`` are aligned to the right."""
    cells = [[printable(cell) for cell in row] for row in (titles, *rows)]
    widths = [min(_WIDEST, max(_width(row[column]) for row in cells)) for column in range(len(titles))]
    return [_line(row, widths, right) for row in cells]


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    padded = []
    for column, cell in enumerate(row):
        space = " " * (widths[column] - _width(cell))  # nothing behind a cell that is wider
        padded.append(space + cell if column in right else cell + space)
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
