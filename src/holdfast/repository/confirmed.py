"""The rules of retention that were followed last, kept in the repository itself.

Each is a sealed object ``retention/<n>`` that is never changed; the one with the highest number counts. Losing them
is safe: without one, whatever would be dropped counts as a change that a person confirms.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model.errors import Damaged, NewerFormat, ObjectExists, ObjectMissing, RepositoryBusy, StorageError
from holdfast.repository.repository import Repository
from holdfast.system import clock

RETENTION = "retention/"
_PURPOSE = "retention"
_KEPT = 2
_TRIES = 5


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """``rules`` by "source/environment", as ``usecases.retention`` wrote them. ``at`` ISO 8601 UTC."""

    version: int = 1
    at: str = ""
    by: str = ""
    rules: dict[str, dict[str, Any]] = {}


def read_confirmed(repository: Repository) -> Confirmed:
    """What counts now; empty when nothing was ever confirmed or it cannot be read. NewerFormat."""
    return _newest(repository)[1]


def remember_confirmed(repository: Repository, rules: Mapping[str, dict[str, Any]], by: str) -> None:
    """These rules count from now on, beside those remembered under other keys. Writes nothing when they do already."""
    for _ in range(_TRIES):
        number, known = _newest(repository)
        wanted = {**known.rules, **rules}
        if wanted == known.rules:
            return
        name = _path(number + 1)
        told = Confirmed(at=clock.stamp(), by=by, rules=wanted)
        sealed = repository.sealer.seal(_PURPOSE, name, msgspec.msgpack.encode(told))
        with contextlib.suppress(ObjectExists):
            repository.storage.put_new(name, sealed)
            _let_old_ones_go(repository)
            return
    raise RepositoryBusy("others remember rules of retention all the time", hint="try again", retryable=True)


def _newest(repository: Repository) -> tuple[int, Confirmed]:
    number = max((_number(stat.name) for stat in repository.storage.list(RETENTION)), default=0)
    if not number:
        return 0, Confirmed()
    name = _path(number)
    try:
        found = msgspec.msgpack.decode(
            repository.sealer.open(_PURPOSE, name, repository.storage.get(name)), type=Confirmed
        )
    except (Damaged, ObjectMissing, msgspec.DecodeError):
        return number, Confirmed()
    if found.version > 1:
        raise NewerFormat("a newer holdfast remembered the rules of retention", where=name, hint="upgrade holdfast")
    return number, found


def _let_old_ones_go(repository: Repository) -> None:
    with contextlib.suppress(StorageError, ObjectMissing):
        names = sorted(stat.name for stat in repository.storage.list(RETENTION) if _number(stat.name))
        for name in names[:-_KEPT]:
            repository.storage.delete(name)


def _path(number: int) -> str:
    return f"{RETENTION}{number:08d}"


def _number(name: str) -> int:
    digits = name[len(RETENTION) :]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
