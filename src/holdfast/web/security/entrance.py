"""Coming in: the first person, logging in and out, showing the password again."""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass

from holdfast.model.audit import Act
from holdfast.model.errors import HoldfastError
from holdfast.system import clock
from holdfast.web.security.attempts import Attempts, counters
from holdfast.web.security.identity import Identity
from holdfast.web.security.notes import Notes
from holdfast.web.security.people import SETUP, Newcomer, People, Person
from holdfast.web.security.refusals import WrongLogin
from holdfast.web.security.register import Register, fingerprint
from holdfast.web.security.sessions import OpenedSession, Sessions

_SETUP_CHARS = "abcdefghjkmnpqrstuvwxyz23456789"
_NOBODY = "(unknown)"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where somebody comes from: address and browser, as they say."""

    address: str
    agent: str = ""


class Entrance:
    """The ways into a register's sessions."""

    def __init__(self, register: Register, notes: Notes) -> None:
        self.people, self.sessions = People(register), Sessions(register)
        self._attempts, self._notes = Attempts(register), notes
        self._setup: bytes | None = None
        self._lock = threading.Lock()

    @property
    def empty(self) -> bool:
        """Whether nobody has an account yet."""
        return not self.people.all()

    def setup_token(self) -> str | None:
        """A new token that makes the first account, for the log; None when somebody has one. Ends with this process."""
        if not self.empty:
            return None
        made = "-".join("".join(secrets.choice(_SETUP_CHARS) for _ in range(5)) for _ in range(5))
        with self._lock:
            self._setup = fingerprint(made)
        return made

    def set_up(self, token: str, name: str, password: str, visitor: Visitor) -> OpenedSession:
        """The first account, an admin's, and its session. WrongLogin when the token is wrong or was used."""
        counted = counters(SETUP, visitor.address)[1:]  # the token is long: nobody is to be locked out of it
        self._attempts.begin(counted)
        with self._lock:
            known = self._setup
            if known is None or not hmac.compare_digest(known, fingerprint(token.strip().lower())):
                self._notes.refused("login:setup", SETUP, "a wrong setup token", visitor.address)
                raise WrongLogin
            self._attempts.succeeded(counted)
            newcomer = Newcomer(name=name, password=password, role="admin", vouched_by=SETUP)
            person = self.people.add(newcomer, first=True)
            self._setup = None
        self._told("config:account-add", person.name, "the first account, by the setup token", visitor)
        return self._opened(person, visitor)

    def log_in(self, name: str, password: str, visitor: Visitor) -> OpenedSession:
        """A session. WrongLogin; TooManyAttempts when it is not even looked at."""
        return self._opened(self._recognised(name, password, visitor), visitor)

    def confirm(self, who: Identity, password: str, visitor: Visitor) -> None:
        """The password again, for what is dangerous. WrongLogin, TooManyAttempts."""
        self._recognised(who.name, password, visitor, who.id)
        self.sessions.confirm(who.id)
        self._told("login:confirm", who.name, "showed the password again", visitor)

    def log_out(self, who: Identity, visitor: Visitor) -> None:
        """End the session."""
        self.sessions.close(who.id)
        self._told("logout", who.name, "logged out", visitor)

    def change_password(self, who: Identity, old: str, new: str, visitor: Visitor) -> OpenedSession:
        """A new password for oneself; every session ends, and a new one begins."""
        person = self._recognised(who.name, old, visitor, who.id)
        self.people.set_password(who.name, new, by=who.name)
        self._told("config:account-password", who.name, "changed the password", visitor)
        return self._opened(person, visitor)

    def _recognised(self, name: str, password: str, visitor: Visitor, session: str = "") -> Person:
        counted = counters(name, visitor.address, session or self._attempts.own(name, visitor.address))
        known = _NOBODY if self.people.get(name) is None else name
        try:
            self._attempts.begin(counted)
            person = self.people.recognised(name, password)
            if person is None:
                raise WrongLogin
        except HoldfastError:
            self._notes.refused("login:failed", known, "a wrong name or password", visitor.address)
            raise
        self._attempts.succeeded(counted)
        self._attempts.came_in(person.name, visitor.address)
        return person

    def _opened(self, person: Person, visitor: Visitor) -> OpenedSession:
        opened = self.sessions.open(person.name, visitor.address, visitor.agent)
        self._told("login", person.name, "logged in", visitor)
        return opened

    def _told(self, deed: str, who: str, what: str, visitor: Visitor) -> None:
        more = {"from": visitor.address}
        self._notes.note(Act(at=clock.stamp(), deed=deed, who=who, via="dashboard", what=what, more=more))
