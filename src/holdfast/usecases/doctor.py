"""What a first user gets wrong, looked at one by one; each line says what mends it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.model.errors import HoldfastError
from holdfast.repository.keyslots import KeySlot
from holdfast.sources.base import Source
from holdfast.storage.base import Storage
from holdfast.storage.probe import probe
from holdfast.system import files
from holdfast.usecases.apart import same_server
from holdfast.usecases.backup import LEAST_ROOM
from holdfast.usecases.setup import examine

_LITTLE_SPACE = 1 << 30
_CLOCK_SECONDS = 60
_TRIALS = "probe/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing looked at. ``level`` "ok", "warn" or "fail"; ``mend`` the command or statement that mends it."""

    area: str
    level: str
    what: str
    mend: str = ""


def failed(area: str, error: HoldfastError) -> Line:
    """An error as a line."""
    told = ": ".join(part for part in (error.what, error.where, error.why) if part)
    return Line(area=area, level="fail", what=told, mend=error.hint)


def secret_file(path: Path) -> Line:
    """Whether others can read a file that holds a secret."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return Line(area="secrets", level="fail", what=f"{path} cannot be read: {error.strerror}")
    if stat.S_IMODE(mode) & 0o077:
        what = f"{path} can be read by others (mode {stat.S_IMODE(mode):o})"
        return Line(area="secrets", level="warn", what=what, mend=f"chmod 600 {path}")
    return Line(area="secrets", level="ok", what=f"{path} is for its owner only")


def folder(area: str, path: Path, variable: str) -> Line:
    """Whether a folder of this client can be written, and has room."""
    try:
        files.make_directories(path)
        trial = path / f".doctor.{os.getpid()}"
        files.create_filled(str(trial), memoryview(b"trial"), 0o600)
        trial.unlink()
        free = shutil.disk_usage(path).free
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        return Line(area=area, level="fail", what=what, mend=f"export {variable}=PATH to a folder that can")
    if free < _LITTLE_SPACE:
        return Line(area=area, level="warn", what=f"{path} has only {free >> 20} MiB free", mend=f"df -h {path}")
    return Line(area=area, level="ok", what=f"{path} can be written, {free >> 30} GiB free")


def store(storage: Storage) -> Iterator[Line]:
    """Room, whether it refuses to overwrite, and its clock. Writes and removes a few tiny objects."""
    free = storage.free_space()
    if free is not None:
        yield _room_line(free, storage.url)
    try:
        tried = probe(storage)
    except HoldfastError as error:
        yield failed("repository", error)
        return
    for problem in tried.problems:
        yield Line(area="repository", level="fail", what=f"the store does not keep its promises: {problem}")
    if tried.atomic_put_new and storage.traits.atomic_put_new:
        yield Line(area="repository", level="ok", what="the store can be written and refuses to overwrite")
    else:
        mend = "never run two at the same time, or move to a store that can (any local folder, S3, GCS, Azure)"
        yield Line(area="repository", level="warn", what="the store lets one writer overwrite another", mend=mend)
    yield _clock_line(tried.clock_ahead)


def _room_line(free: int, url: str) -> Line:
    what = f"{free >> 20:,} MiB free at {url}"
    if free >= _LITTLE_SPACE:
        return Line(area="repository", level="ok", what=what)
    mend = "free some space there, or: holdfast forget ID, then holdfast prune"
    if free >= LEAST_ROOM:
        return Line(area="repository", level="warn", what=what, mend=mend)
    refused = f"{what}; below {LEAST_ROOM >> 20} MiB every backup is refused"
    return Line(area="repository", level="fail", what=refused, mend=mend)


def _clock_line(ahead: float) -> Line:
    if abs(ahead) > _CLOCK_SECONDS:
        what = f"the store's clock and ours differ by {ahead:+.0f} s, so ages are told wrong"
        return Line(area="clock", level="warn", what=what, mend="timedatectl set-ntp true")
    return Line(area="clock", level="ok", what=f"the store's clock and ours differ by {abs(ahead):.1f} s")


def leftovers(storage: Storage) -> Iterator[Line]:
    """Trial objects that an interrupted probe left behind; harmless."""
    left = [each.name for each in storage.list(_TRIALS)]
    if left:
        yield Line(
            area="repository", level="warn", what=f"{len(left)} trial object(s) under {_TRIALS} were left behind"
        )


def keys(slots: Sequence[KeySlot]) -> Line:
    """Whether a lost passphrase would be the end."""
    recovery = [slot for slot in slots if slot.kind == "recovery"]
    if not recovery:
        what = "there is no recovery key: a lost passphrase loses every snapshot"
        return Line(
            area="keys", level="fail", what=what, mend="holdfast key export --to recovery-kit.txt, then print it"
        )
    return Line(
        area="keys",
        level="ok",
        what=f"{len(slots) - len(recovery)} passphrase(s) and {len(recovery)} recovery key(s); is one put away?",
        mend="holdfast key export --to recovery-kit.txt makes a new one",
    )


def source(name: str, build: Callable[[], Source]) -> list[Line]:
    """What a source says of itself."""
    area = f"source {name}"
    return [Line(area=area, level=each.level, what=each.what, mend=each.mend) for each in examine(build)]


def apart(repository_url: str, source_urls: dict[str, str]) -> Iterator[Line]:
    """A repository on the server it protects is lost together with it."""
    for how in same_server(repository_url, source_urls).values():
        yield Line(
            area="repository",
            level="warn",
            what=f"the repository is kept on {how}: losing it loses both",
            mend="keep another copy elsewhere: a second holdfast.toml with another repository",
        )
