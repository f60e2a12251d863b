"""The second person: what one asks for and another agrees to, before it is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from holdfast.model.audit import Act
from holdfast.model.ids import new_id
from holdfast.system import clock
from holdfast.web.security.identity import Identity
from holdfast.web.security.notes import Notes
from holdfast.web.security.people import People
from holdfast.web.security.refusals import AwaitsConsent, NotFound, SamePerson
from holdfast.web.security.register import Register, fingerprint

LIFETIME = timedelta(hours=24)
NEEDS = {"restore:in-place": "restore:in-place", "delete": "delete", "retention": "config"}
"""What can need a second person, and the scope that person must have."""

_OPEN, _GRANTED, _DENIED, _USED = "open", "granted", "denied", "used"
_COLUMNS = "id, scope, source, what, asked_by, asked_at, expires_at, state, answered_by, answered_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one asks for. ``digest``: everything that makes it this one and no other; ``what`` tells it in words.

    ``command``: the equal command line, which names what the words keep out of the audit trail.
    """

    scope: str
    source: str = ""
    what: str
    digest: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A wish that waits, or was answered. ``state`` "open", "granted", "denied", "used" or "expired"."""

    id: str
    scope: str
    source: str
    what: str
    asked_by: str
    asked_at: str
    expires_at: str
    state: str
    answered_by: str
    answered_at: str | None
    command: str = ""


class Consents:
    """The wishes of one register. ``needed``: what a second person must agree to, of NEEDS."""

    def __init__(self, register: Register, notes: Notes, needed: frozenset[str]) -> None:
        self._register, self._notes, self._needed = register, notes, needed
        self._people = People(register)

    def demand(self, who: Identity, wish: Wish, via: str = "api") -> str:
        """Return when ``who`` may go on: "" when no second person is needed, else the consent that is used up by it.

        Otherwise the wish is kept for the second person, and AwaitsConsent tells its id.
        """
        if wish.scope not in self._needed:
            return ""
        digest, now = _digest(who, wish), clock.now()
        with self._register.alone():
            known = self._known(digest, now)
            if known is not None and known.state == _GRANTED:
                self._register.change("update consents set state = ? where id = ?", _USED, known.id)
                self._note("consent:use", who.name, known, via)
                return known.id
            asked = known or self._ask(who, wish, digest, now)
            if known is None:
                self._note("consent:ask", who.name, asked, via)
        raise AwaitsConsent(asked.id, asked.expires_at)

    def give_back(self, consent: str, who: str, via: str = "api") -> None:
        """What a consent was used for was not begun: it can be used once more."""
        change = "update consents set state = ? where id = ? and state = ?"
        found = self.get(consent)
        if found is not None and self._register.change(change, _GRANTED, consent, _USED):
            self._note("consent:back", who, found, via)

    def answer(self, who: Identity, consent: str, via: str = "api", *, grant: bool) -> Consent:
        """Agree, or refuse. NotFound; Forbidden without the scope; SamePerson for one's own wish, for an account that
        anybody behind the one who asked stands behind, and for whoever agrees without being logged in.
        """
        found = self.get(consent)
        if found is None or found.state != _OPEN:
            raise _nothing(consent)
        who.require(NEEDS[found.scope], found.source)
        if grant and (who.kind != "session" or self._same(who, found)):
            self._notes.refused("consent:grant", who.name, f"agreed to a wish of their own: {found.what}")
            raise SamePerson
        with self._register.alone():
            change = "update consents set state = ?, answered_by = ?, answered_at = ? where id = ? and state = ?"
            state = _GRANTED if grant else _DENIED
            if not self._register.change(change, state, who.name, clock.stamp(), found.id, _OPEN):
                raise _nothing(consent)
            self._note("consent:grant" if grant else "consent:deny", who.name, found, via)
        return self._select("where id = ?", found.id)[0]

    def get(self, consent: str) -> Consent | None:
        """One of them."""
        found = self._select("where id = ?", consent)
        return found[0] if found else None

    def all(self, *, waiting: bool = True) -> list[Consent]:
        """Newest first; ``waiting``: only those nobody answered yet."""
        found = self._select("order by asked_at desc limit 500")
        return [each for each in found if not waiting or each.state == _OPEN]

    def _ask(self, who: Identity, wish: Wish, digest: bytes, now: datetime) -> Consent:
        what = f"{wish.what}\n{wish.command}"
        values = (new_id(), wish.scope, wish.source, digest, what, who.person, clock.stamp(now),
                  clock.stamp(now + LIFETIME), _OPEN, "", None)  # fmt: skip
        self._register.change("insert into consents values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)
        return self._select("where id = ?", values[0])[0]

    def _known(self, digest: bytes, now: datetime) -> Consent | None:
        found = self._select("where digest = ? and expires_at > ? order by asked_at desc", digest, clock.stamp(now))
        return next((each for each in found if each.state in (_OPEN, _GRANTED)), None)

    def _same(self, who: Identity, wish: Consent) -> bool:
        """Whether anybody could be both."""
        return bool(self._people.behind(who.person) & self._people.behind(wish.asked_by))

    def _note(self, deed: str, who: str, consent: Consent, via: str) -> None:
        what = f"{consent.scope}: {consent.what}"
        self._notes.note(
            Act(at=clock.stamp(), deed=deed, who=who, via=via, what=what, source=consent.source, subject=consent.id)
        )

    def _select(self, condition: str, *values: Any) -> list[Consent]:
        names, now = _COLUMNS.split(", "), clock.stamp()
        rows = self._register.rows(f"select {_COLUMNS} from consents {condition}", *values)
        found = [_consent(dict(zip(names, row, strict=True))) for row in rows]
        return [
            _expired(each) if each.state in (_OPEN, _GRANTED) and each.expires_at <= now else each for each in found
        ]


def _consent(row: dict[str, Any]) -> Consent:
    what, _, command = row.pop("what").partition("\n")
    return Consent(**row, what=what, command=command)


def _nothing(consent: str) -> NotFound:
    return NotFound(f"nothing waits under {consent!r}", hint="it may have expired or been answered")


def _expired(consent: Consent) -> Consent:
    return replace(consent, state="expired")


def _digest(who: Identity, wish: Wish) -> bytes:
    """One person's one wish: another's consent to something else, or for somebody else, does not fit."""
    return fingerprint("\0".join((who.person, wish.scope, wish.source, wish.digest)))
