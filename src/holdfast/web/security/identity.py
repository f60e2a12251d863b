"""Who a request comes from, and the one question every route asks: may this one do that?"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from holdfast.web.security.refusals import Forbidden, NotConfirmed, Unknown

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
DANGER = frozenset({"restore:in-place", "delete", "keys"})
"""Scopes for which a session must have shown its password lately. Tokens belong to ``keys``."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """``kind`` "token", "session" or "secret" (CRON_SECRET). ``sources`` empty: all of them.

    ``name`` as runs and the audit trail tell it: "anna", "token:ci", "cron". ``principal``: the person who answers
    for it. ``id`` of the token or session. ``fresh`` False: this request must not do what is dangerous before the
    password was shown again. ``csrf``: what forms of this session carry.
    """

    name: str
    kind: str
    scopes: frozenset[str]
    sources: frozenset[str] = frozenset()
    principal: str = ""
    id: str = ""
    role: str = ""
    fresh: bool = True
    csrf: str = ""

    @property
    def person(self) -> str:
        """The account that answers for it; where none does, itself: a machine's token, the cron secret."""
        return self.name if not self.principal or ":" in self.principal else self.principal

    def may(self, scope: str, source: str = "") -> bool:
        """Whether it may do what ``scope`` names, to this source."""
        return scope in self.scopes and (not source or not self.sources or source in self.sources)

    def require(self, scope: str, source: str = "") -> None:
        """Forbidden when it may not, NotConfirmed when the password must be shown again first."""
        if not self.may(scope, source):
            raise Forbidden(scope, source)
        if scope in DANGER and not self.fresh:
            raise NotConfirmed(scope)


async def identity_of(request: Request) -> Identity:
    """Who asks; Unknown when nobody said, or said it wrong."""
    request.state.csrf = await _csrf_given(request)
    found = await run_in_threadpool(request.app.state.doorkeeper, request)
    if found is None:
        raise Unknown
    request.state.identity = found
    return found  # type: ignore[no-any-return]


async def _csrf_given(request: Request) -> str:
    """From the header, or the form; the route reads the same form again for nothing."""
    given = request.headers.get(CSRF_HEADER, "")
    if given or request.method in ("GET", "HEAD"):
        return given
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in _FORMS:
        field = (await request.form()).get(CSRF_FIELD)
        return field if isinstance(field, str) else ""
    return ""


def require(scope: str) -> Callable[[Identity], Identity]:
    """A dependency for routes: the identity, which has ``scope``. Sources are asked for in the route."""

    def dependency(identity: Identity = Depends(identity_of)) -> Identity:  # noqa: B008 - FastAPI's way
        identity.require(scope)
        return identity

    dependency.scope = scope  # type: ignore[attr-defined]
    return dependency


def open_to_all(reason: str) -> Callable[[], Coroutine[None, None, None]]:
    """A dependency for the few routes that ask nobody who they are: it says why."""

    async def dependency() -> None:
        return None

    dependency.open = reason  # type: ignore[attr-defined]
    return dependency
