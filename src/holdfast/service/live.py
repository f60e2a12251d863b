"""News of runs for whoever listens just now: dashboards, waiting requests. Nothing is kept for those who do not."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from holdfast.model.run import Run

_WAITING = 256
_BEGUN: ContextVar[Callable[[Run], None] | None] = ContextVar("begun", default=None)


@contextlib.contextmanager
def hearing_begun(hear: Callable[[Run], None]) -> Iterator[None]:
    """Have ``hear`` called, where it is begun, with each run that is begun within the context, also in its threads."""
    token = _BEGUN.set(hear)
    try:
        yield
    finally:
        _BEGUN.reset(token)


class Live:
    """Publish and subscribe, from any thread. A listener too slow to keep up misses news, never the last state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[queue.Queue[Run]] = set()

    def publish(self, run: Run) -> None:
        """Tell everybody how ``run`` stands; whoever began it hears of it first, before anything of it is done."""
        if (hear := _BEGUN.get()) is not None:
            hear(run)
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            while True:
                try:
                    listener.put_nowait(run)
                    break
                except queue.Full:
                    with contextlib.suppress(queue.Empty):
                        listener.get_nowait()

    @contextlib.contextmanager
    def listening(self) -> Iterator[queue.Queue[Run]]:
        """A queue that gets every news while the context lasts."""
        listener: queue.Queue[Run] = queue.Queue(_WAITING)
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)
