"""Schedules: when something is to be done, as a person wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Either ``cron`` (five fields, in the time zone ``zone``) or ``every`` so long.

    ``jitter``: begin up to so much later, so that many machines do not begin at once; the delay of one appointment
    is always the same. ``only``, ``pin`` and ``label`` go to the backup.
    """

    source: str
    name: str
    cron: str | None = None
    every: timedelta | None = None
    zone: str = "UTC"
    jitter: timedelta = timedelta(0)
    only: tuple[str, ...] = ()
    pin: bool = False
    label: str | None = None

    @property
    def key(self) -> str:
        """Names it among all schedules."""
        return f"{self.source}/{self.name}"
