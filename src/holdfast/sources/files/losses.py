"""What could not be read, counted and named: the reason a snapshot is marked incomplete."""

from __future__ import annotations

import errno
import os

from holdfast.sources.files.names import printable

MOST_LINES = 1000

VANISHED = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ESTALE))


class Losses:
    """Lines for people, the first thousand of them, and how many more there were."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = 0

    def say(self, name: bytes, what: str) -> None:
        """One entry is missing, or not as it should be."""
        if len(self._lines) < MOST_LINES:
            self._lines.append(f"{printable(name)}: {what}")
        else:
            self._more += 1

    def failed(self, name: bytes, error: OSError) -> None:
        """An entry could not be looked at or read."""
        self.say(name, "vanished while the tree was being read" if error.errno in VANISHED else reason(error))

    def lines(self) -> list[str]:
        """What to report."""
        return [*self._lines, f"… and {self._more} more"] if self._more else list(self._lines)


def reason(error: OSError) -> str:
    """Why an entry could not be read, in the words of the operating system."""
    return f"could not be read: {os.strerror(error.errno) if error.errno else error}"
