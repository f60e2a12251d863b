"""A store in this process's memory: the simplest thing that keeps the whole contract."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from holdfast.model.errors import ObjectExists, ObjectMissing
from holdfast.storage.base import Buffer, Stat, Traits
from holdfast.storage.names import check_name, check_prefix, check_range


class MemoryStorage:
    """Objects in a dictionary; they live as long as this value does. ``now`` is the store's own clock."""

    def __init__(self, name: str = "", *, now: Callable[[], float] = time.time) -> None:
        self._name = name
        self._now = now
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"MemoryStorage({self._name!r}, {len(self._objects)} objects)"

    @property
    def url(self) -> str:
        """``memory:NAME``."""
        return f"memory:{self._name}"

    @property
    def traits(self) -> Traits:
        """Local: nothing is gained by caching."""
        return Traits(local=True)

    def put_new(self, name: str, data: Buffer) -> None:
        """See Storage."""
        check_name(name)
        copy = bytes(data)
        with self._lock:
            if name in self._objects:
                raise ObjectExists("the object exists already", where=f"{self.url} {name}")
            self._objects[name] = (copy, self._now())

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Storage."""
        check_name(name)
        check_range(offset, length)
        data, _ = self._find(name)
        if offset == 0 and (length is None or length >= len(data)):
            return data
        return data[offset:] if length is None else data[offset : offset + length]

    def stat(self, name: str) -> Stat:
        """See Storage."""
        check_name(name)
        data, modified = self._find(name)
        return Stat(name, len(data), modified)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Storage."""
        check_prefix(prefix)
        with self._lock:
            everything = [Stat(name, len(data), at) for name, (data, at) in self._objects.items()]
        return (each for each in everything if each.name.startswith(prefix))

    def delete(self, name: str) -> None:
        """See Storage."""
        check_name(name)
        with self._lock:
            self._objects.pop(name, None)

    def free_space(self) -> int | None:
        """Not told."""
        return None

    def close(self) -> None:
        """Nothing to release; a named store keeps its objects for the next one who opens the name."""

    def _find(self, name: str) -> tuple[bytes, float]:
        with self._lock:
            found = self._objects.get(name)
        if found is None:
            raise ObjectMissing("there is no such object", where=f"{self.url} {name}")
        return found


_named: dict[str, MemoryStorage] = {}
_named_lock = threading.Lock()


def named(name: str) -> MemoryStorage:
    """The one store of that name in this process."""
    with _named_lock:
        return _named.setdefault(name, MemoryStorage(name))
