"""Going through a tree in manifest order: each folder, then what lies in it, names in byte order.

Memory holds the names of the folders on the way down and nothing else, so a tree of millions costs no more than
its largest folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from enum import Enum
from stat import S_IFDIR

from holdfast.sources.files.ladder import Ladder, Rung, open_folder
from holdfast.sources.files.names import ENCODING, ROOT

IFMT = 0o170000


class Admit(Enum):
    """What the walk does with an entry it found."""

    HIDE = "hide"      # as if it did not exist
    CLOSED = "closed"  # shown, a folder is not entered
    OPEN = "open"      # shown, a folder is entered


Visit = tuple[bytes, bytes, os.stat_result, int]
"""Path in the tree, last part of it, what lstat said, and the open folder it lies in."""

Doorkeeper = Callable[[bytes, os.stat_result], Admit]
Sieve = Callable[[int, list[bytes]], list[bytes]]
Mourner = Callable[[bytes, OSError], None]


class Walk:
    """One pass over a tree.

    ``admit`` decides about each entry before a folder is opened, ``admit_folder`` (where there is no ``admit``) about
    folders only; ``sieve`` may thin out the names of a folder;
    ``lost`` hears of entries that could not even be looked at (they vanished, or the folder did).
    While a folder is being visited, ``folder_fd`` is its own descriptor (-1 when it was not opened), ``trouble``
    says why it could not be read, and setting ``enter`` to False leaves its content out. ``coming``: the names still
    to be visited in the folder of the visit, the next one last.
    """

    def __init__(
        self, root_fd: int, *, lost: Mourner, admit: Doorkeeper | None = None,
        admit_folder: Doorkeeper | None = None, sieve: Sieve | None = None,
    ) -> None:
        self._ladder = Ladder(Rung(os.dup(root_fd), b""))
        self._lost = lost
        self._admit = admit
        self._admit_folder = admit or admit_folder
        self._sieve = sieve
        self.enter = True
        self.folder_fd = -1
        self.trouble: OSError | None = None
        self.coming: list[bytes] = []

    def close(self) -> None:
        """Give back every descriptor."""
        self._ladder.close()

    def __iter__(self) -> Iterator[Visit]:
        ladder = self._ladder
        root = ladder.top
        listings = [self._listing(root.fd)]
        self.folder_fd = root.fd
        yield ROOT, b".", os.fstat(root.fd), root.fd
        prefix, fd, names, admit, admit_folder = b"", root.fd, listings[-1], self._admit, self._admit_folder
        self.coming = names
        while True:
            if not names:
                listings.pop()
                if not listings:
                    return
                self._ascend(listings)
                fd, names = ladder.top.fd, listings[-1]
                self.coming = names
                prefix = ladder.top.path + b"/" if ladder.top.path else b""
                continue
            name = names.pop()
            path = prefix + name
            try:
                stat = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except OSError as error:
                self._lost(path, error)
                continue
            if stat.st_mode & IFMT != S_IFDIR:
                if admit is None or admit(path, stat) is not Admit.HIDE:
                    yield path, name, stat, fd
                continue
            way = Admit.OPEN if admit_folder is None else admit_folder(path, stat)
            if way is Admit.HIDE:
                continue
            self.enter, self.trouble, self.folder_fd = True, None, -1
            inside = self._open(name, path, fd) if way is Admit.OPEN else None
            yield path, name, stat, fd
            if inside is not None:
                if not self.enter:
                    inside.clear()
                listings.append(inside)
                names, fd, prefix = inside, ladder.top.fd, path + b"/"
                self.coming = names

    def _open(self, name: bytes, path: bytes, fd: int) -> list[bytes] | None:
        """Step into a folder; None, and ``trouble``, when that cannot be done."""
        inner = -1
        try:
            inner = open_folder(name, fd)
            names = self._listing(inner)
            self._ladder.down(Rung(inner, path))
        except OSError as error:
            self.trouble = error
            if inner >= 0:
                os.close(inner)
            return None
        self.folder_fd = inner
        return names

    def _listing(self, fd: int) -> list[bytes]:
        """The names in a folder, last one first, so that taking from the end gives them in order."""
        names = [name.encode(ENCODING, "surrogateescape") for name in os.listdir(fd)]
        if self._sieve is not None:
            names = self._sieve(fd, names)
        names.sort(reverse=True)
        return names

    def _ascend(self, listings: list[list[bytes]]) -> None:
        """Go on in the folder above; when it cannot be found again, what was not read of it is lost."""
        try:
            left = self._ladder.up()
        except OSError as error:
            self._lost(self._ladder.top.path or ROOT, error)
            listings[-1].clear()
            return
        with contextlib.suppress(OSError):
            left.close()
