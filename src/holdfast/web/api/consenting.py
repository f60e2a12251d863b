"""What needs a second person asks for one before it begins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from holdfast.service.deeds import Deed
from holdfast.web.security.consents import Wish
from holdfast.web.security.identity import Identity

Agreed = Callable[[Identity, Deed, str], None]


def _agreed(request: Request) -> Agreed:
    gate = getattr(request.app.state, "gate", None)

    def demand(who: Identity, deed: Deed, digest: str = "") -> None:
        if gate is not None:
            exact = digest or hashlib.blake2b(repr(deed).encode(), digest_size=16).hexdigest()
            gate.consents.demand(who, Wish(scope=deed.scope, source=deed.source, what=deed.words, digest=exact))

    return demand


AgreedOf = Annotated[Agreed, Depends(_agreed)]
"""Call it with who asks, the deed, and the digest of a plan or "": it returns when nothing stands against it.

AwaitsConsent when a second person has to agree first; the same request goes through afterwards.
"""
