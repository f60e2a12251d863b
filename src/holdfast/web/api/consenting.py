"""What needs a second person asks for one before it begins; a consent to what did not begin is not used up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from holdfast.model.errors import HoldfastError
from holdfast.model.run import Run
from holdfast.service.deeds import Deed
from holdfast.service.service import Service
from holdfast.service.work import Order
from holdfast.web.security.consents import Consents, Wish
from holdfast.web.security.identity import Identity


@dataclass(frozen=True, slots=True)
class Agreement:
    """Nothing stands against it any more. ``consent``: what is used up by it, "" when none was needed."""

    who: str
    via: str
    consent: str = ""
    _consents: Consents | None = None

    def begin(self, service: Service, order: Order) -> Run:
        """Begin it."""
        try:
            return service.start(order)
        except HoldfastError:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Nothing was begun."""
        if self.consent and self._consents is not None:
            self._consents.give_back(self.consent, self.who, self.via)


Agreed = Callable[[Identity, Deed, str], Agreement]


def agreed_by(request: Request) -> Agreed:
    """See AgreedOf."""

    def demand(who: Identity, deed: Deed, digest: str = "") -> Agreement:
        exact = digest or hashlib.blake2b(repr(deed).encode(), digest_size=16).hexdigest()
        wish = Wish(scope=deed.scope, source=deed.source, what=deed.words, digest=exact, command=deed.command)
        return agreement(request, who, wish)

    return demand


def agreement(request: Request, who: Identity, wish: Wish) -> Agreement:
    """The agreement to a wish. AwaitsConsent when a second person has to agree first."""
    via, gate = "dashboard" if who.kind == "session" else "api", getattr(request.app.state, "gate", None)
    if gate is None:
        return Agreement(who.name, via)
    return Agreement(who.name, via, gate.consents.demand(who, wish, via), gate.consents)


AgreedOf = Annotated[Agreed, Depends(agreed_by)]
"""Call it with who asks, the deed, and the digest of a plan or "": it returns when nothing stands against it.

AwaitsConsent when a second person has to agree first; the same request goes through afterwards.
"""
