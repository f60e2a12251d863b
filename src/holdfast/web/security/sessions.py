"""Sessions: a random cookie on one side, a row with its hash on the other, which can be taken away at any time."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from blake3 import blake3

from holdfast.model.ids import new_id
from holdfast.system import clock
from holdfast.web.security.register import Register, fingerprint

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
CONFIRMED = timedelta(minutes=5)
"""For so long a password shown counts for what is dangerous."""

_SEEN_EVERY = timedelta(minutes=1)
_AT_ONCE = 20
_CSRF = "holdfast 2026 csrf token of a session"
_COLUMNS = "id, person, opened_at, seen_at, ends_at, confirmed_at, address, agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Times ISO 8601 UTC. ``confirmed_at``: when the password was last shown."""

    id: str
    person: str
    opened_at: str
    seen_at: str
    ends_at: str
    confirmed_at: str
    address: str
    agent: str

    def alive(self, now: datetime) -> bool:
        """Neither idle for too long nor too old."""
        return clock.stamp(now) < self.ends_at and clock.stamp(now - IDLE) < self.seen_at

    def confirmed(self, now: datetime) -> bool:
        """Whether the password was shown within the last five minutes."""
        return clock.stamp(now - CONFIRMED) < self.confirmed_at <= clock.stamp(now)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """``secret`` is the cookie's value."""

    session: Session
    secret: str

    def __repr__(self) -> str:
        return f"OpenedSession({self.session!r})"

    @property
    def csrf(self) -> str:
        """What its forms carry."""
        return csrf_of(self.secret)


class Sessions:
    """The sessions of one register."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def open(self, person: str, address: str, agent: str) -> OpenedSession:
        """A new session; the oldest of the person's ends when there are too many."""
        now, secret = clock.now(), secrets.token_urlsafe(32)
        session = Session(
            id=new_id(), person=person, opened_at=clock.stamp(now), seen_at=clock.stamp(now),
            ends_at=clock.stamp(now + LONGEST), confirmed_at=clock.stamp(now), address=address, agent=agent[:200],
        )  # fmt: skip
        with self._register.alone():
            self._clear(person, now)
            self._register.change(
                "insert into sessions values (?, ?, ?, ?, ?, ?, ?, ?, ?)", fingerprint(secret), session.id, person,
                session.opened_at, session.seen_at, session.ends_at, session.confirmed_at, address, session.agent,
            )  # fmt: skip
        return OpenedSession(session=session, secret=secret)

    def of(self, secret: str, *, acting: bool) -> Session | None:
        """The session of a cookie; None when it ended. ``acting``: somebody is there, not a page that looks again."""
        found = self._select("where hash = ?", fingerprint(secret))
        now = clock.now()
        if not found or not found[0].alive(now):
            return None
        session = found[0]
        if acting and session.seen_at < clock.stamp(now - _SEEN_EVERY):
            self._register.change("update sessions set seen_at = ? where id = ?", clock.stamp(now), session.id)
        return session

    def confirm(self, identifier: str) -> None:
        """The password was shown just now."""
        self._register.change("update sessions set confirmed_at = ? where id = ?", clock.stamp(), identifier)

    def close(self, identifier: str, person: str | None = None) -> bool:
        """End one, of ``person`` if given; False when there is none such."""
        if person is None:
            return bool(self._register.change("delete from sessions where id = ?", identifier))
        return bool(self._register.change("delete from sessions where id = ? and person = ?", identifier, person))

    def all(self, person: str | None = None) -> list[Session]:
        """Those alive, of everybody or of one, newest first."""
        now = clock.now()
        found = self._select("where ? is null or person = ? order by opened_at desc", person, person)
        return [each for each in found if each.alive(now)]

    def _clear(self, person: str, now: datetime) -> None:
        dead = "delete from sessions where ends_at <= ? or seen_at <= ?"
        self._register.change(dead, clock.stamp(now), clock.stamp(now - IDLE))
        for each in self.all(person)[_AT_ONCE - 1 :]:
            self._register.change("delete from sessions where id = ?", each.id)

    def _select(self, condition: str, *values: Any) -> list[Session]:
        names = _COLUMNS.split(", ")
        rows = self._register.rows(f"select {_COLUMNS} from sessions {condition}", *values)
        return [Session(**dict(zip(names, row, strict=True))) for row in rows]


def csrf_of(secret: str) -> str:
    """What forms of the session with this cookie carry: only who has the cookie can work it out."""
    return blake3(secret.encode("utf-8", "surrogateescape"), derive_key_context=_CSRF).hexdigest()


def csrf_fits(secret: str, given: str) -> bool:
    """Whether a form came with what this session's forms carry."""
    return hmac.compare_digest(csrf_of(secret).encode(), given.encode("utf-8", "surrogateescape"))
