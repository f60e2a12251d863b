"""Work in threads: each piece is a run, pieces with the same key never overlap, the rest waits its turn."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from holdfast.journal.base import Journal
from holdfast.model.errors import RepositoryBusy
from holdfast.model.events import Reporter
from holdfast.model.ids import new_id
from holdfast.model.run import Run, RunStatus
from holdfast.service.live import Live
from holdfast.service.recording import Outcome, Recorder, error_of
from holdfast.system import clock
from holdfast.wiring.build import App
from holdfast.wiring.load import Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done: ``work`` gets objects of its own, a reporter and the run it is.

    ``key``: at most one order of a key waits or runs at a time ("backup:shop"); another is refused.
    """

    kind: str
    work: Callable[[App, Reporter, Run], Outcome]
    key: str = ""
    sources: tuple[str, ...] = ()
    trigger: str = "api"
    who: str = ""
    schedule: str = ""
    due_at: str | None = None
    attempt: int = 1
    retry_of: str | None = None
    run: str = field(default_factory=new_id)


class Work:
    """Carries out orders for one configuration, ``width`` at a time."""

    def __init__(self, configuration: Configuration, journal: Journal, live: Live, *, width: int) -> None:
        self._configuration, self._journal, self._live = configuration, journal, live
        self._pool = ThreadPoolExecutor(max_workers=max(1, width), thread_name_prefix="work")
        self._lock = threading.Lock()
        self._keys: dict[str, str] = {}
        self._over: dict[str, threading.Event] = {}

    def start(self, order: Order) -> Run:
        """Queue an order; returns its run at once. RepositoryBusy when its key is taken."""
        run = Run(
            id=order.run, kind=order.kind, status=RunStatus.QUEUED, created_at=clock.stamp(),
            sources=list(order.sources), key=order.key, trigger=order.trigger, who=order.who,
            schedule=order.schedule, due_at=order.due_at, attempt=order.attempt, retry_of=order.retry_of,
        )  # fmt: skip
        with self._lock:
            if order.key and (other := self._keys.get(order.key)):
                raise RepositoryBusy(
                    "this is being done already", where=order.key, why=f"run {other}", hint="wait for it to end"
                )
            if order.key:
                self._keys[order.key] = run.id
            self._over[run.id] = threading.Event()
        self._journal.put(run)
        self._live.publish(run)
        self._pool.submit(self._carry_out, order, run)
        return run

    def wait(self, run: str, timeout: float | None = None) -> Run | None:
        """The run when it is over, or as it stands after ``timeout`` seconds; None when nobody knows it."""
        with self._lock:
            over = self._over.get(run)
        if over is not None:
            over.wait(timeout)
        return self._journal.get(run)

    def close(self) -> None:
        """Wait for what runs; what only waits is not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _carry_out(self, order: Order, run: Run) -> None:
        redactor = self._configuration.around.redactor
        recorder = Recorder(run, self._journal, self._live.publish, redactor)
        try:
            recorder.begin()
            with contextlib.closing(App(self._configuration, ask=lambda _url: None)) as app:
                outcome = order.work(app, recorder.report, run)
        except BaseException as error:  # noqa: BLE001 - every end of a run is told
            outcome = Outcome(status=RunStatus.FAILED, error=error_of(error, redactor))
        try:
            recorder.end(outcome)
        finally:
            with self._lock:
                self._keys.pop(order.key, None)
                self._over.pop(run.id).set()
