"""/api/consents: what waits for a second person."""

from __future__ import annotations

from fastapi import APIRouter

from holdfast.web.api.documents import Document
from holdfast.web.api.keeping import GateOf
from holdfast.web.api.routes import Name, StatusReader
from holdfast.web.security.consents import NEEDS, Consent
from holdfast.web.security.identity import Identity

router = APIRouter(prefix="/api/consents", tags=["consents"])


class ConsentDocument(Document):
    """``scope`` is what one wants to do, ``command`` the equal command line with all that it names.

    ``state`` open, granted, denied, used or expired.
    """

    id: str
    scope: str
    source: str
    what: str
    command: str
    asked_by: str
    asked_at: str
    expires_at: str
    state: str
    answered_by: str
    answered_at: str | None


class ConsentsDocument(Document):
    """Newest first."""

    consents: list[ConsentDocument]


@router.get("")
def consents(who: StatusReader, gate: GateOf, waiting: bool = True) -> ConsentsDocument:
    """What waits, of one's own and of what one could agree to; ``waiting=false``: what was answered too."""
    found = [each for each in gate.consents.all(waiting=waiting) if concerns(who, each)]
    return ConsentsDocument(consents=[consent_document(each) for each in found])


@router.post("/{consent}/grant")
def grant(consent: Name, who: StatusReader, gate: GateOf) -> ConsentDocument:
    """Agree. Needs the scope of what is asked for, and another person than the one who asked, logged in."""
    return consent_document(gate.consents.answer(who, consent, _via(who), grant=True))


@router.post("/{consent}/deny")
def deny(consent: Name, who: StatusReader, gate: GateOf) -> ConsentDocument:
    """Refuse. Who asked may do so too."""
    return consent_document(gate.consents.answer(who, consent, _via(who), grant=False))


def consent_document(each: Consent) -> ConsentDocument:
    """A wish as JSON tells it."""
    return ConsentDocument(
        id=each.id, scope=each.scope, source=each.source, what=each.what, command=each.command, asked_by=each.asked_by,
        asked_at=each.asked_at, expires_at=each.expires_at, state=each.state, answered_by=each.answered_by,
        answered_at=each.answered_at,
    )  # fmt: skip


def concerns(who: Identity, each: Consent) -> bool:
    """Whether it is their own wish, or one they could agree to."""
    return each.asked_by == who.person or who.may(NEEDS[each.scope], each.source)


def _via(who: Identity) -> str:
    return "dashboard" if who.kind == "session" else "api"
