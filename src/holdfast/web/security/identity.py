"""Who a request comes from, and the one question every route asks: may this one do that?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Depends, Request

from holdfast.web.security.refusals import Forbidden, Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """``kind`` "token", "session" or "secret" (CRON_SECRET). ``sources`` empty: all of them."""

    name: str
    kind: str
    scopes: frozenset[str]
    sources: frozenset[str] = frozenset()

    def may(self, scope: str, source: str = "") -> bool:
        """Whether it may do what ``scope`` names, to this source."""
        return scope in self.scopes and (not source or not self.sources or source in self.sources)

    def require(self, scope: str, source: str = "") -> None:
        """Forbidden when it may not."""
        if not self.may(scope, source):
            raise Forbidden(scope, source)


def identity_of(request: Request) -> Identity:
    """Who asks; Unknown when nobody said, or said it wrong."""
    found = request.app.state.doorkeeper(request)
    if found is None:
        raise Unknown
    return found  # type: ignore[no-any-return]


def require(scope: str) -> Callable[[Identity], Identity]:
    """A dependency for routes: the identity, which has ``scope``. Sources are asked for in the route."""

    def dependency(identity: Identity = Depends(identity_of)) -> Identity:  # noqa: B008 - FastAPI's way
        identity.require(scope)
        return identity

    dependency.scope = scope  # type: ignore[attr-defined]
    return dependency
