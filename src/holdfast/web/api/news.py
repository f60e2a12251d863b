"""News of runs on the event loop: one thread hears them, any number of requests wait for them without one each."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import msgspec

from holdfast.model.run import Run
from holdfast.service.service import Service
from holdfast.web.api.documents import run_fields
from holdfast.web.security.identity import Identity
from holdfast.web.security.standing import LOOK, Standing

BEAT = 15.0
"""Seconds between two signs of life to a listener."""
_LOOK = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A run as it stood; ``event``: the same as a server-sent event, written once for all listeners."""

    run: Run
    event: bytes


def heard(run: Run) -> Heard:
    """A run to be told."""
    return Heard(run, b"event: run\ndata: " + msgspec.json.encode(run_fields(run)) + b"\n\n")


class Listener:
    """What one request heard and has not taken yet: of each run the last state only."""

    def __init__(self, wanted: Callable[[Run], bool]) -> None:
        self._wanted = wanted
        self._heard: dict[str, Heard] = {}
        self._woken = asyncio.Event()

    def tell(self, told: Heard) -> None:
        """Hear of a run."""
        if self._wanted(told.run):
            self._heard[told.run.id] = told
            self._woken.set()

    async def take(self, seconds: float) -> list[Heard]:
        """Whatever came up, as soon as something does; nothing when ``seconds`` passed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()
        heard, self._heard = list(self._heard.values()), {}
        return heard


class News:
    """Begins to hear with the first listener, and ends with ``close``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._listeners: set[Listener] = set()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def listening(self, wanted: Callable[[Run], bool]) -> Iterator[Listener]:
        """A listener for runs that are ``wanted``, on the running event loop, while the context lasts."""
        listener = Listener(wanted)
        self._listeners.add(listener)
        self._begin(asyncio.get_running_loop())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def until_over(self, run: str, seconds: float | None = None) -> Run | None:
        """The run when it is over, or as it stands after ``seconds``; None when nobody knows it."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        with self.listening(lambda told: told.id == run) as listener:
            while True:
                now = await self.looked_up(run)
                if now is None or now.status.over:
                    break
                left = _LOOK if end is None else min(_LOOK, end - loop.time())
                if left <= 0:
                    return now
                await listener.take(left)
        await asyncio.to_thread(self._service.work.wait, run, _LOOK)  # until its key is free again
        return now

    async def looked_up(self, run: str) -> Run | None:
        """The run as the journal has it."""
        return await asyncio.to_thread(self._service.journal.get, run)

    async def of(
        self, standing: Standing, wanted: Callable[[Identity, Run], bool]
    ) -> AsyncIterator[Run | None]:
        """Every news of runs that are ``wanted`` by whoever hears; None where there was none for a while.

        It ends with the rights of whoever hears.
        """
        async for told in self._heard(standing, wanted):
            for each in told:
                yield each.run
            if not told:
                yield None

    async def events_of(
        self, standing: Standing, wanted: Callable[[Identity, Run], bool]
    ) -> AsyncIterator[bytes]:
        """Events as ``of``; a comment where there was none for a while."""
        async for told in self._heard(standing, wanted):
            yield b"".join(each.event for each in told) or b": beat\n\n"

    async def _heard(
        self, standing: Standing, wanted: Callable[[Identity, Run], bool]
    ) -> AsyncIterator[list[Heard]]:
        with self.listening(lambda _run: True) as listener:
            beat = time.monotonic()
            while (who := await standing.now()) is not None:
                told = await listener.take(LOOK)
                if told and (who := await standing.now()) is None:
                    return
                mine = [each for each in told if wanted(who, each.run)]
                if mine or time.monotonic() - beat >= BEAT:
                    beat = time.monotonic()
                    yield mine

    def close(self) -> None:
        """Hear nothing more."""
        self._closing.set()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._thread is None:
            hearing = contextlib.ExitStack()
            # before the thread runs: what happens until then is news to the first listener too
            news = hearing.enter_context(self._service.live.listening())
            self._thread = threading.Thread(target=self._hear, args=(loop, news, hearing), name="news", daemon=True)
            self._thread.start()

    def _hear(
        self, loop: asyncio.AbstractEventLoop, news: queue.Queue[Run], hearing: contextlib.ExitStack
    ) -> None:
        with hearing:
            while not self._closing.is_set():
                with contextlib.suppress(queue.Empty):
                    run = news.get(timeout=1.0)
                    try:
                        loop.call_soon_threadsafe(self._spread, run)
                    except RuntimeError:  # the loop is closed: nobody listens any more
                        return

    def _spread(self, run: Run) -> None:
        told = heard(run)
        for listener in list(self._listeners):
            listener.tell(told)
