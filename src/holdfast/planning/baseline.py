"""A number against its own past: medians, so that one bad day neither hides the next nor raises an alarm by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LEAST_HISTORY = 5
"""With fewer numbers nothing is called unusual."""
_FAR = 6.0
_SCALE = 1.4826  # makes the median deviation of a normal distribution its standard deviation


@dataclass(frozen=True, slots=True)
class Baseline:
    """``usual`` is the median of ``count`` numbers, ``spread`` their median distance from it, scaled."""

    usual: float
    spread: float
    count: int

    @property
    def enough(self) -> bool:
        """Whether there is a past to speak of."""
        return self.count >= LEAST_HISTORY

    def far(self, value: float, least: float) -> bool:
        """Whether ``value`` is far from usual: six times the spread, and by ``least`` in its own unit."""
        distance = abs(value - self.usual)
        return self.enough and distance > least and distance > _FAR * self.spread


def baseline(numbers: Sequence[float]) -> Baseline:
    """Of any numbers; of none it is 0."""
    if not numbers:
        return Baseline(0.0, 0.0, 0)
    usual = median(numbers)
    return Baseline(usual, _SCALE * median(abs(each - usual) for each in numbers), len(numbers))
