"""Open objects of one configuration, lent to one thread at a time."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator

from holdfast.model.errors import (
    Damaged,
    HoldfastError,
    RepositoryMissing,
    RolledBack,
    SessionExpired,
    SourceError,
    StorageError,
    TargetError,
    WrongKey,
)
from holdfast.wiring.build import App

_KEPT = 4
_PATIENCE = 5.0
"""Seconds to wait for one that is lent, before another is opened: opening derives a key, which takes long."""

_DOUBTFUL = (Damaged, RepositoryMissing, RolledBack, SessionExpired, SourceError, StorageError, TargetError, WrongKey)


class Pool:
    """``lend`` from any thread. What was lent to a block that failed is not lent again, unless only the question was
    wrong. A few at a time: whoever comes when all are lent waits for one.

    After a fork the child begins with an empty pool: connections and threads of the parent are not its own.
    """

    def __init__(self, build: Callable[[], App]) -> None:
        self._build = build
        self._process = os.getpid()
        self._idle: queue.LifoQueue[App] = queue.LifoQueue()
        self._free = threading.BoundedSemaphore(_KEPT)

    @contextlib.contextmanager
    def lend(self) -> Iterator[App]:
        """Objects nobody else uses while the context lasts; the repository's log is up to date when it was open."""
        self._follow_fork()
        free = self._free
        waited = free.acquire(timeout=_PATIENCE)  # a block within a block must not wait for ever
        try:
            app = self._taken() or self._build()
            try:
                yield app
            except BaseException as error:
                if not isinstance(error, HoldfastError) or isinstance(error, _DOUBTFUL):
                    app.close()
                else:
                    self._put_back(app)
                raise
            self._put_back(app)
        finally:
            if waited:
                free.release()

    def _put_back(self, app: App) -> None:
        if self._idle.qsize() < _KEPT:
            self._idle.put(app)
        else:
            app.close()

    def _follow_fork(self) -> None:
        if self._process != os.getpid():
            self._process, self._idle = os.getpid(), queue.LifoQueue()
            self._free = threading.BoundedSemaphore(_KEPT)

    def close(self) -> None:
        """Close what nobody uses just now."""
        if self._process != os.getpid():
            return
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _taken(self) -> App | None:
        try:
            app = self._idle.get_nowait()
        except queue.Empty:
            return None
        try:
            app.refresh()
        except BaseException:
            app.close()
            raise
        return app
