"""Idempotency-Key: the same request sent again is answered again, not done again."""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from holdfast.journal.base import Journal
from holdfast.model.errors import RepositoryBusy, UsageError
from holdfast.system import clock
from holdfast.web.security.identity import identity_of

HEADER = "idempotency-key"
_PREFIX = "idempotency/"
_KEPT = 24 * 3600.0
_LONGEST_KEY = 200
_LONGEST_ANSWER = 1 << 20
_SWEEP_EVERY = 600.0
_MOST_IN_MEMORY = 200

Handling = Callable[[Request], Coroutine[Any, Any, Response]]


class _Kept(msgspec.Struct, kw_only=True):
    """One answer. ``request``: digest of what was asked."""

    request: str
    until: float
    status: int
    headers: dict[str, str]
    body: str


class KeyReused(UsageError):
    """The key was sent with another request before."""

    code = "key-reused"


class Once(APIRoute):
    """A route whose POSTs are done once for each Idempotency-Key of one identity; answers are kept for 24 hours.

    What was refused or failed is not kept. A client that goes away does not stop what it asked for.
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
            return await _once(request, key, inner, _Shelf(request, lasting=self.lasting))

        return handle


class OnceInMemory(Once):
    """The same, for answers that must be written nowhere; they are forgotten with the process."""

    lasting = False


class _Shelf:
    """Where answers are kept."""

    def __init__(self, request: Request, *, lasting: bool) -> None:
        self._state = request.app.state
        self._journal: Journal | None = self._state.service.journal if lasting else None

    async def find(self, fact: str) -> _Kept | None:
        if self._journal is None:
            kept: _Kept | None = self._state.kept.get(fact)
        else:
            kept = await asyncio.to_thread(_recall, self._journal, fact)
        return kept if kept is not None and kept.until > clock.now().timestamp() else None

    async def keep(self, fact: str, kept: _Kept) -> None:
        if self._journal is None:
            self._state.kept[fact] = kept
            while len(self._state.kept) > _MOST_IN_MEMORY:
                del self._state.kept[next(iter(self._state.kept))]
            return
        await asyncio.to_thread(self._journal.remember, fact, msgspec.json.encode(kept).decode())
        if time.monotonic() - self._state.swept > _SWEEP_EVERY:
            self._state.swept = time.monotonic()
            self._state.sweeping = asyncio.create_task(asyncio.to_thread(sweep, self._journal))


async def _once(request: Request, key: str, inner: Handling, shelf: _Shelf) -> Response:
    if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise UsageError("this is no Idempotency-Key", hint=f"1 to {_LONGEST_KEY} printable characters")
    who = await identity_of(request)
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    fact = _PREFIX + hashlib.blake2b(f"{who.kind}\0{who.id or who.name}\0{key}".encode(), digest_size=16).hexdigest()
    digest = hashlib.blake2b(asked, digest_size=16).hexdigest()
    going: dict[str, asyncio.Task[Response]] = request.app.state.going
    kept = await shelf.find(fact)
    if kept is not None:
        return _again(kept, digest)
    if fact in going:
        raise RepositoryBusy("the same request is being carried out", hint="wait for its answer", retryable=True)
    task = asyncio.create_task(_carry_out(request, inner, shelf, fact, digest))
    going[fact] = task
    task.add_done_callback(lambda _done: going.pop(fact, None))
    return await asyncio.shield(task)


def _again(kept: _Kept, digest: str) -> Response:
    if kept.request != digest:
        raise KeyReused("this Idempotency-Key was sent with another request", hint="a new request needs a new key")
    headers = {**kept.headers, "Idempotency-Replayed": "true"}
    return Response(b64decode(kept.body), kept.status, headers=headers)


async def _carry_out(request: Request, inner: Handling, shelf: _Shelf, fact: str, digest: str) -> Response:
    response = await inner(request)
    body = bytes(getattr(response, "body", b""))
    if response.status_code < 300 and len(body) <= _LONGEST_ANSWER:
        told = {name: response.headers[name] for name in ("content-type", "location") if name in response.headers}
        kept = _Kept(
            request=digest, until=clock.now().timestamp() + _KEPT, status=response.status_code, headers=told,
            body=b64encode(body).decode(),
        )  # fmt: skip
        await shelf.keep(fact, kept)
    return response


def _recall(journal: Journal, fact: str) -> _Kept | None:
    told = journal.recall(fact).get(fact)
    return msgspec.json.decode(told, type=_Kept) if told is not None else None


def sweep(journal: Journal) -> None:
    """Drop answers whose day is over."""
    now = clock.now().timestamp()
    for fact, told in journal.recall(_PREFIX).items():
        if msgspec.json.decode(told, type=_Kept).until <= now:
            journal.remember(fact, None)


