"""Answers kept to be given again: sealed with what only the asker has, so that a journal tells nobody of them."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode

import msgspec
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request
from fastapi.responses import Response

from holdfast.journal.unfinished import interrupted, of_this_process
from holdfast.model.run import Run, RunStatus
from holdfast.system import clock
from holdfast.web.security.doorkeeper import PLAIN_COOKIE, SECURE_COOKIE
from holdfast.web.security.identity import Identity

PREFIX = "idempotency/"
KEPT = 24 * 3600.0
_SEAL, _FACT = "holdfast 2026 seal of a kept answer", "holdfast 2026 name of a kept answer"


class Kept(msgspec.Struct, kw_only=True):
    """One request under its key. ``by``: the process that carries it out; ``runs``: those it began; ``answer``: sealed,
    "" as long as there is none. ``rights``: of the asker then.
    """

    request: str
    rights: str
    until: float
    by: Run
    runs: list[str] = msgspec.field(default_factory=list)
    answer: str = ""

    def cut_off(self) -> bool:
        """Whether nobody carries it out any more."""
        return bool(interrupted([self.by], clock.now()))


class Answer(msgspec.Struct, kw_only=True):
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def response(self) -> Response:
        """The same once more."""
        return Response(self.body, self.status, headers={**self.headers, "Idempotency-Replayed": "true"})


class Asked:
    """A request with its key. ``fact``: where it is kept."""

    def __init__(self, who: Identity, key: str, request: Request, body: bytes) -> None:
        cookies = request.cookies
        secret = request.headers.get("authorization") or cookies.get(SECURE_COOKIE) or cookies.get(PLAIN_COOKIE) or ""
        mine = f"{who.kind}\0{who.id or who.name}\0{key}"
        self.fact = PREFIX + blake3(mine.encode(), derive_key_context=_FACT).hexdigest()[:32]
        sealing = f"{secret}\0{mine}".encode("utf-8", "surrogateescape")
        self._key = blake3(sealing, derive_key_context=_SEAL).digest()
        asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + body
        self.request = blake3(asked, key=self._key).hexdigest()[:32]
        rights = f"{sorted(who.scopes)} {sorted(who.sources)}"
        self.rights = blake3(rights.encode(), key=self._key).hexdigest()[:32]

    def begun(self) -> Kept:
        """It is carried out from now on, in this process."""
        now = clock.now()
        by = Run(id=self.fact, kind="request", status=RunStatus.RUNNING, created_at=clock.stamp(now))
        by.seen_at = by.created_at
        return Kept(
            request=self.request, rights=self.rights, until=now.timestamp() + KEPT, by=of_this_process(by)
        )  # fmt: skip

    def seal(self, answer: Answer) -> str:
        """For who asked alone."""
        nonce = secrets.token_bytes(12)
        sealed = AESGCM(self._key).encrypt(nonce, msgspec.msgpack.encode(answer), self.fact.encode())
        return b64encode(nonce + sealed).decode()

    def opened(self, kept: Kept) -> Answer | None:
        """The answer; None when there is none yet."""
        if not kept.answer:
            return None
        sealed = b64decode(kept.answer)
        try:
            inner = AESGCM(self._key).decrypt(sealed[:12], sealed[12:], self.fact.encode())
        except InvalidTag:
            return None
        return msgspec.msgpack.decode(inner, type=Answer)
