"""How much the repository occupies: counted in the store now and then, and noted with the time of the counting."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec

from holdfast.repository.repository import Repository
from holdfast.storage.base import Storage
from holdfast.system import clock, files

_FILE = "occupied.json"
COUNTED_FOR = timedelta(minutes=10)
"""How long a counting is good enough for whoever may list the store."""

_DAYS_KEPT = 120
_NO_SETTINGS: Mapping[str, str] = {}


class Count(msgspec.Struct, frozen=True, array_like=True):
    """``size`` bytes were in the store at the instant ``at`` (ISO 8601 UTC)."""

    at: str
    size: int


class Occupied(msgspec.Struct, frozen=True, kw_only=True):
    """``counts`` oldest first, the last of each day; the last one is the newest.

    ``public``: how anybody could read the store then, "" nobody could. ``number``: the log's last record then.
    """

    counts: list[Count]
    public: str = ""
    number: int = 0

    @property
    def newest(self) -> Count:
        """The last counting."""
        return self.counts[-1]


def occupied(repository: Repository, cache: Path) -> Occupied | None:
    """What was counted so far, None when nothing was. Costs reading one small file."""
    with contextlib.suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
        found = msgspec.json.decode(_path(repository, cache).read_bytes(), type=Occupied)
        return found if found.counts else None
    return None


def measure(repository: Repository, cache: Path, settings: Mapping[str, str] = _NO_SETTINGS) -> Occupied:
    """Count now, which lists the whole store, and note it; also whether anybody may read it (storage.exposure)."""
    now, number = clock.now(), repository.log.state.number
    count = Count(clock.stamp(now), stored_bytes(repository.storage))
    known = occupied(repository, cache)
    earliest = (now - timedelta(days=_DAYS_KEPT)).isoformat()
    kept = [each for each in known.counts if earliest < each.at <= count.at] if known else []
    if kept and _day(kept[-1].at) == _day(count.at):
        kept.pop()
    result = Occupied(counts=[*kept, count], public=exposed_now(repository.storage.url, settings), number=number)
    _write(_path(repository, cache), msgspec.json.encode(result))
    return result


def recent(
    repository: Repository, cache: Path, at_most: timedelta, settings: Mapping[str, str] = _NO_SETTINGS
) -> Occupied:
    """What was counted within ``at_most``, else what is counted now.

    A local store is counted whenever something changed; one with latency six times less often, as it may be large.
    """
    known = occupied(repository, cache)
    changed = known is not None and known.number != repository.log.state.number
    if known is not None and not (changed and repository.storage.traits.local):
        age = clock.now() - datetime.fromisoformat(known.newest.at)
        if timedelta(0) <= age <= (at_most if repository.storage.traits.local else 6 * at_most):
            return known
    return measure(repository, cache, settings)


def exposed_now(url: str, settings: Mapping[str, str]) -> str:
    """How anybody may read the store, "" nobody; asked of object stores only."""
    if url.partition(":")[0] not in ("s3", "gs", "az"):
        return ""
    from holdfast.storage.exposure import exposed  # loads the client of object stores

    return exposed(url, settings)


def stored_bytes(storage: Storage) -> int:
    """What the repository occupies, as its store counts it."""
    return sum(stat.size for stat in storage.list(""))


def _day(iso: str) -> date:
    return datetime.fromisoformat(iso).date()


def _path(repository: Repository, cache: Path) -> Path:
    return cache / repository.id / _FILE


def _write(path: Path, data: bytes) -> None:
    """A note that cannot be written is no harm: it is counted again."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        files.make_directories(path.parent, 0o700)
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        files.create_filled(str(temporary), memoryview(data), 0o600)
        os.replace(temporary, path)
