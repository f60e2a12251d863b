"""The journal of a configuration."""

from __future__ import annotations

from pathlib import Path

from holdfast.journal.base import Journal
from holdfast.model.errors import UsageError
from holdfast.wiring.load import Configuration

FILE_NAME = "journal.db"


def open_journal(configuration: Configuration) -> Journal:
    """Open it, made when it is not there yet. HoldfastError when it cannot be."""
    url = configuration.settings.journal.url
    scheme, _, rest = (url or "").partition(":")
    if url is None or scheme == "sqlite":
        from holdfast.journal.sqlite import SqliteJournal

        return SqliteJournal(configuration.base / rest if rest else _usual(configuration))
    raise UsageError("this is no place for a journal", where=url, hint="write sqlite:PATH or postgresql://…")


def _usual(configuration: Configuration) -> Path:
    """One file for each repository, in the state folder."""
    from blake3 import blake3

    key = blake3(configuration.settings.repository.url.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return configuration.around.state / "journals" / key / FILE_NAME
