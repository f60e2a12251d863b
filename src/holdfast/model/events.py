"""News from the core. Faces turn them into progress bars, lines or server-sent events; the core never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(Event):
    """A phase of a run begins. ``total`` bytes, items or None when unknown; ``unit`` "bytes" or "items"."""

    source: str
    phase: str
    total: int | None = None
    unit: str = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced(Event):
    """``amount`` more of the running phase is done."""

    source: str
    phase: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEnded(Event):
    """The phase is done."""

    source: str
    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """Something a person should know, that does not stop the run."""

    source: str
    text: str


Reporter = Callable[[Event], None]


def silent(_event: Event) -> None:
    """The reporter of those who do not listen."""
