"""What a first user of a SQLite source gets wrong, looked at in the real place."""

from __future__ import annotations

import os
from collections.abc import Iterator

from holdfast.model.errors import HoldfastError
from holdfast.sources.base import Finding
from holdfast.sources.sqlite.names import printable
from holdfast.sources.sqlite.opening import open_reader
from holdfast.sources.sqlite.reader import Reader
from holdfast.sources.sqlite.scratch import has_room
from holdfast.sources.sqlite.settings import Settings

_PATIENCE = 5.0


def examine(path: bytes, settings: Settings) -> list[Finding]:
    """The findings, good ones too. Nothing is changed."""
    try:
        with open_reader(path, width=1, wait=min(settings.wait, _PATIENCE)) as reader:
            return list(_findings(reader, path, settings))
    except HoldfastError as error:
        why = f": {error.why}" if error.why else ""
        return [Finding(level="fail", what=f"{error.what} ({error.where}){why}", mend=error.hint)]


def _findings(reader: Reader, path: bytes, settings: Settings) -> Iterator[Finding]:
    where, mode = printable(path), reader.facts["mode"]
    size = f"{reader.size / (1 << 20):.1f} MiB"
    if mode == "bytes":
        yield Finding(
            level="warn" if settings.encrypted else "fail",
            what=f"{where} is not a readable SQLite database ({size}): it would be kept as bytes",
            mend="Correct the path, or for an encrypted database say so: encrypted = true in holdfast.toml",
        )
    elif mode == "corrupt":
        yield Finding(
            level="fail",
            what=f"{where} is a damaged SQLite database ({size})",
            mend="Restore it from an earlier snapshot; its bytes are still captured, marked incomplete",
        )
    else:
        journal = "write-ahead log" if mode == "wal" else "rollback journal"
        yield Finding(level="ok", what=f"{where} is a SQLite database ({size}, {journal})")
    if mode != "wal" and not has_room(settings.scratch, reader.size):
        yield Finding(
            level="warn",
            what=f"no room for a copy of {where} in {settings.scratch}: writers would wait during a backup",
            mend="Free space there, or: PRAGMA journal_mode=WAL in the application",
        )
    folder = os.path.dirname(os.path.realpath(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            level="warn",
            what=f"{printable(folder)} is not writable: a restore beside or in place would fail",
            mend="Restore with --to another folder, or as a user who may write there",
        )
