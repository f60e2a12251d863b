"""Secrets and since when they are what they are; and a new CRON_SECRET, with the old one accepted for a while.

No secret is kept anywhere but where the configuration says it stands.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from holdfast.journal.base import Journal
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.planning.standing import instant
from holdfast.planning.system_health import SecretAge
from holdfast.repository.keyslots import KeySlot
from holdfast.system import clock, files

CRON = "secret/cron"
"""The fact in which the journal keeps when CRON_SECRET was made."""

_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """``new`` is the secret, to be shown once. ``accepted`` how many are accepted now; ``where`` it was written."""

    new: str
    accepted: int
    where: str


def ages(slots: Iterable[KeySlot], standing_in: Mapping[str, Path], journal: Journal | None) -> Iterator[SecretAge]:
    """Passphrases by when their slot was added, secrets in files by when the file was written, by name."""
    for slot in slots:
        if slot.kind == "passphrase":
            mend = f"holdfast key add --label new, then holdfast key remove {slot.id[:8]}"
            yield SecretAge(name=f"the passphrase {slot.label!r}", made_at=instant(slot.created_at), mend=mend)
    told = _noted(journal)
    if told is not None:
        yield SecretAge(name="CRON_SECRET", made_at=told, mend="holdfast secrets rotate cron")
    for name, path in standing_in.items():
        if name == "CRON_SECRET" and told is not None:
            continue
        with contextlib.suppress(OSError):
            made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            mend = "holdfast secrets rotate cron" if name == "CRON_SECRET" else f"a new one in {path} and at its server"
            yield SecretAge(name=name, made_at=made, mend=mend)


def generated() -> str:
    """A secret of 256 bits that survives headers, shells and environment files."""
    return secrets.token_urlsafe(_BYTES)


def rotate_file(path: Path, journal: Journal | None) -> Rotated:
    """A new secret in the file, before the newest of the old ones, which stays accepted until ``end_overlap``."""
    old = _read(path)
    new = generated()
    _write(path, " ".join([new, *old[:1]]))
    _note(journal)
    return Rotated(new=new, accepted=1 + len(old[:1]), where=str(path))


def end_overlap(path: Path) -> bool:
    """Only the newest is accepted from now on; False when there was only one."""
    parts = _read(path)
    if not parts:
        raise UsageError("there is no secret in the file", where=str(path), hint="holdfast secrets rotate cron")
    if len(parts) > 1:
        _write(path, parts[0])
    return len(parts) > 1


def rotate_elsewhere(old: str, where: str, journal: Journal | None) -> Rotated:
    """A new secret for a place that holdfast cannot write: the value to set there is "NEW OLD"."""
    new = generated()
    _note(journal)
    return Rotated(new=new, accepted=1 + bool(old), where=where)


def _read(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("the file with the secret cannot be read", where=str(path), why=str(error)) from error


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        files.make_directories(path.parent, 0o700)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        files.create_filled(str(temporary), memoryview(f"{text}\n".encode()), 0o600)
        os.replace(temporary, path)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError("the file with the secret cannot be written", where=str(path), why=why) from error


def _note(journal: Journal | None) -> None:
    if journal is not None:
        with contextlib.suppress(HoldfastError):
            journal.remember(CRON, clock.stamp())


def _noted(journal: Journal | None) -> datetime | None:
    if journal is not None:
        with contextlib.suppress(HoldfastError, ValueError):
            told = journal.recall(CRON).get(CRON)
            return instant(told) if told else None
    return None
