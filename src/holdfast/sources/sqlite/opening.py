"""Open a database for reading, or say in a person's words why that cannot be."""

from __future__ import annotations

import os
import stat

from holdfast.model.errors import SourceError
from holdfast.sources.sqlite.holders import holders
from holdfast.sources.sqlite.names import printable
from holdfast.sources.sqlite.reader import Reader, ReadError


def open_reader(path: bytes, *, width: int, wait: float) -> Reader:
    """A reader that holds the database as it is now. SourceError, retryable when somebody else has it locked."""
    where = printable(path)
    try:
        facts = os.stat(path)
    except FileNotFoundError as error:
        raise SourceError(
            "The database file does not exist",
            where=where,
            hint="Correct the path of this source; holdfast never creates a database it should save",
        ) from error
    except OSError as error:
        raise SourceError("The database file cannot be looked at", where=where, why=str(error)) from error
    if not stat.S_ISREG(facts.st_mode):
        raise SourceError("This is not a file", where=where, hint="A SQLite source is one database file")
    try:
        return Reader(path, width=width, wait=wait)
    except ReadError as error:
        raise _explained(error, path, wait) from error


def _explained(error: ReadError, path: bytes, wait: float) -> SourceError:
    where = printable(path)
    if error.name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in error.why:
        held = ", ".join(holders(path))
        return SourceError(
            f"The database stayed locked for {wait:g} seconds",
            where=where,
            why=f"locked by {held}" if held else error.why,
            hint="Let that program finish its transaction (or leave exclusive locking mode), then run again",
            retryable=True,
        )
    if error.name == "PermissionError":
        return SourceError(
            "The database file may not be read",
            where=where,
            why=error.why,
            hint=f"Run holdfast as a user who may, or: setfacl -m u:$USER:r '{where}'",
        )
    if error.name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        return SourceError(
            "SQLite cannot open the database",
            where=where,
            why=error.why,
            hint="A database in log mode, or with a journal to roll back, needs write access to its folder: "
            "run holdfast as the user who owns it",
        )
    return error
