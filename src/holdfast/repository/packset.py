"""A set of packs that stays small when most packs of a session are in it: ranges of numbers per session."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from holdfast.repository.records import PackName


class PackSet:
    """Packs, remembered as half-open number ranges per session.

    ``runs`` maps the 16 session bytes to ``[start, end, start, end, ...]``, ascending and never touching. A last range
    without an end has none: ``[0]`` holds every pack of the session, written or not.
    """

    __slots__ = ("runs",)

    def __init__(self, runs: dict[bytes, list[int]] | None = None) -> None:
        self.runs: dict[bytes, list[int]] = runs if runs is not None else {}

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, bytes):
            return False
        edges = self.runs.get(name[:16])
        if edges is None:
            return False
        return bisect_right(edges, int.from_bytes(name[16:], "big")) % 2 == 1

    def __iter__(self) -> Iterator[PackName]:
        """Every pack, but for those of sessions that are held whole."""
        for session, edges in self.runs.items():
            for start, end in zip(edges[::2], edges[1::2], strict=False):
                for number in range(start, end):
                    yield session + number.to_bytes(4, "big")

    def __bool__(self) -> bool:
        return bool(self.runs)

    def add(self, name: PackName) -> None:
        """Put one pack in; one that is in already changes nothing."""
        number = int.from_bytes(name[16:], "big")
        edges = self.runs.setdefault(name[:16], [])
        place = bisect_right(edges, number)
        if place % 2 == 1:
            return
        joins_left = place > 0 and edges[place - 1] == number
        joins_right = place < len(edges) and edges[place] == number + 1
        replacement = ([] if joins_left else [number]) + ([] if joins_right else [number + 1])
        edges[place - joins_left : place + joins_right] = replacement

    def add_all_of(self, session: bytes) -> None:
        """Put in every pack of a session (16 bytes), those too that nobody has seen."""
        self.runs[session] = [0]

    def holds_all_of(self, session: bytes) -> bool:
        """Whether every pack of the session is in, seen or not."""
        return self.runs.get(session) == [0]

    def copy(self) -> PackSet:
        """An independent set of the same packs."""
        return PackSet({session: list(edges) for session, edges in self.runs.items()})
