"""A store that is used no faster than a person allowed, so that a backup leaves the line to others."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from holdfast.storage.base import Buffer, Stat, Storage, Traits

_BURST = 0.5
"""Seconds of traffic that may go at once after a pause."""
_AT_ONCE, _LEAST = 2, 1 << 20
"""Seconds of traffic in one object, which goes out at the speed of the line; no pack is wished for that is smaller."""


class Allowance:
    """``rate`` bytes a second, shared by every thread: a bucket that may be overdrawn, and is waited for then."""

    def __init__(
        self, rate: int, *, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.rate, self._now, self._sleep = rate, now, sleep
        self._lock = threading.Lock()
        self._free_at = 0.0

    def take(self, size: int) -> None:
        """Wait until ``size`` more bytes are within the rate. Who asks first goes first."""
        with self._lock:
            now = self._now()
            begin = max(self._free_at, now - _BURST)
            self._free_at = begin + size / self.rate
            wait = begin - now
        if wait > 0:
            self._sleep(wait)


class Throttled:
    """See Storage. What is written and what is read each have the whole rate: a line has two directions.

    A write waits before it goes out, a read of unknown length is paid for afterwards, so that the next one waits. Packs
    are wished for that are small enough for the line to be free again soon.
    """

    def __init__(self, storage: Storage, out: Allowance, back: Allowance) -> None:
        self._storage, self._out, self._back = storage, out, back
        wanted = min(storage.traits.pack_size, max(_LEAST, _AT_ONCE * out.rate))
        self._traits = replace(storage.traits, pack_size=wanted)

    @property
    def url(self) -> str:
        """See Storage."""
        return self._storage.url

    @property
    def traits(self) -> Traits:
        """See Storage."""
        return self._traits

    def put_new(self, name: str, data: Buffer) -> None:
        """See Storage."""
        self._out.take(memoryview(data).nbytes)
        self._storage.put_new(name, data)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Storage."""
        found = self._storage.get(name, offset, length)
        self._back.take(len(found))
        return found

    def stat(self, name: str) -> Stat:
        """See Storage."""
        return self._storage.stat(name)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Storage."""
        return self._storage.list(prefix)

    def delete(self, name: str) -> None:
        """See Storage."""
        self._storage.delete(name)

    def free_space(self) -> int | None:
        """See Storage."""
        return self._storage.free_space()

    def close(self) -> None:
        """See Storage."""
        self._storage.close()


def throttled(storage: Storage, rate: int) -> Storage:
    """``storage``, used at ``rate`` bytes a second at most in each direction by this whole process."""
    out, back = _allowances(storage.url, rate)
    return Throttled(storage, out, back)


@functools.cache
def _allowances(url: str, rate: int) -> tuple[Allowance, Allowance]:  # noqa: ARG001 - one pair for each store
    return Allowance(rate), Allowance(rate)
