"""The second person: nobody agrees to their own wish, and nothing passes that nobody agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import time_machine

from holdfast.model.audit import Act
from holdfast.web.security import passwords
from holdfast.web.security.consents import Consents, Wish
from holdfast.web.security.identity import Identity
from holdfast.web.security.notes import Notes
from holdfast.web.security.people import Newcomer, People
from holdfast.web.security.refusals import AwaitsConsent, Forbidden, NotFound, SamePerson
from holdfast.web.security.register import Register

SCOPES = frozenset({"status:read", "restore:in-place"})
WISH = Wish(scope="restore:in-place", source="shop", what="restore shop in place from 3f9c", digest="d1")


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    monkeypatch.setattr(passwords, "_LOG_N", 4)
    made = Register(tmp_path / "security.db")
    for name in ("ada", "bo"):
        person(made, name, "machine:root@host")
    yield made
    made.close()


@pytest.fixture
def consents(register: Register) -> Consents:
    return Consents(register, Notes(register), frozenset({"restore:in-place"}))


def person(register: Register, name: str, by: str) -> None:
    People(register).add(Newcomer(name=name, password="correct horse battery", role="admin", vouched_by=by))


def who(name: str, scopes: frozenset[str] = SCOPES, sources: tuple[str, ...] = ()) -> Identity:
    return Identity(name=name, kind="session", scopes=scopes, sources=frozenset(sources), principal=name)


def token_of(name: str) -> Identity:
    return Identity(name="token:ci", kind="token", scopes=SCOPES, principal=name)


def asked(consents: Consents, wish: Wish = WISH, name: str = "ada") -> str:
    with pytest.raises(AwaitsConsent) as caught:
        consents.demand(who(name), wish)
    return caught.value.consent


def test_what_needs_nobody_goes_on(register: Register) -> None:
    """Without [serve] second_person nothing waits."""
    Consents(register, Notes(register), frozenset()).demand(who("ada"), WISH)


def test_a_wish_waits_for_another_and_passes_once(consents: Consents) -> None:
    """Asked, granted, done; the next time it is asked anew."""
    first = asked(consents)
    assert asked(consents) == first
    consents.answer(who("bo"), first, grant=True)
    consents.demand(who("ada"), WISH)
    assert asked(consents) != first


@pytest.mark.parametrize("behind", ["ada", "ada by token"])
def test_nobody_agrees_to_their_own_wish(consents: Consents, behind: str) -> None:
    """Not by the same session, nor by a token that one answers for."""
    wish = asked(consents)
    with pytest.raises(SamePerson):
        consents.answer(who("ada") if behind == "ada" else token_of("ada"), wish, grant=True)
    asked(consents)


def test_an_account_one_made_is_not_another_person(consents: Consents, register: Register) -> None:
    """Neither is one whose password one set, nor the one who made one's own."""
    wish = asked(consents)
    person(register, "puppet", "ada")
    with pytest.raises(SamePerson):
        consents.answer(who("puppet"), wish, grant=True)
    People(register).set_password("bo", "another horse entirely", by="ada")
    with pytest.raises(SamePerson):
        consents.answer(who("bo"), wish, grant=True)
    theirs = asked(consents, name="puppet")
    with pytest.raises(SamePerson):
        consents.answer(who("ada"), theirs, grant=True)


def test_a_token_that_nobody_stands_behind_agrees_to_nothing(consents: Consents) -> None:
    """A consent is a person's."""
    with pytest.raises(SamePerson):
        consents.answer(token_of("machine:root@host"), asked(consents), grant=True)


def test_who_agrees_could_do_it_themselves(consents: Consents) -> None:
    """Without the scope, for this source, nobody agrees."""
    wish = asked(consents)
    for other in (who("bo", frozenset({"status:read"})), who("bo", sources=("media",))):
        with pytest.raises(Forbidden):
            consents.answer(other, wish, grant=True)
    asked(consents)


@pytest.mark.parametrize(
    "other",
    [
        Wish(scope="restore:in-place", source="shop", what=WISH.what, digest="d2"),
        Wish(scope="restore:in-place", source="media", what=WISH.what, digest="d1"),
    ],
)
def test_a_consent_fits_what_was_agreed_to(consents: Consents, other: Wish) -> None:
    """Another plan, another source or another person's same wish is asked anew."""
    consents.answer(who("bo"), asked(consents), grant=True)
    asked(consents, other)
    asked(consents, WISH, "bo")


def test_a_wish_and_a_consent_expire(consents: Consents) -> None:
    """After a day nobody can agree any more, and what was agreed to is over."""
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        wish = asked(consents)
        clock.shift(86_400)
        with pytest.raises(NotFound):
            consents.answer(who("bo"), wish, grant=True)
        fresh = asked(consents)
        assert fresh != wish
        consents.answer(who("bo"), fresh, grant=True)
        clock.shift(86_400)
        asked(consents)


def test_what_was_denied_stays_denied(consents: Consents) -> None:
    """A denied wish does not pass; asking again is another wish."""
    wish = asked(consents)
    consents.answer(who("bo"), wish, grant=False)
    with pytest.raises(NotFound):
        consents.answer(who("bo"), wish, grant=True)
    assert asked(consents) != wish


def test_every_step_is_noted(consents: Consents, register: Register) -> None:
    """Asking, refusing one's own, granting and using are in the trail, with who did it."""
    wish = asked(consents)
    with pytest.raises(SamePerson):
        consents.answer(who("ada"), wish, grant=True)
    consents.answer(who("bo"), wish, grant=True)
    consents.demand(who("ada"), WISH)
    acts = [msgspec.json.decode(row[0], type=Act) for row in register.rows("select document from acts order by number")]
    assert [(act.deed, act.who, act.outcome) for act in acts] == [
        ("consent:ask", "ada", "ok"),
        ("consent:grant", "ada", "refused"),
        ("consent:grant", "bo", "ok"),
        ("consent:use", "ada", "ok"),
    ]
    assert {act.subject for act in acts if act.outcome == "ok"} == {wish}
