"""Open objects of one configuration, lent to one thread at a time."""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable, Iterator

from holdfast.wiring.build import App

_KEPT = 4


class Pool:
    """``lend`` from any thread. What was lent to a block that failed is not lent again.

    After a fork the child begins with an empty pool: connections and threads of the parent are not its own.
    """

    def __init__(self, build: Callable[[], App]) -> None:
        self._build = build
        self._process = os.getpid()
        self._idle: queue.LifoQueue[App] = queue.LifoQueue()

    @contextlib.contextmanager
    def lend(self) -> Iterator[App]:
        """Objects nobody else uses while the context lasts; the repository's log is up to date when it was open."""
        app = self._taken() or self._build()
        try:
            yield app
        except BaseException:
            app.close()
            raise
        if self._idle.qsize() < _KEPT:
            self._idle.put(app)
        else:
            app.close()

    def close(self) -> None:
        """Close what nobody uses just now."""
        if self._process != os.getpid():
            return
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _taken(self) -> App | None:
        if self._process != os.getpid():
            self._process, self._idle = os.getpid(), queue.LifoQueue()
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
