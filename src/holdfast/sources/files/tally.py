"""Counting a tree on the way: entries, bytes, owners, and when it last changed."""

from __future__ import annotations

from holdfast.sources.files.inode import CTIME, GID, MODE, SIZE, UID

_REGULAR = 0o100000
_IFMT = 0o170000


class Tally:
    """Sums over the facts of all entries."""

    def __init__(self) -> None:
        self.items = 0
        self.bytes = 0
        self.newest_ns = 0
        self._owner = (-1, -1)
        self._owners: set[tuple[int, int]] = set()

    def count(self, facts: list[int]) -> None:
        """One more entry."""
        self.items += 1
        self.newest_ns = max(self.newest_ns, facts[CTIME])
        if facts[MODE] & _IFMT == _REGULAR:
            self.bytes += facts[SIZE]
        if facts[UID] != self._owner[0] or facts[GID] != self._owner[1]:
            self._owner = facts[UID], facts[GID]
            self._owners.add(self._owner)

    def take_back(self, facts: list[int]) -> None:
        """The entry vanished."""
        self.items -= 1
        if facts[MODE] & _IFMT == _REGULAR:
            self.bytes -= facts[SIZE]

    def owners(self) -> tuple[set[int], set[int]]:
        """Numbers of users and groups."""
        return {uid for uid, _ in self._owners}, {gid for _, gid in self._owners}
