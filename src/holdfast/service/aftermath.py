"""Runs whose process went away: they are told as interrupted, so that none is "running" for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from holdfast.journal.base import Journal, JournalFailed
from holdfast.journal.unfinished import SILENCE, mark_interrupted
from holdfast.model.run import Run

__all__ = ["SILENCE", "settle"]


def settle(journal: Journal, knows: Callable[[str], bool], now: datetime) -> list[Run]:
    """Mark every unfinished run that goes on nowhere; returns them. ``knows``: whether a run goes on in this process.

    A journal that cannot be written is told elsewhere, and stops no schedule.
    """
    try:
        return mark_interrupted(journal, now, knows=knows)
    except JournalFailed:
        return []
