"""Tokens for programs: named, shown once, kept as a hash, with an end, and with no more rights than were given."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.model.ids import new_id
from holdfast.system import clock
from holdfast.web.security.names import check_name, check_sources, kept_sources
from holdfast.web.security.register import Register, fingerprint
from holdfast.wiring.sections import SCOPES

PREFIX = "hf_"
LIFETIME = timedelta(days=90)
OVERLAP = timedelta(hours=24)
_ID = re.compile("[0-9a-f]{32}")
_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token; ``sources`` empty: all. ``owner``: who answers for it. Times ISO 8601 UTC."""

    id: str
    name: str
    scopes: frozenset[str]
    sources: frozenset[str]
    owner: str
    made_at: str
    expires_at: str | None
    used_at: str | None
    revoked_at: str | None
    replaced_by: str | None

    def state(self, now: datetime) -> str:
        """ "valid", "replaced" (valid still, for a while), "expired" or "revoked"."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= clock.stamp(now):
            return "expired"
        return "replaced" if self.replaced_by else "valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """A token to be made. ``lifetime`` None: it never ends by itself."""

    name: str
    scopes: Iterable[str]
    sources: Iterable[str] = ()
    lifetime: timedelta | None = LIFETIME
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """``secret`` is shown this once."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"MadeToken({self.token!r})"


class Tokens:
    """The tokens of one register."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def add(self, wish: TokenWish) -> MadeToken:
        """A new token. UsageError for an unknown scope, a bad name, or the name of a token that is valid still."""
        name, now = check_name(wish.name), clock.now()
        if _ID.fullmatch(name):
            raise UsageError("this name could be the id of another token", hint="call it something that can be said")
        scopes = checked_scopes(wish.scopes)
        token = Token(
            id=new_id(), name=name, scopes=scopes, sources=check_sources(wish.sources), owner=wish.owner,
            made_at=clock.stamp(now), expires_at=_end(now, wish.lifetime), used_at=None, revoked_at=None,
            replaced_by=None,
        )  # fmt: skip
        with self._register.alone():
            if any(each.state(now) in ("valid", "replaced") for each in self.named(name)):
                raise UsageError(f"there is a token {name!r} already", hint=f"holdfast token rotate {name}")
            return self._insert(token)

    def rotate(
        self, name: str, overlap: timedelta = OVERLAP, lifetime: timedelta | None = LIFETIME, owner: str | None = None
    ) -> MadeToken:
        """A new secret for the same rights; the old one goes on for ``overlap``. UsageError when none is valid.

        ``owner``: who has the new secret and answers for it from now on; None: whoever did.
        """
        now = clock.now()
        with self._register.alone():
            old = self.valid(name)
            fresh = replace(
                old, id=new_id(), made_at=clock.stamp(now), expires_at=_end(now, lifetime), used_at=None,
                owner=owner or old.owner,
            )  # fmt: skip
            made = self._insert(fresh)
            end = min(filter(None, (old.expires_at, clock.stamp(now + overlap))))
            change = "update tokens set expires_at = ?, replaced_by = ? where id = ?"
            self._register.change(change, end, made.token.id, old.id)
        return made

    def revoke(self, name: str) -> list[Token]:
        """End every secret of the token of this name (or id), at once. UsageError when there is none to end."""
        now = clock.now()
        with self._register.alone():
            found = [each for each in self.named(name) if each.state(now) in ("valid", "replaced")]
            if not found:
                raise _missing(name)
            for each in found:
                self._register.change("update tokens set revoked_at = ? where id = ?", clock.stamp(now), each.id)
        return found

    def named(self, name: str) -> list[Token]:
        """All of this name or id, also those that ended, oldest first."""
        return self._select("where name = ? or id = ? order by made_at, id", name, name)

    def all(self) -> list[Token]:
        """Every token there was, by name, oldest first."""
        return self._select("order by name, made_at, id")

    def valid(self, name: str) -> Token:
        """The one in force. UsageError when there is none."""
        now = clock.now()
        found = [each for each in self.named(name) if each.state(now) == "valid"]
        if not found:
            raise _missing(name)
        return found[-1]

    def of(self, secret: str) -> Token | None:
        """The token whose secret this is; None when nobody knows it, or it ended."""
        if not secret.startswith(PREFIX):
            return None
        found = self._select("where hash = ?", fingerprint(secret))
        now = clock.now()
        if not found or found[0].state(now) not in ("valid", "replaced"):
            return None
        token = found[0]
        if token.used_at is None or token.used_at < clock.stamp(now - _USED_EVERY):
            self._register.change("update tokens set used_at = ? where id = ?", clock.stamp(now), token.id)
        return token

    def _insert(self, token: Token) -> MadeToken:
        secret = PREFIX + secrets.token_urlsafe(32)
        self._register.change(
            "insert into tokens values (?, ?, ?, ?, ?, ?, ?, ?, null, null, null)", token.id, token.name,
            fingerprint(secret), " ".join(sorted(token.scopes)), " ".join(sorted(token.sources)), token.owner,
            token.made_at, token.expires_at,
        )  # fmt: skip
        return MadeToken(token=token, secret=secret)

    def _select(self, condition: str, *values: Any) -> list[Token]:
        columns = "id, name, scopes, sources, owner, made_at, expires_at, used_at, revoked_at, replaced_by"
        return [_token(row) for row in self._register.rows(f"select {columns} from tokens {condition}", *values)]


def checked_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes as a set; UsageError for none, and for one that does not exist."""
    found = frozenset(scopes)
    if unknown := sorted(found - set(SCOPES)):
        raise UsageError(f"there is no scope {unknown[0]!r}", hint=f"one of: {', '.join(SCOPES)}")
    if not found:
        raise UsageError("a token without a scope may do nothing", hint=f"one of: {', '.join(SCOPES)}")
    return found


def _end(now: datetime, lifetime: timedelta | None) -> str | None:
    return None if lifetime is None else clock.stamp(now + lifetime)


def _missing(name: str) -> UsageError:
    return UsageError(f"there is no valid token {name!r}", hint="holdfast token list")


def _token(row: Any) -> Token:
    identifier, name, scopes, sources, owner, made, expires, used, revoked, replaced = row
    return Token(
        id=identifier, name=name, scopes=frozenset(scopes.split()), sources=kept_sources(sources), owner=owner,
        made_at=made, expires_at=expires, used_at=used, revoked_at=revoked, replaced_by=replaced,
    )  # fmt: skip
