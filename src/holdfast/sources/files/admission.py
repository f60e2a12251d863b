"""Who is let in: exclusion patterns, holdfast's own folders, other file systems, caches, chosen entries only."""

from __future__ import annotations

import contextlib
import os

from holdfast.model.errors import UsageError
from holdfast.sources.files.exclude import IGNORE_FILE, Exclusion
from holdfast.sources.files.only import Only
from holdfast.sources.files.rules import Rules
from holdfast.sources.files.walk import IFMT, Admit, Doorkeeper, Sieve

CACHE_TAG = b"CACHEDIR.TAG"
_CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
_FOLDER = 0o040000
_MOST_PATTERNS = 1 << 20


class Admission:
    """The rules of one tree, ready to be asked about each entry."""

    def __init__(self, root_fd: int, rules: Rules, only: Only) -> None:
        self.warnings: list[str] = []
        self.exclusion = Exclusion((*rules.exclude, *(self._ignore_file(root_fd) if rules.ignore_file else ())))
        self._rules = rules
        self._only = only
        self._skip, self._skip_files = rules.skipped()
        self.device = os.fstat(root_fd).st_dev

    def enters(self, stat: os.stat_result) -> bool:
        """Whether a folder lies on a file system that is read."""
        return not self._rules.one_file_system or stat.st_dev == self.device

    def doorkeeper(self) -> Doorkeeper | None:
        """The decision for one entry; None when all but folders are let in."""
        return self._decide if self._skip_files or self.exclusion or self._only.limited else None

    def folder_doorkeeper(self) -> Doorkeeper | None:
        """The decision for folders where nothing else needs one; None when everything is let in."""
        return self._decide if self._skip or self._rules.one_file_system else None

    def sieve(self) -> Sieve | None:
        """Empties cache folders but for their tag, where asked to."""
        return _without_cached if self._rules.exclude_caches else None

    def own(self, stat: os.stat_result) -> bool:
        """Whether the entry is one of holdfast's own folders."""
        return (stat.st_dev, stat.st_ino) in self._skip

    def hides(self, path: bytes, stat: os.stat_result) -> bool:
        """Whether a file is left out by a pattern or as holdfast's own, asked in any order."""
        return self.own(stat) or self.exclusion.leaves_out(path, folder=False)

    def _decide(self, path: bytes, stat: os.stat_result) -> Admit:
        folder = stat.st_mode & IFMT == _FOLDER
        if self._skip and self.own(stat):
            return Admit.HIDE
        if self.exclusion and self.exclusion.leaves_out(path, folder=folder):
            return Admit.HIDE
        if not self._only.chosen(path) and not (folder and self._only.on_the_way(path)):
            return Admit.HIDE
        return Admit.OPEN if self.enters(stat) else Admit.CLOSED

    def _ignore_file(self, root_fd: int) -> list[str]:
        try:
            fd = os.open(IGNORE_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=root_fd)
        except FileNotFoundError:
            return []
        except OSError as error:
            self.warnings.append(f".holdfastignore could not be read, nothing is left out by it: {error.strerror}")
            return []
        try:
            lines = os.read(fd, _MOST_PATTERNS).decode("utf-8", "surrogateescape").splitlines()
        except OSError as error:
            self.warnings.append(f".holdfastignore could not be read, nothing is left out by it: {error.strerror}")
            return []
        finally:
            os.close(fd)
        return [line for line in lines if self._valid(line)]

    def _valid(self, line: str) -> bool:
        try:
            Exclusion((line,))
        except UsageError as error:
            self.warnings.append(f".holdfastignore: {error.what}: {line!r}")
            return False
        return bool(line.strip())


def is_cache_folder(fd: int) -> bool:
    """Whether a folder carries a genuine CACHEDIR.TAG."""
    with contextlib.suppress(OSError):
        tag = os.open(CACHE_TAG, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
        try:
            return os.read(tag, len(_CACHE_SIGNATURE)) == _CACHE_SIGNATURE
        finally:
            os.close(tag)
    return False


def _without_cached(fd: int, names: list[bytes]) -> list[bytes]:
    return [CACHE_TAG] if CACHE_TAG in names and is_cache_folder(fd) else names
