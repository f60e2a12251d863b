"""Which lines of a text are missing in another that is the same text without them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_STRIDE = 64 << 10
_MANY = 64


class NotASubsequence(Exception):
    """The other text holds something that the first has not."""


def missing_lines(stored: bytes, standing: bytes, expected: int) -> bytes:
    """The lines of ``stored`` that ``standing`` has not; both are whole lines in the same order.

    ``expected``: how many are missing, as far as is known: few are found by comparing long stretches at once, many by
    counting lines. NotASubsequence when ``standing`` has lines of its own.
    """
    if not standing:
        return stored
    if expected > _MANY:
        return _by_counting(stored, standing)
    missing: list[bytes] = []
    at = other = 0
    while True:
        same = _alike_from(stored, at, standing, other)
        if other + same == len(standing):
            missing.append(stored[at + same :])
            return b"".join(missing)
        begin = stored.rfind(b"\n", at, at + same) + 1 or at
        end = stored.find(b"\n", begin) + 1
        if not end:
            raise NotASubsequence
        missing.append(stored[begin:end])
        other += begin - at
        at = end


def without(lines: Sequence[bytes], held: Counter[bytes]) -> bytes:
    """The lines that are not held, each as often as it is not; what was found is taken out of ``held``."""
    kept = []
    for line in lines:
        if held[line] > 0:
            held[line] -= 1
        else:
            kept.append(line + b"\n")
    return b"".join(kept)


def alike(one: bytes, two: bytes) -> int:
    """How many bytes both begin with alike."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _by_counting(stored: bytes, standing: bytes) -> bytes:
    others = Counter(standing.split(b"\n")[:-1])
    missing = without(stored.split(b"\n")[:-1], others)
    if others.total():
        raise NotASubsequence
    return missing


def _alike_from(one: bytes, at: int, two: bytes, other: int) -> int:
    """How many bytes are the same from these places on."""
    same = 0
    while True:
        first = one[at + same : at + same + _STRIDE]
        second = two[other + same : other + same + _STRIDE]
        if first != second:
            return same + alike(first, second)
        same += len(first)
        if len(first) < _STRIDE:
            return same
