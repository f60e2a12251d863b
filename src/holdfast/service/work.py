"""Work in threads: each piece is a run, pieces with the same key never overlap, the rest waits its turn."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from holdfast.journal.base import Journal
from holdfast.journal.unfinished import SOLE
from holdfast.model.errors import Interrupted, RepositoryBusy
from holdfast.model.events import Reporter
from holdfast.model.ids import new_id
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.service.live import Live
from holdfast.service.recording import Outcome, Recorder, error_of, here
from holdfast.system import clock
from holdfast.wiring.build import App
from holdfast.wiring.load import Configuration

BACKUP, DEED = "backup", "deed"
"""Lanes: backups and upkeep, as many at once as the configuration says; what people wait for."""

STOPPED_BY_HAND = "stopped"
"""The key of Run.more of a run that somebody stopped: it is not tried again."""
_DEEDS = 8
_REMEMBERED = 200
"""Runs that ended here and are known without the journal."""
_BEAT = 60.0
"""Seconds between signs of life of what runs."""
_CLEAN = 10.0
"""Seconds that a run has to stop after it was asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done: ``work`` gets objects of its own, a reporter and the run it is.

    ``key``: at most one order of a key waits or runs at a time ("backup:shop"); another is refused.
    ``lane``: with whom it waits its turn.
    """

    kind: str
    work: Callable[[App, Reporter, Run], Outcome]
    key: str = ""
    lane: str = DEED
    sources: tuple[str, ...] = ()
    trigger: str = "api"
    who: str = ""
    schedule: str = ""
    due_at: str | None = None
    attempt: int = 1
    retry_of: str | None = None
    run: str = field(default_factory=new_id)


@dataclass(slots=True, kw_only=True)
class _Piece:
    """One order on its way."""

    order: Order
    recorder: Recorder
    over: threading.Event = field(default_factory=threading.Event)
    future: Future[None] | None = None


class Work:
    """Carries out orders for one configuration, ``width`` backups at a time. Those in ``on_over`` hear of each end,
    those in ``on_begin`` of each beginning, those in ``on_error`` of what a run failed with.

    ``sole``: no other process carries out orders of this journal.
    """

    def __init__(
        self, configuration: Configuration, journal: Journal, live: Live, *, width: int, sole: bool = False
    ) -> None:
        self._configuration, self._journal, self._live, self.sole = configuration, journal, live, sole
        self._lanes = {
            BACKUP: ThreadPoolExecutor(max_workers=max(1, width), thread_name_prefix="backup"),
            DEED: ThreadPoolExecutor(max_workers=_DEEDS, thread_name_prefix="deed"),
        }
        self._lock = threading.Lock()
        self._keys: dict[str, str] = {}
        self._pieces: dict[str, _Piece] = {}
        self._ended: OrderedDict[str, Run] = OrderedDict()
        self._closing = threading.Event()
        self.on_over: list[Callable[[Run], None]] = []
        self.on_begin: list[Callable[[Run], None]] = []
        self.on_error: list[Callable[[BaseException], None]] = []
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def start(self, order: Order) -> Run:
        """Queue an order; returns its run at once. RepositoryBusy when its key is taken."""
        run = Run(
            id=order.run, kind=order.kind, status=RunStatus.QUEUED, created_at=clock.stamp(),
            sources=list(order.sources), key=order.key, trigger=order.trigger, who=order.who,
            schedule=order.schedule, due_at=order.due_at, attempt=order.attempt, retry_of=order.retry_of,
            more={SOLE: True} if self.sole else {},
        )  # fmt: skip
        here(run)
        recorder = Recorder(run, self._journal, self._live.publish, self._configuration.around.redactor)
        piece = _Piece(order=order, recorder=recorder)
        with self._lock:
            if self._closing.is_set():
                raise Interrupted("holdfast is stopping: nothing new is begun", retryable=True)
            if order.key and (other := self._keys.get(order.key)):
                raise RepositoryBusy(
                    "this is being done already", where=order.key, why=f"run {other}", hint="wait for it to end"
                )
            if order.key:
                self._keys[order.key] = run.id
            self._pieces[run.id] = piece
        recorder.beat()
        with self._lock:
            if not self._closing.is_set():
                piece.future = self._lanes[order.lane].submit(self._carry_out, piece)
        return run

    def wait(self, run: str, timeout: float | None = None) -> Run | None:
        """The run when it is over, or as it stands after ``timeout`` seconds; None when nobody knows it."""
        with self._lock:
            piece = self._pieces.get(run)
        if piece is None:
            return self._journal.get(run)
        piece.over.wait(timeout)
        return piece.recorder.run

    def knows(self, run: str) -> bool:
        """Whether the run waits or runs here."""
        with self._lock:
            return run in self._pieces

    def ended(self, run: str) -> Run | None:
        """A run that ended here lately; it is known also when the journal cannot be read."""
        with self._lock:
            return self._ended.get(run)

    def busy(self) -> int:
        """How many runs wait or run."""
        with self._lock:
            return len(self._pieces)

    def interrupt(self, run: str) -> bool:
        """Ask a run to stop as soon as it can do so cleanly, for good; False when it does not run here."""
        with self._lock:
            piece = self._pieces.get(run)
        if piece is None:
            return False
        piece.recorder.run.more[STOPPED_BY_HAND] = True
        if piece.future is not None and piece.future.cancel():
            self._never_began(piece)
        else:
            piece.recorder.interrupt()
        return True

    def close(self, grace: float | None = None) -> None:
        """Begin nothing new; wait ``grace`` seconds (None: for ever) for what runs, then have it stop."""
        with self._lock:
            self._closing.set()
            pieces = list(self._pieces.values())
        for piece in pieces:
            if piece.future is None or piece.future.cancel():
                self._never_began(piece)
        _wait(pieces, grace)
        left = [piece for piece in pieces if not piece.over.is_set()]
        for piece in left:
            piece.recorder.interrupt()
        _wait(left, _CLEAN)
        for piece in left:
            if not piece.over.is_set():
                piece.recorder.end(_STOPPED)
        for lane in self._lanes.values():
            lane.shutdown(wait=all(piece.over.is_set() for piece in left), cancel_futures=True)

    def _carry_out(self, piece: _Piece) -> None:
        recorder, redactor = piece.recorder, self._configuration.around.redactor
        try:
            recorder.begin()
            for told_first in self.on_begin:
                told_first(recorder.run)
            with contextlib.closing(App(self._configuration, ask=lambda _url: None)) as app:
                outcome = piece.order.work(app, recorder.report, recorder.run)
        except Interrupted as error:
            outcome = Outcome(status=RunStatus.INTERRUPTED, error=error_of(error, redactor))
        except BaseException as error:  # noqa: BLE001 - every end of a run is told
            outcome = Outcome(status=RunStatus.FAILED, error=error_of(error, redactor))
            for told in self.on_error:
                told(error)
        try:
            recorder.end(outcome)
        finally:
            self._let_go(piece)

    def _never_began(self, piece: _Piece) -> None:
        piece.recorder.end(_STOPPED)
        self._let_go(piece)

    def _let_go(self, piece: _Piece) -> None:
        with self._lock:
            if piece.order.key:
                self._keys.pop(piece.order.key, None)
            self._pieces.pop(piece.order.run, None)
            self._ended[piece.order.run] = piece.recorder.run
            while len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
        try:
            for told in self.on_over:
                told(piece.recorder.run)
        finally:
            piece.over.set()

    def _beat(self) -> None:
        while not self._closing.wait(_BEAT):
            with self._lock:
                pieces = list(self._pieces.values())
            for piece in pieces:
                piece.recorder.beat()


_STOPPED = Outcome(
    status=RunStatus.INTERRUPTED,
    error=RunError(
        code="interrupted", what="holdfast was stopped before this run was done", retryable=True,
        hint="the scheduler does it again; by hand: holdfast backup",
    ),
)  # fmt: skip


def _wait(pieces: list[_Piece], seconds: float | None) -> None:
    until = None if seconds is None else time.monotonic() + seconds
    for piece in pieces:
        piece.over.wait(None if until is None else max(0.0, until - time.monotonic()))
