"""Which stored rows were replaced: found under the keys of the rows that have come since."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict

from holdfast.sources.postgres.records.selecting import Selector
from holdfast.sources.postgres.records.text import Form

_HELD = 200_000
_SOUGHT = 64
_TOGETHER = 8


class Explaining:
    """The keys of younger rows. A stored row with one of these keys is gone: no two visible rows share a key.

    Where a key was is guessed, by the block of the younger row and by the order of whole numbers; a guess that fails
    costs time only.
    """

    def __init__(self, form: Form, key: tuple[str, ...]) -> None:
        """``key``: columns that are unique and never NULL; empty: nothing is ever explained."""
        self._selector = Selector(form, key) if key else None
        self._usable = self._selector is not None and self._selector.known and self._selector.exact
        self._near: dict[int, set[bytes]] = defaultdict(set)
        self._numbers: dict[int, bytes] = {}
        self._sorted: list[int] | None = None
        self._count = 0

    def note(self, start: int, lines: bytes) -> None:
        """Younger rows that lie in the segment from block ``start`` on."""
        if not self._usable or self._selector is None:
            return
        keys = self._selector.keys(lines)
        self._count += len(keys)
        if self._count > _HELD:
            self._usable = False
            self._near.clear()
            self._numbers.clear()
            return
        self._near[start].update(keys)
        self._numbers.update({int(key): key for key in keys if key.isdigit()})

    def explained(self, start: int, stored: bytes, count: int) -> bytes | None:
        """The ``count`` lines of a segment that are gone; None when they cannot all be found so."""
        if not self._usable or self._selector is None or count > _SOUGHT:
            return None
        found = self._in_order(self._selector, stored)
        if len(found) < count:
            near = sorted(self._near.get(start, set()) - found.keys())
            if len(near) <= _SOUGHT:
                for begin in range(0, len(near), _TOGETHER):
                    lines = self._selector.lines(stored, frozenset(near[begin : begin + _TOGETHER]))
                    found.update((self._selector.key(line[:-1]), line) for line in lines)
        return b"".join(found.values()) if len(found) == count else None

    def _in_order(self, selector: Selector, stored: bytes) -> dict[bytes, bytes]:
        """Lines with one of the keys, by key, where keys are whole numbers that ascend."""
        first = selector.key(stored[: stored.find(b"\n")])
        last = selector.key(stored[stored.rfind(b"\n", 0, -1) + 1 : -1])
        if not (first.isdigit() and last.isdigit() and self._numbers):
            return {}
        if self._sorted is None:
            self._sorted = sorted(self._numbers)
        low, high = bisect_left(self._sorted, int(first)), bisect_right(self._sorted, int(last))
        lines = [_searched(selector, stored, number) for number in self._sorted[low : min(high, low + _SOUGHT)]]
        return {selector.key(line[:-1]): line for line in lines if line}


def _searched(selector: Selector, stored: bytes, number: int) -> bytes:
    """The line with this key, as far as the lines are in order; nothing else."""
    low, high = 0, len(stored)
    while low < high:
        middle = (low + high) // 2
        begin = stored.rfind(b"\n", low, middle) + 1 or low
        end = stored.find(b"\n", middle) + 1
        key = selector.key(stored[begin : end - 1])
        if not key.isdigit() or (value := int(key)) == number:
            return stored[begin:end] if key.isdigit() else b""
        if value < number:
            low = end
        else:
            high = begin
    return b""
