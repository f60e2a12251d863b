"""Numbers of 32 bits by unit, on the shelf in parts by their high bits: a look-up reads only the parts it needs."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec

from holdfast.sources.records import Shelf

_PART = 1 << 16
_FEW = 24
_BITS = 32


class _Part(msgspec.Struct, array_like=True):
    """Numbers of all units one after the other, and where those of each unit end; little-endian, 4 bytes each."""

    numbers: bytes
    ends: bytes


def parts_for(total: int) -> int:
    """Into how many parts so many numbers are divided: a power of two."""
    parts = 1
    while total > parts * _PART:
        parts *= 2
    return parts


def put_parts(shelf: Shelf, name: str, parts: int, units: Sequence[array[int]]) -> None:
    """Keep each unit's sorted numbers."""
    step = (1 << _BITS) // parts
    begins = [0] * len(units)
    for part in range(parts):
        numbers, ends = array("I"), array("I")
        limit = (part + 1) * step
        for place, held in enumerate(units):
            begin = begins[place]
            end = bisect_left(held, limit, begin) if parts > 1 else len(held)
            numbers += held[begin:end]
            begins[place] = end
            ends.append(len(numbers))
        shelf.put(f"{name}-{part}", msgspec.msgpack.encode(_Part(_stored(numbers), _stored(ends))))


class Parts:
    """The parts of one generation, loaded as they are needed. ``lost`` once the shelf forgot one."""

    def __init__(self, shelf: Shelf, name: str, parts: int) -> None:
        self._shelf = shelf
        self._name = name
        self._parts = parts
        self._held: dict[int, tuple[array[int], array[int]] | None] = {}

    def hits(self, numbers: Collection[int]) -> set[int] | None:
        """Places of the units that have one of these numbers; None when the shelf has forgotten."""
        step = (1 << _BITS) // self._parts
        by_part: dict[int, set[int]] = defaultdict(set)
        for number in numbers:
            by_part[number // step].add(number)
        found: set[int] = set()
        for part, wanted in by_part.items():
            held = self._part(part)
            if held is None:
                return None
            found.update(bisect_right(held[1], at) for at in _places(held[0], wanted))
        return found

    def _part(self, part: int) -> tuple[array[int], array[int]] | None:
        if part not in self._held:
            self._held[part] = _loaded(self._shelf.get(f"{self._name}-{part}"))
        return self._held[part]


def _places(numbers: array[int], wanted: set[int]) -> list[int]:
    if len(wanted) > _FEW:
        return [at for at, number in enumerate(numbers) if number in wanted]
    raw = numbers.tobytes()
    found = []
    for number in wanted:
        needle = number.to_bytes(4, sys.byteorder)
        at = raw.find(needle)
        while at >= 0:
            if at % 4 == 0:
                found.append(at // 4)
            at = raw.find(needle, at + 1)
    return found


def _loaded(data: bytes | None) -> tuple[array[int], array[int]] | None:
    if data is None:
        return None
    try:
        part = msgspec.msgpack.decode(data, type=_Part)
        return _array(part.numbers), _array(part.ends)
    except (msgspec.DecodeError, ValueError):
        return None


def _stored(numbers: array[int]) -> bytes:
    return _ordered(numbers).tobytes()


def _array(data: bytes) -> array[int]:
    numbers = array("I")
    numbers.frombytes(data)
    return _ordered(numbers)


def _ordered(numbers: array[int]) -> array[int]:
    """The bytes of each number little end first, on whatever machine."""
    if sys.byteorder != "little":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers
