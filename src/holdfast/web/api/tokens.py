"""/api/tokens: making, rotating and revoking tokens, never beyond one's own rights."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from holdfast.model.errors import UsageError
from holdfast.service.service import Service
from holdfast.system import clock
from holdfast.web.api.documents import Document
from holdfast.web.api.keeping import GateOf, acted, days
from holdfast.web.api.routes import Body, Name, ServiceOf
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity, require
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.rights import within
from holdfast.web.security.tokens import MadeToken, Token, TokenWish, checked_scopes

# no Once here: what it keeps to answer again would hold the secret
router = APIRouter(prefix="/api/tokens", tags=["tokens"])

KeyKeeper = Annotated[Identity, Depends(require("keys"))]
Days = Annotated[int | None, Field(ge=1, le=3650)]


class TokenDocument(Document):
    """A token without its secret. ``sources`` empty: all. ``state`` valid, replaced, expired or revoked."""

    id: str
    name: str
    state: str
    scopes: list[str]
    sources: list[str]
    owner: str
    made_at: str
    expires_at: str | None
    used_at: str | None
    revoked_at: str | None


class TokensDocument(Document):
    """By name, oldest first."""

    tokens: list[TokenDocument]


class NewToken(TokenDocument):
    """``secret`` is shown this once."""

    secret: str


class TokenBody(Body):
    """``days`` null: it never ends by itself."""

    name: Name
    scopes: Annotated[list[Name], Field(min_length=1, max_length=20)]
    sources: Annotated[list[Name], Field(default_factory=list, max_length=500)]
    days: Days = 90


class RotateBody(Body):
    """The old secret goes on for ``overlap_hours``."""

    overlap_hours: Annotated[int, Field(ge=0, le=24 * 30)] = 24
    days: Days = 90


@router.get("")
def tokens(who: KeyKeeper, gate: GateOf) -> TokensDocument:
    """Every token there was of one's sources, without secrets."""
    return TokensDocument(tokens=[token_document(each) for each in sight.tokens(who, gate.tokens.all())])


@router.post("", status_code=201)
def add(body: TokenBody, who: KeyKeeper, gate: GateOf, service: ServiceOf) -> NewToken:
    """Make a token. It can have no right that the one who makes it has not."""
    within(who, checked_scopes(body.scopes), frozenset(body.sources))
    _require_known(service, body.sources)
    made = gate.tokens.add(
        TokenWish(name=body.name, scopes=body.scopes, sources=body.sources, lifetime=days(body.days),
                  owner=who.principal or who.name)
    )  # fmt: skip
    acted(gate, who, "config:token-add", f"made the token {made.token.name}", made.token.id)
    return _new(made)


@router.post("/{token}/rotate", status_code=201)
def rotate(token: Name, body: RotateBody, who: KeyKeeper, gate: GateOf) -> NewToken:
    """A new secret for the same rights; the old one goes on for a while. Who rotates it answers for it from now on."""
    old = _named(gate, token, who)
    within(who, old.scopes, old.sources)
    made = gate.tokens.rotate(old.id, timedelta(hours=body.overlap_hours), days(body.days), who.principal or who.name)
    was = f", which was {old.owner}'s" if made.token.owner != old.owner else ""
    acted(gate, who, "config:token-rotate", f"rotated the token {made.token.name}{was}", made.token.id)
    return _new(made)


@router.delete("/{token}")
def revoke(token: Name, who: KeyKeeper, gate: GateOf) -> TokensDocument:
    """End a token at once, by name or id."""
    old = _named(gate, token, who)
    within(who, old.scopes, old.sources)
    ended = gate.tokens.revoke(old.name)
    acted(gate, who, "config:token-remove", f"revoked the token {old.name}", old.id)
    return TokensDocument(tokens=[token_document(each) for token in ended for each in gate.tokens.named(token.id)])


def token_document(token: Token) -> TokenDocument:
    """A token as JSON tells it."""
    return TokenDocument(
        id=token.id, name=token.name, state=token.state(clock.now()), scopes=sorted(token.scopes),
        sources=sorted(token.sources), owner=token.owner, made_at=token.made_at, expires_at=token.expires_at,
        used_at=token.used_at, revoked_at=token.revoked_at,
    )  # fmt: skip


def _new(made: MadeToken) -> NewToken:
    return NewToken(**token_document(made.token).model_dump(), secret=made.secret)


def _require_known(service: Service, sources: list[str]) -> None:
    """A token for a source that is none could do nothing, and nobody would know why."""
    with service.reading() as app:
        known = {*app.settings.sources, *(entry.info.source for entry in app.repository.snapshots())}
    if unknown := sorted(set(sources) - known):
        raise UsageError(f"there is no source {unknown[0]!r}", where="sources", hint="GET /api/sources")


def _named(gate: GateOf, name: str, who: Identity) -> Token:
    found = [each for each in sight.tokens(who, gate.tokens.named(name)) if each.state(clock.now()) == "valid"]
    if not found:
        raise NotFound(f"there is no valid token {name!r}", hint="GET /api/tokens")
    return found[-1]
