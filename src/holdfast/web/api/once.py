"""Idempotency-Key: the same request sent again is answered again, not done again, also when it was cut off."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from holdfast.journal.base import Journal
from holdfast.model.errors import HoldfastError, RepositoryBusy, UsageError
from holdfast.model.run import Run
from holdfast.service.live import hearing_begun
from holdfast.system import clock
from holdfast.web.api.documents import RunDocument, Runs, run_fields
from holdfast.web.api.kept import PREFIX, Answer, Asked, Kept
from holdfast.web.security.identity import identity_of

HEADER = "idempotency-key"
_LONGEST_KEY = 200
_LONGEST_ANSWER = 1 << 20
_SWEEP_EVERY = 600.0
_MOST_IN_MEMORY = 200
_TRUE = ("1", "true", "yes", "on", "t", "y")

Handling = Callable[[Request], Coroutine[Any, Any, Response]]


class KeyReused(UsageError):
    """The key was sent with another request before, or with other rights."""

    code = "key-reused"


class OutcomeUnknown(HoldfastError):
    """The request was begun, and cut off before it was answered."""

    code = "outcome-unknown"


class Once(APIRoute):
    """A route whose POSTs are done once for each Idempotency-Key of one identity; answers are kept for 24 hours.

    What was refused or failed is not kept. A client that goes away does not stop what it asked for. What was cut off by
    the end of the server is not done again: the run it began is told, or that nobody knows.
    """

    lasting = True
    """Whether answers are kept in the journal: what holds row values is kept in memory only."""

    def get_route_handler(self) -> Handling:
        """See APIRoute."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if request.method != "POST" or key is None:
                return await inner(request)
            model = None if waits(request) else self.response_model
            return await _once(request, key, inner, _Shelf(request, lasting=self.lasting, model=model))

        return handle


class OnceInMemory(Once):
    """The same, for answers that must be written nowhere; they are forgotten with the process."""

    lasting = False


def waits(request: Request) -> bool:
    """Whether it asks for an answer that tells the end, as ``wait=1``."""
    return request.query_params.get("wait", "").lower() in _TRUE


class _Shelf:
    """Where answers are kept. ``model``: what the route answers; None when it waits for the end of what it begins."""

    def __init__(self, request: Request, *, lasting: bool, model: Any) -> None:
        self._state = request.app.state
        self.journal: Journal = self._state.service.journal
        self.lasting, self.model = lasting, model

    async def find(self, fact: str) -> Kept | None:
        if self.lasting:
            kept = await asyncio.to_thread(_recall, self.journal, fact)
        else:
            kept = self._state.kept.get(fact)
        return kept if kept is not None and kept.until > clock.now().timestamp() else None

    async def begin(self, fact: str, kept: Kept) -> None:
        """JournalFailed when it cannot be kept: then nothing must be begun."""
        if self.lasting:
            await asyncio.to_thread(self.write, fact, kept)

    def write(self, fact: str, kept: Kept) -> None:
        self.journal.remember(fact, msgspec.json.encode(kept).decode())

    async def keep(self, fact: str, kept: Kept) -> None:
        """What is done stays done when its answer cannot be kept."""
        if not self.lasting:
            self._state.kept[fact] = kept
            while len(self._state.kept) > _MOST_IN_MEMORY:
                del self._state.kept[next(iter(self._state.kept))]
            return
        with contextlib.suppress(HoldfastError):
            await asyncio.to_thread(self.write, fact, kept)
        if time.monotonic() - self._state.swept > _SWEEP_EVERY:
            self._state.swept = time.monotonic()
            self._state.sweeping = asyncio.create_task(asyncio.to_thread(sweep, self.journal))

    async def drop(self, fact: str) -> None:
        if self.lasting:
            with contextlib.suppress(HoldfastError):
                await asyncio.to_thread(self.journal.remember, fact, None)


async def _once(request: Request, key: str, inner: Handling, shelf: _Shelf) -> Response:
    if not 0 < len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise UsageError("this is no Idempotency-Key", hint=f"1 to {_LONGEST_KEY} printable ASCII characters")
    asked = Asked(await identity_of(request), key, request, await request.body())
    going: dict[str, asyncio.Task[Response]] = request.app.state.going
    if asked.fact in going:
        raise _busy()
    task = asyncio.create_task(_answered(request, inner, shelf, asked))
    going[asked.fact] = task
    task.add_done_callback(lambda _done: going.pop(asked.fact, None))
    return await asyncio.shield(task)


def _busy() -> RepositoryBusy:
    return RepositoryBusy("the same request is being carried out", hint="wait for its answer", retryable=True)


async def _answered(request: Request, inner: Handling, shelf: _Shelf, asked: Asked) -> Response:
    kept = await shelf.find(asked.fact)
    if kept is not None:
        return await _again(kept, asked, shelf)
    kept = asked.begun()
    await shelf.begin(asked.fact, kept)
    return await _carry_out(request, inner, shelf, asked, kept)


async def _again(kept: Kept, asked: Asked, shelf: _Shelf) -> Response:
    if kept.request != asked.request:
        raise KeyReused("this Idempotency-Key was sent with another request", hint="a new request needs a new key")
    if kept.rights != asked.rights:
        raise KeyReused("this Idempotency-Key was sent with other rights", hint="a new request needs a new key")
    if (answer := asked.opened(kept)) is not None:
        return answer.response()
    if not kept.answer and not kept.cut_off():
        raise _busy()
    runs = [run for each in kept.runs if (run := await asyncio.to_thread(shelf.journal.get, each)) is not None]
    return _told(runs, shelf.model)


def _told(runs: list[Run], model: Any) -> Response:
    """The runs that were begun, where the route answers with such; OutcomeUnknown otherwise."""
    headers = {"content-type": "application/json", **({"location": f"/api/runs/{runs[0].id}"} if runs else {})}
    if model is RunDocument and len(runs) == 1:
        return Answer(status=202, headers=headers, body=msgspec.json.encode(run_fields(runs[0]))).response()
    if model is Runs and runs:
        document = {"runs": [run_fields(run) for run in runs], "next": None}
        return Answer(status=202, headers=headers, body=msgspec.json.encode(document)).response()
    told = ", ".join(f"run {run.id}: {run.status.value}" for run in runs)
    raise OutcomeUnknown(
        "this request was begun and cut off before it was answered, so it is not done again",
        where=headers.get("location", ""), why=told or "whether anything was done is not known",
        hint="look at GET /api/runs; a new request needs a new key",
    )  # fmt: skip


async def _carry_out(request: Request, inner: Handling, shelf: _Shelf, asked: Asked, kept: Kept) -> Response:
    def begun(run: Run) -> None:
        if run.id not in kept.runs:
            kept.runs.append(run.id)
            if shelf.lasting:
                with contextlib.suppress(HoldfastError):
                    shelf.write(asked.fact, kept)

    try:
        with hearing_begun(begun):
            response = await inner(request)
    except Exception:
        await shelf.drop(asked.fact)
        raise
    body = bytes(getattr(response, "body", b""))
    if response.status_code >= 300 or len(body) > _LONGEST_ANSWER:
        await shelf.drop(asked.fact)
        return response
    told = {name: response.headers[name] for name in ("content-type", "location") if name in response.headers}
    kept.answer = asked.seal(Answer(status=response.status_code, headers=told, body=body))
    await shelf.keep(asked.fact, kept)
    return response


def _recall(journal: Journal, fact: str) -> Kept | None:
    return _decoded(journal.recall(fact).get(fact))


def _decoded(told: str | None) -> Kept | None:
    """None also for what an older holdfast kept in another shape."""
    try:
        return msgspec.json.decode(told, type=Kept) if told is not None else None
    except msgspec.MsgspecError:
        return None


def sweep(journal: Journal) -> None:
    """Drop answers whose day is over."""
    now = clock.now().timestamp()
    for fact, told in journal.recall(PREFIX).items():
        kept = _decoded(told)
        if kept is None or kept.until <= now:
            journal.remember(fact, None)
