"""The way to the applications themselves: few go at a time, so one that hangs stops nobody who looks at backups."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from typing import Annotated

from fastapi import Depends, Request

from holdfast.model.errors import HoldfastError
from holdfast.model.events import Event, Reporter, Warned
from holdfast.usecases.trash import Discarded, TrashOrder, trash
from holdfast.web.security.identity import Identity, identity_of
from holdfast.wiring.build import App

_AT_ONCE = 2
"""Half of the objects that are lent to those who look, a twentieth of the threads."""

_PATIENCE = 10.0
_SLOW = 2.0
_LEFT_ALONE = 30.0


class SourcesSlow(HoldfastError):
    """Others wait for an answer of the applications already."""

    code = "sources-slow"


class Reach:
    """Of one server."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._silent: dict[str, float] = {}

    @contextlib.asynccontextmanager
    async def way(self) -> AsyncIterator[None]:
        """A turn, waited for without a thread. SourcesSlow when none comes."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._free.acquire()
        except TimeoutError as error:
            raise SourcesSlow(
                "others wait for the applications already", why="one of them answers slowly, or not at all",
                hint="try again; the backups can be looked at meanwhile", retryable=True,
            ) from error  # fmt: skip
        try:
            yield
        finally:
            self._free.release()

    def trash(self, app: App, names: Iterable[str], report: Reporter) -> list[Discarded]:
        """What was deleted in these sources. One that failed after a long wait is not asked again by everybody at
        once: for half a minute what the repository knows of it is told, with a warning.
        """
        names = list(names)
        begun = time.monotonic()
        silent = {name for name in names if self._silent.get(name, 0.0) > begun}

        def hear(event: Event) -> None:
            nonlocal begun
            if isinstance(event, Warned) and event.source not in silent:
                if time.monotonic() - begun > _SLOW:
                    self._silent[event.source] = time.monotonic() + _LEFT_ALONE
                begun = time.monotonic()
            report(event)

        order = TrashOrder(sources={name: app.source(name) for name in names}, left_alone=silent, report=hear)
        return trash(app.repository, order)


def reach_of(request: Request) -> Reach:
    """That of the server."""
    found: Reach = request.app.state.reach
    return found


async def _turn(request: Request, _who: Annotated[Identity, Depends(identity_of)]) -> AsyncIterator[None]:
    async with reach_of(request).way():
        yield


AT_THE_SOURCES = Depends(_turn)
"""For routes that ask the applications: known people only, a few at a time."""

ReachOf = Annotated[Reach, Depends(reach_of)]
