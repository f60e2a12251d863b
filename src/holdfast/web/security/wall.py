"""The wall around every route: known hosts only, bodies of a size, no strangers' forms, and headers on every answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.model.secret import Redactor
from holdfast.web.security.identity import Identity
from holdfast.web.security.origins import Origins

BODY_LIMIT = 1 << 20
"""Bytes of a request's body: nothing here takes files."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
Refused = Callable[[Identity, str], None]
"""Is told who was refused what."""

_HSTS = "max-age=31536000"
_log = logging.getLogger("holdfast.web")


class _TooLarge(Exception):
    """The body went on beyond the limit."""


@dataclass(frozen=True, slots=True)
class _Refused:
    status: int
    code: str
    title: str
    why: str = ""
    hint: str = ""


@dataclass(slots=True)
class _Answer:
    """What was sent so far of one answer."""

    send: Send
    extra: dict[str, str] = field(default_factory=dict)
    begun: bool = False
    status: int = 0
    too_large: bool = False

    async def __call__(self, message: Message) -> None:
        if self.too_large and not self.begun:
            return  # whoever reads a body makes something else of its abrupt end
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, **self.extra}.items():
                headers.setdefault(name, value)
        await self.send(message)


class Wall:
    """An ASGI application around another. Errors nobody expected end here too, so that they carry no secret out."""

    def __init__(
        self, app: ASGIApp, *, origins: Origins, redactor: Redactor, refused: Refused | None = None,
        limit: int = BODY_LIMIT,
    ) -> None:  # fmt: skip
        self._app, self._origins, self._redactor, self._limit = app, origins, redactor, limit
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        secure = self._origins.secure(scope["scheme"], headers.get("host", ""))
        answer = _Answer(send, {"Strict-Transport-Security": _HSTS} if secure else {})
        if (refused := self._refusal(scope, headers)) is not None:
            await _tell(answer, refused)
            return
        await self._pass(scope, receive, answer)

    async def _pass(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, _limited(receive, self._limit, answer), answer)
        except _TooLarge:
            pass
        except Exception as error:  # noqa: BLE001 - the outermost place of a request
            told = self._redactor.clean(f"{type(error).__name__}: {error}")
            route = getattr(scope.get("route"), "path", "")  # as declared: in its place may stand the key of a row
            _log.error("%s %s failed unexpectedly: %s", scope["method"], route, told)
            if not answer.begun:
                await _tell(
                    answer, _Refused(500, "defect", "something went wrong that should not", type(error).__name__)
                )

        if answer.too_large and not answer.begun:
            answer.too_large = False
            await _tell(answer, _too_large(self._limit))
        who = scope.get("state", {}).get("identity")
        if answer.status == 403 and who is not None and self._refused is not None:
            # the route as it is declared: what stands in its place may be the key of a row
            what = f"{scope['method']} {getattr(scope.get('route'), 'path', '')}"
            await run_in_threadpool(self._refused, who, what)

    def _refusal(self, scope: Scope, headers: Headers) -> _Refused | None:
        host = headers.get("host", "")
        if not self._origins.knows(host):
            return _Refused(421, "wrong-host", "this server is not known by that name", hint="set [serve] public_url")
        if (length := headers.get("content-length", "0")).isdigit() and int(length) > self._limit:
            return _too_large(self._limit)
        if scope["method"] in SAFE or "authorization" in headers:
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _strange("Sec-Fetch-Site")
        origin = headers.get("origin")
        if origin is not None and not self._origins.own(origin, scope["scheme"], host):
            return _strange("Origin")
        return None


def _limited(receive: Receive, limit: int, answer: _Answer) -> Receive:
    left = limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            answer.too_large = True
            raise _TooLarge
        return message

    return counted


def _too_large(limit: int) -> _Refused:
    return _Refused(413, "too-large", "this request is too large", f"at most {limit} bytes")


def _strange(header: str) -> _Refused:
    return _Refused(
        403, "cross-site", "this request may have been sent by another site", f"its {header} is not this server's",
        "load the page again, and do it there; behind a proxy set [serve] public_url",
    )  # fmt: skip


async def _tell(answer: _Answer, refused: _Refused) -> None:
    document = {"type": "about:blank", "title": refused.title, "status": refused.status, "code": refused.code,
                "detail": "", "where": "", "why": refused.why, "hint": refused.hint}  # fmt: skip
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await answer({"type": "http.response.start", "status": refused.status, "headers": headers})
    await answer({"type": "http.response.body", "body": body})
