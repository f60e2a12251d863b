"""A few connections shared by many threads, each used by one thread at a time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What a connection must be able to do."""

    def close(self) -> None:
        """End it."""
        ...


C = TypeVar("C", bound=Closable)


class Pool(Generic[C]):
    """At most ``limit`` connections, made when needed; the most recently used one is lent first."""

    def __init__(self, connect: Callable[[], C], limit: int) -> None:
        self._connect = connect
        self._slots = threading.BoundedSemaphore(limit)
        self._idle: list[C] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def borrow(self) -> Iterator[C]:
        """A connection for the length of the block; an exception in it ends the connection."""
        with self._slots:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            with self._lock:
                if not self._closed:
                    self._idle.append(connection)
                    return
            connection.close()

    def drop_idle(self) -> None:
        """End the connections nobody uses: after one was found dead, the others are likely to be."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """End all connections; one that is lent out ends when it is given back."""
        with self._lock:
            self._closed = True
        self.drop_idle()
