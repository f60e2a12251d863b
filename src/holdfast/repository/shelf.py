"""A folder of this client where what was worked out of chunks lies sealed until it is wanted again, or forgotten."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from pathlib import Path

from blake3 import blake3

from holdfast.crypto.keys import Keyring
from holdfast.crypto.seal import ObjectSealer
from holdfast.model.errors import Damaged

LIMIT = 512 << 20
_PURPOSE = "shelf"
_TEMPORARY = ".tmp"
_OLD_SECONDS = 3600.0


class Shelf:
    """Shelf (sources.records) in ``folder``: at most ``limit`` bytes, the longest unused goes first.

    Everything is sealed with the repository's keys under its name, so foreign, swapped or altered content is not
    found. Safe from any thread and for several processes: files appear whole and are never changed.
    """

    def __init__(self, keyring: Keyring, sealer: ObjectSealer, folder: Path, limit: int = LIMIT) -> None:
        self._names = keyring.object_key("shelf/name")
        self._sealer = sealer
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._size: int | None = None

    def get(self, name: str) -> bytes | None:
        """What was put under ``name``, whole and unaltered, or None."""
        path = self._path(name)
        try:
            with open(path, "rb") as file:
                sealed = file.read()
            os.utime(path)
            return self._sealer.open(_PURPOSE, name, sealed)
        except Damaged:
            with contextlib.suppress(OSError):
                os.unlink(path)
        except OSError:
            pass
        return None

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data``; a failure is silent, because it costs time only."""
        if len(data) > self._limit:
            return
        sealed = self._sealer.seal(_PURPOSE, name, data)
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self._path(name), sealed)
            with self._lock:
                self._grow(len(sealed))

    def _path(self, name: str) -> Path:
        return self._folder / blake3(name.encode(), key=self._names).hexdigest()[:40]

    def _write(self, path: Path, sealed: bytes) -> None:
        """Whole or not at all; not flushed to disk, because what a crash breaks does not open any more."""
        temporary = self._folder / f"{secrets.token_hex(8)}{_TEMPORARY}"
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(sealed)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _grow(self, added: int) -> None:
        if self._size is not None and self._size + added <= self._limit:
            self._size += added
            return
        files = self._files()
        self._size = sum(size for _, size, _ in files)
        if self._size <= self._limit:
            return
        for _, size, path in sorted(files):
            with contextlib.suppress(OSError):
                os.unlink(path)
            self._size -= size
            if self._size <= self._limit * 4 // 5:
                return

    def _files(self) -> list[tuple[float, int, str]]:
        """(last use, size, path) of what lies here; what a killed process left half-written is removed."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(_TEMPORARY) and _is_old(facts.st_mtime, self._folder):
                        os.unlink(entry.path)
                        continue
                    found.append((facts.st_mtime, facts.st_size, entry.path))
        return found


def _is_old(modified: float, folder: Path) -> bool:
    """By the folder's own time, which the same clock wrote."""
    return os.stat(folder).st_mtime - modified > _OLD_SECONDS
