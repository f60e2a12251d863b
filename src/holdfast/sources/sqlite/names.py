"""How a database file and the files SQLite keeps beside it are called."""

from __future__ import annotations

import os
from urllib.parse import quote

KIND = "database"
SIDE_FILES = (b"-wal", b"-shm", b"-journal")


def uri(path: bytes, mode: str, *, immutable: bool = False) -> str:
    """The URI that opens exactly this file, whatever is in its name.

    ``mode`` "ro" or "rw": neither ever creates a file ("rwc" does).
    """
    more = "&immutable=1" if immutable else ""
    return f"file:{quote(os.path.abspath(path))}?mode={mode}{more}"


def side_files(path: bytes) -> list[bytes]:
    """The side files that are there now; SQLite keeps them beside the file that a symbolic link leads to."""
    real = os.path.realpath(path)
    return [real + ending for ending in SIDE_FILES if os.path.lexists(real + ending)]


def printable(name: bytes) -> str:
    """For people: bytes that are not UTF-8 show as backslash escapes."""
    return name.decode("utf-8", "backslashreplace")


def quoted(identifier: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'
