"""What belongs to a tree and how carefully it is looked at, as configured."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``exclude`` gitignore lines; ``skip`` paths of holdfast's own folders, never captured and never touched;
    ``ignore_file`` whether a .holdfastignore in the root adds to ``exclude``.

    An entry whose ctime is within ``grain`` seconds of the moment it was read may change once more without its
    times telling; it is read again next time. ``fine_grain`` is enough where the times carry more than milliseconds.
    """

    exclude: tuple[str, ...] = ()
    exclude_caches: bool = False
    one_file_system: bool = False
    ignore_file: bool = True
    skip: tuple[str, ...] = ()
    grain: float = 2.0
    fine_grain: float = 0.1

    def settled(self, ctime_ns: int, read_ns: int) -> bool:
        """Whether any later change of an entry read at ``read_ns`` is bound to show in its ctime."""
        grain = self.fine_grain if ctime_ns % 1_000_000 else self.grain
        return ctime_ns < read_ns - grain * 1e9

    def skipped(self) -> tuple[frozenset[tuple[int, int]], bool]:
        """Device and inode of what is left out as holdfast's own, and whether a file is among them.

        Paths that do not exist are passed over.
        """
        found, files = set(), False
        for path in self.skip:
            try:
                stat = os.stat(path)
            except OSError:
                continue
            found.add((stat.st_dev, stat.st_ino))
            files = files or not os.path.isdir(path)
        return frozenset(found), files
