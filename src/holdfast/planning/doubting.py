"""Whether the clock can be believed where time alone decides what goes: told by the store, and by what was stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from holdfast.planning.saying import span

OFF = timedelta(hours=1)
"""How far the clock here and that of the store may lie apart."""
LEAP = timedelta(days=2)
"""The least time without anything stored that may be a clock that jumped."""
BELIEVED = timedelta(days=7)
"""How long things have to be stored after a leap, at most, until the time they tell is believed."""

_USUAL = 3
_LOOKED_AT = 30
_NEIGHBOURS = 24
"""Records of the log between two snapshots that may follow one another: more, and others between them are gone."""

Mark = tuple[datetime, int]
"""When a snapshot was begun by the clock of its maker, and the number of its record in the log."""


def why_doubted(marks: Sequence[Mark], now: Mark, store: datetime | None = None) -> str:
    """Why ``now`` (with the number the next record would have) cannot be believed yet, in words; "" when it can.

    ``marks``: all that was stored, of any source; what lies in the future of ``now`` tells nothing. A leap, that is a
    gap of two days or more that is three times as wide as any before, is believed when things were stored after it for
    as long as it lasted, or for a week. ``store``: the time there.
    """
    if store is not None and abs(now[0] - store) > OFF:
        return f"the clock here says {_told(now[0])}, that of the store {_told(store)}"
    past = [*sorted(mark for mark in marks if mark[0] <= now[0]), now]
    steps = [_Step(after=after, gap=after - before, near=later - number <= _NEIGHBOURS)
             for (before, number), (after, later) in pairwise(past)]  # fmt: skip
    for at, step in enumerate(steps):
        if step.near and step.gap >= LEAP and now[0] - step.after < min(step.gap, BELIEVED):
            usual = max((each.gap for each in steps[max(0, at - _LOOKED_AT) : at] if each.near), default=timedelta(0))
            if step.gap >= _USUAL * usual:
                pause = f"nothing was stored for {span(step.gap.total_seconds())} before {_told(step.after)}"
                return f"{pause}: a long pause, or a clock that jumped ahead"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """From one snapshot to the next; ``near``: none that is gone by now lay between them."""

    after: datetime
    gap: timedelta
    near: bool


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
