"""Why the last run of a source failed, kept on this client until a run succeeds: a failure leaves no snapshot behind.

Notes never stand in the way of a run: one that cannot be written or read is as if there were none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from holdfast.system import clock, files

_FOLDER = "failures"


class LastFailure(msgspec.Struct, frozen=True, kw_only=True):
    """``what`` went wrong ``at`` an ISO 8601 instant; no secrets in it."""

    at: str
    code: str
    what: str
    why: str = ""
    hint: str = ""


class FailureNotes:
    """The notes of one client (its ``state`` folder) about runs into one repository."""

    def __init__(self, state: Path, repository_url: str) -> None:
        key = hashlib.sha256(repository_url.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._folder = state / _FOLDER / key

    def failed(self, source: str, *, code: str, what: str, why: str = "", hint: str = "") -> None:
        """Remember that a run of ``source`` failed just now."""
        note = LastFailure(at=clock.stamp(), code=code, what=what, why=why, hint=hint)
        temporary = self._folder / f".{source}.{os.getpid()}.tmp"
        with contextlib.suppress(OSError):
            files.make_directories(self._folder, 0o700)
            files.create_filled(str(temporary), memoryview(msgspec.json.encode(note)), 0o600)
            os.replace(temporary, self._path(source))
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)

    def succeeded(self, source: str) -> None:
        """Forget what was wrong with ``source``."""
        with contextlib.suppress(OSError):
            self._path(source).unlink(missing_ok=True)

    def of(self, sources: Iterable[str]) -> dict[str, LastFailure]:
        """Those of the sources whose last run failed."""
        found = {}
        for source in sources:
            with contextlib.suppress(OSError, msgspec.DecodeError, ValueError):
                note = msgspec.json.decode(self._path(source).read_bytes(), type=LastFailure)
                if datetime.fromisoformat(note.at).tzinfo is not None:
                    found[source] = note
        return found

    def _path(self, source: str) -> Path:
        return self._folder / f"{source}.json"
