"""A read-only file system in which SQLite finds the databases of snapshots, page by page."""

from __future__ import annotations

import functools
import itertools
import secrets
from typing import Any

import apsw

from holdfast.model.errors import HoldfastError
from holdfast.sources.sqlite.records.pages import Pages

_SECTOR = 4096


class SnapshotFile:
    """One database. It is never locked and never changes; every attempt to write fails."""

    def __init__(self, pages: Pages, failures: list[HoldfastError]) -> None:
        self._pages = pages
        self._failures = failures

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's names
        """Bytes; what cannot be had fails the statement, and the cause is kept for whoever asked."""
        try:
            return self._pages.read(offset, amount)
        except HoldfastError as error:
            self._failures.append(error)
            raise apsw.IOError(error.what) from error

    def xFileSize(self) -> int:  # noqa: N802
        """Bytes of the whole database."""
        return self._pages.size

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        """Nobody changes it: no locks, no log, no journal is looked for."""
        return int(apsw.SQLITE_IOCAP_IMMUTABLE)

    def xSectorSize(self) -> int:  # noqa: N802
        """Of no consequence, as nothing is written."""
        return _SECTOR

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802, ARG002
        """None is known."""
        return False

    def xLock(self, level: int) -> None:  # noqa: N802
        """Always granted."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Nothing to let go of."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        """Nobody writes."""
        return False

    def xClose(self) -> None:  # noqa: N802
        """The pages belong to the book."""

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802, ARG002
        """Refused."""
        raise apsw.ReadOnlyError("a snapshot is never written")

    def xTruncate(self, size: int) -> None:  # noqa: N802, ARG002
        """Refused."""
        raise apsw.ReadOnlyError("a snapshot is never written")

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Nothing was written."""


class SnapshotFiles(apsw.VFS):
    """The databases that are open now, by name; nothing else exists here."""

    def __init__(self, name: str) -> None:
        super().__init__(name, base="")
        self.name = name
        self._numbers = itertools.count(1)
        self._open: dict[str, SnapshotFile] = {}

    def add(self, pages: Pages, failures: list[HoldfastError]) -> str:
        """The name under which SQLite opens ``pages``."""
        name = f"/{next(self._numbers)}"
        self._open[name] = SnapshotFile(pages, failures)
        return name

    def remove(self, name: str) -> None:
        """Forget a database."""
        self._open.pop(name, None)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> Any:  # noqa: N802
        """A database that is here; no temporary files, no journals."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        file = self._open.get(path or "")
        if file is None or not flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            raise apsw.CantOpenError("there is no such file")
        flags[1] = apsw.SQLITE_OPEN_READONLY
        return file

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        """Names are whole already."""
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802, ARG002
        """No journal, no log lies beside a snapshot."""
        return False

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, ARG002
        """Refused."""
        raise apsw.ReadOnlyError("a snapshot is never written")

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802
        """For SQLite's random()."""
        return secrets.token_bytes(numbytes)


@functools.cache
def snapshot_files() -> SnapshotFiles:
    """The one of this process."""
    return SnapshotFiles("holdfast-" + secrets.token_hex(8))
