"""Small things kept in the repository itself: sealed objects ``<prefix><n>``; that with the highest number counts.

Each is never changed. Of those before the newest, one is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from holdfast.model.errors import Damaged, NewerFormat, ObjectExists, ObjectMissing, RepositoryBusy, StorageError
from holdfast.repository.repository import Repository

_KEPT = 2
_TRIES = 5


class Versioned(Protocol):
    """What is kept: a msgspec struct that tells its version."""

    @property
    def version(self) -> int:
        """1, or what only a later holdfast understands."""
        ...


T = TypeVar("T", bound=Versioned)


class Numbered(Generic[T]):
    """Objects of one ``shape`` under ``prefix``, sealed for ``purpose``; ``words`` name them in errors."""

    def __init__(self, prefix: str, purpose: str, shape: type[T], words: str) -> None:
        self._prefix, self._purpose, self._shape, self._words = prefix, purpose, shape, words

    def newest(self, repository: Repository) -> T | None:
        """What counts now; None when there is none, or it cannot be read. NewerFormat."""
        return self._newest(repository)[1]

    def keep(self, repository: Repository, change: Callable[[T | None], T | None]) -> None:
        """Let what ``change`` makes of what counts now count from now on; None: that may stay."""
        for _ in range(_TRIES):
            number, known = self._newest(repository)
            wanted = change(known)
            if wanted is None:
                return
            name = self._path(number + 1)
            sealed = repository.sealer.seal(self._purpose, name, msgspec.msgpack.encode(wanted))
            with contextlib.suppress(ObjectExists):
                repository.storage.put_new(name, sealed)
                self._let_old_ones_go(repository)
                return
        raise RepositoryBusy(f"others change {self._words} all the time", hint="try again", retryable=True)

    def _newest(self, repository: Repository) -> tuple[int, T | None]:
        number = max((self._number(stat.name) for stat in repository.storage.list(self._prefix)), default=0)
        if not number:
            return 0, None
        name = self._path(number)
        try:
            plain = repository.sealer.open(self._purpose, name, repository.storage.get(name))
            found = msgspec.msgpack.decode(plain, type=self._shape)
        except (Damaged, ObjectMissing, msgspec.DecodeError):
            return number, None
        if found.version > 1:
            raise NewerFormat(f"a newer holdfast wrote {self._words}", where=name, hint="upgrade holdfast")
        return number, found

    def _let_old_ones_go(self, repository: Repository) -> None:
        with contextlib.suppress(StorageError, ObjectMissing):
            names = sorted(stat.name for stat in repository.storage.list(self._prefix) if self._number(stat.name))
            for name in names[:-_KEPT]:
                repository.storage.delete(name)

    def _path(self, number: int) -> str:
        return f"{self._prefix}{number:08d}"

    def _number(self, name: str) -> int:
        digits = name[len(self._prefix) :]
        return int(digits) if digits.isascii() and digits.isdigit() else 0
