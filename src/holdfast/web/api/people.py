"""/api/people and /api/sessions: who has an account, who is logged in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from holdfast.web.api.documents import Document
from holdfast.web.api.keeping import GateOf, acted
from holdfast.web.api.routes import Body, Name, StatusReader
from holdfast.web.api.tokens import KeyKeeper
from holdfast.web.security import sight
from holdfast.web.security.identity import Identity
from holdfast.web.security.people import ROLES, Newcomer, Person, checked_role
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.rights import may_hand_on, within
from holdfast.web.security.sessions import Session

# no Once here: bodies hold passwords
router = APIRouter(prefix="/api", tags=["people"])

Password = Annotated[str, Field(max_length=1024)]
Sources = Annotated[list[Name], Field(max_length=500)]


class PersonDocument(Document):
    """``sources`` empty: all. ``vouched_by``: who made the account, or last set its password for them."""

    name: str
    role: str
    sources: list[str]
    made_at: str
    vouched_by: str
    password_at: str


class PeopleDocument(Document):
    """By name."""

    people: list[PersonDocument]


class SessionDocument(Document):
    """Somebody's open session; ``current``: the one that asks."""

    id: str
    person: str
    opened_at: str
    seen_at: str
    ends_at: str
    address: str
    agent: str
    current: bool


class SessionsDocument(Document):
    """Newest first."""

    sessions: list[SessionDocument]


class NewPerson(Body):
    """``role`` viewer, operator or admin."""

    name: Name
    password: Password
    role: Name
    sources: Sources = Field(default_factory=list)


class ChangeBody(Body):
    """What stays null stays as it is."""

    role: Name | None = None
    sources: Sources | None = None
    password: Password | None = None


@router.get("/people")
def people(who: KeyKeeper, gate: GateOf) -> PeopleDocument:
    """Every account of one's sources."""
    return _people(gate, who)


@router.post("/people", status_code=201)
def add(body: NewPerson, who: KeyKeeper, gate: GateOf) -> PersonDocument:
    """Make an account, with no right that the one who makes it has not."""
    within(who, ROLES[checked_role(body.role)], frozenset(body.sources))
    newcomer = Newcomer(
        name=body.name, password=body.password, role=body.role, sources=body.sources, vouched_by=who.person
    )  # fmt: skip
    person = gate.people.add(newcomer)
    acted(gate, who, "config:account-add", f"made the account {person.name}, {person.role}", person.name)
    return person_document(person)


@router.patch("/people/{name}")
def change(name: Name, body: ChangeBody, who: KeyKeeper, gate: GateOf) -> PersonDocument:
    """Another role, other sources, another password: nobody's who has rights that the one who changes has not."""
    person = _named(gate, name, who)
    role, sources = body.role or person.role, person.sources if body.sources is None else frozenset(body.sources)
    within(who, person.scopes, person.sources)
    within(who, ROLES[checked_role(role)], sources)
    if (role, sources) != (person.role, person.sources):
        gate.people.change(name, role, sources)
        acted(gate, who, "config:account-change", f"{name} is {role} now", name)
    if body.password is not None:
        gate.people.set_password(name, body.password, by=who.person)
        acted(gate, who, "config:account-password", f"set a new password for {name}", name)
    return person_document(gate.people.known(name))


@router.delete("/people/{name}")
def remove(name: Name, who: KeyKeeper, gate: GateOf) -> PeopleDocument:
    """End an account, its sessions and its tokens. Answers with who is left."""
    person = _named(gate, name, who)
    within(who, person.scopes, person.sources)
    revoked = gate.people.remove(name)
    told = f", and its tokens {', '.join(revoked)}" if revoked else ""
    acted(gate, who, "config:account-remove", f"removed the account {name}{told}", name)
    return _people(gate, who)


@router.get("/sessions")
def sessions(who: StatusReader, gate: GateOf) -> SessionsDocument:
    """One's own sessions; with the scope keys those of everybody who has no right beyond one's own."""
    return _sessions(gate, who)


@router.delete("/sessions/{session}")
def end(session: Name, who: StatusReader, gate: GateOf) -> SessionsDocument:
    """End one's own session, or with the scope keys a session GET /api/sessions tells. Answers with those left."""
    found = next((each for each in _theirs(gate, who) if each.id == session), None)
    if found is None:
        raise NotFound(f"there is no session {session!r}", hint="GET /api/sessions")
    if found.person != who.name:
        who.require("keys")
    gate.sessions.close(session)
    acted(gate, who, "config:session-end", "ended a session", session)
    return _sessions(gate, who)


def _sessions(gate: GateOf, who: Identity) -> SessionsDocument:
    return SessionsDocument(sessions=[_session(each, who.id) for each in _theirs(gate, who)])


def _theirs(gate: GateOf, who: Identity) -> list[Session]:
    """One's own, and those one may end."""
    if not who.may("keys"):
        return gate.sessions.all(who.name)
    reached = {each.name for each in gate.people.all() if may_hand_on(who, each.scopes, each.sources)}
    return [each for each in gate.sessions.all() if each.person in {who.name, *reached}]


def _people(gate: GateOf, who: Identity) -> PeopleDocument:
    found = [each for each in gate.people.all() if sight.within_sources(who, each.sources)]
    return PeopleDocument(people=[person_document(each) for each in found])


def person_document(person: Person) -> PersonDocument:
    """An account as JSON tells it."""
    return PersonDocument(
        name=person.name, role=person.role, sources=sorted(person.sources), made_at=person.made_at,
        vouched_by=person.vouched_by, password_at=person.password_at,
    )  # fmt: skip


def _session(each: Session, current: str) -> SessionDocument:
    return SessionDocument(
        id=each.id, person=each.person, opened_at=each.opened_at, seen_at=each.seen_at, ends_at=each.ends_at,
        address=each.address, agent=each.agent, current=each.id == current,
    )  # fmt: skip


def _named(gate: GateOf, name: str, who: Identity) -> Person:
    person = gate.people.get(name)
    if person is None or not sight.within_sources(who, person.sources):
        raise NotFound(f"there is no account {name!r}", hint="GET /api/people")
    return person
