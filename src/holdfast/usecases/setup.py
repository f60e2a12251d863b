"""Set up: secrets into files, the configuration, and the repository, in an order that survives being cut off.

Secrets first (a repository nobody can open is worse than a file too many), then the configuration, then the
repository. When the repository cannot be made, the configuration written here is taken away again; secrets
stay. Running again repairs whatever an interruption left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.model.errors import Damaged, HoldfastError, UsageError
from holdfast.model.secret import Secret
from holdfast.repository.layout import LOG, PACKS
from holdfast.repository.repository import Places, Repository
from holdfast.sources.base import Finding, Source
from holdfast.storage.base import Storage
from holdfast.storage.probe import probe
from holdfast.system import files


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupRequest:
    """``text`` None: the configuration is there already and stays as it is. ``secrets``: files to hold secrets."""

    config: Path
    text: str | None
    secrets: Mapping[Path, Secret]
    passphrase: Secret
    places: Places
    open_storage: Callable[[], Storage]
    sources: Mapping[str, Callable[[], Source]] = field(default_factory=dict)
    single_writer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupResult:
    """``recovery_key`` None: the repository was there already. Show it before anything else can fail."""

    repository: str
    repository_id: str
    recovery_key: str | None
    config: Path
    config_written: bool


def set_up(request: SetupRequest) -> SetupResult:
    """Write what is missing and create or adopt the repository. UsageError rather than overwriting anything."""
    for path, secret in request.secrets.items():
        keep_secret(path, secret)
    if request.text is not None:
        _write_configuration(request.config, request.text)
    try:
        url, identifier, recovery_key = _create_or_adopt(request)
    except BaseException:
        if request.text is not None:
            with contextlib.suppress(OSError):
                os.unlink(request.config)
        raise
    return SetupResult(
        repository=url,
        repository_id=identifier,
        recovery_key=recovery_key,
        config=request.config,
        config_written=request.text is not None,
    )


def _create_or_adopt(request: SetupRequest) -> tuple[str, str, str | None]:
    """(printable URL, repository id, recovery key when it was made now)."""
    storage = request.open_storage()
    with contextlib.closing(storage):
        secret, recovery_key = request.passphrase.reveal(), None
        there = is_there(storage)
        if not there:
            _require_promises(storage, single_writer=request.single_writer)
        if there:
            repository = Repository.open(storage, secret, request.places)
        else:
            repository, recovery_key = Repository.create(storage, secret, request.places)
        repository.remember_head()
        return storage.url, repository.id, recovery_key


def _require_promises(storage: Storage, *, single_writer: bool) -> None:
    """UsageError for a store that a repository must not be trusted to."""
    found = probe(storage)
    if found.problems:
        raise UsageError(
            "this store does not keep what it is given",
            where=storage.url,
            why="; ".join(found.problems),
            hint="choose another store for the repository",
        )
    if not (found.atomic_put_new and storage.traits.atomic_put_new) and not single_writer:
        raise UsageError(
            "this store lets one writer overwrite another, so two runs at once could destroy a backup",
            where=storage.url,
            hint="choose another store, or init --force-single-writer and never run two at the same time",
        )


def is_there(storage: Storage) -> bool:
    """Whether a whole repository is there; a half-made one (no log yet) is completed by creating it.

    Damaged: data without a log is no half-made repository but a broken one, which a new log would bury.
    """
    if next(storage.list(LOG), None) is not None:
        return True
    if next(storage.list(PACKS), None) is not None:
        raise Damaged(
            "there is backup data here, but the log that says what is alive is missing",
            where=storage.url,
            hint="bring log/ back from a copy of the repository, or choose another place",
        )
    return False


def examine(build: Callable[[], Source]) -> list[Finding]:
    """What a source says of itself; a source that cannot be reached is one failed finding."""
    try:
        return build().examine()
    except HoldfastError as error:
        why = f": {error.why}" if error.why else ""
        return [Finding(level="fail", what=f"{error.what}{why}", mend=error.hint)]


def keep_secret(path: Path, secret: Secret) -> None:
    """Write a secret for its owner only. UsageError when the file holds something else already."""
    try:
        files.make_directories(path.parent, 0o700)
        _keep_out_of_git(path.parent)
        files.create_filled(str(path), memoryview(secret.reveal().encode() + b"\n"), 0o600)
        files.fsync_directory(path.parent)
    except FileExistsError as error:
        if path.read_bytes().decode(errors="replace").rstrip("\r\n") != secret.reveal():
            raise UsageError(
                "a file for this secret exists and holds another one",
                where=str(path),
                hint="move the file away, or write a reference to it into holdfast.toml",
            ) from error
    except OSError as error:
        raise UsageError("the secret cannot be written", where=str(path), why=error.strerror or str(error)) from error


def _keep_out_of_git(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        files.create_filled(str(folder / ".gitignore"), memoryview(b"*\n"), 0o600)


def _write_configuration(path: Path, text: str) -> None:
    """All of it or nothing, and never over an existing file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        files.make_directories(path.parent)
        files.create_filled(str(temporary), memoryview(text.encode()), 0o600)
        try:
            os.link(temporary, path)
        finally:
            os.unlink(temporary)
        files.fsync_directory(path.parent)
    except FileExistsError as error:
        raise UsageError(
            "a configuration exists already and is never overwritten", where=str(path), hint="edit it, or use -c"
        ) from error
    except OSError as error:
        raise UsageError(
            "the configuration cannot be written", where=str(path), why=error.strerror or str(error)
        ) from error
