"""Nobody hands on more rights than they have."""

from __future__ import annotations

from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import Forbidden


def within(who: Identity, scopes: frozenset[str], sources: frozenset[str]) -> None:
    """Forbidden when these rights go beyond those of ``who``. ``sources`` empty: all."""
    if missing := sorted(scopes - who.scopes):
        raise Forbidden(missing[0])
    if who.sources and (not sources or sources - who.sources):
        raise Forbidden("keys", ", ".join(sorted(sources - who.sources)) or "every source")
