"""Hard links: the first name met carries the content, the others refer to it."""

from __future__ import annotations

import os


class Links:
    """Remembers first names, each only until all its other names were met."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, int], tuple[bytes, int]] = {}

    def first(self, stat: os.stat_result) -> bytes | None:
        """The name that carries the content of this inode, if one was met."""
        known = self._first.get((stat.st_dev, stat.st_ino))
        return known[0] if known else None

    def met(self, stat: os.stat_result, name: bytes) -> None:
        """One more name of the inode was dealt with."""
        key = (stat.st_dev, stat.st_ino)
        first, left = self._first.get(key, (name, stat.st_nlink))
        if left > 1:
            self._first[key] = first, left - 1
        else:
            self._first.pop(key, None)
