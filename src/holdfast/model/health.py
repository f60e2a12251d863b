"""Findings: what is not as it should be, or cannot be told, with what to do about it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """Worst first. ``INFO`` is worth knowing and wakes nobody."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a rule found. ``code`` and ``source`` ("" the whole system) say which one it is over time.

    ``what`` one sentence with numbers and units, ``why`` what it was judged by, ``hint`` the command that mends it.
    """

    code: str
    severity: Severity
    source: str
    what: str
    why: str = ""
    hint: str = ""

    @property
    def key(self) -> str:
        """The same trouble has the same key tomorrow."""
        return f"{self.code}:{self.source}"
