"""People come in by name and password, and nobody guesses one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from holdfast.model.errors import UsageError
from holdfast.web.security import passwords
from holdfast.web.security.attempts import FREE, Attempts, counters
from holdfast.web.security.entrance import Entrance, Visitor
from holdfast.web.security.notes import Notes
from holdfast.web.security.passwords import WeakPassword
from holdfast.web.security.people import Newcomer, People
from holdfast.web.security.refusals import TooManyAttempts, WrongLogin
from holdfast.web.security.register import Register
from holdfast.web.security.sessions import Sessions, csrf_fits
from holdfast.web.security.tokens import Tokens, TokenWish

RIGHT = "correct horse battery"
HERE = Visitor("192.0.2.7", "a browser")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time: their cost is not what is tested here."""
    monkeypatch.setattr(passwords, "_LOG_N", 4)


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    made = Register(tmp_path / "security.db")
    yield made
    made.close()


@pytest.fixture
def entrance(register: Register) -> Entrance:
    return Entrance(register, Notes(register))


def newcomer(name: str = "ada", role: str = "admin", by: str = "machine:test") -> Newcomer:
    return Newcomer(name=name, password=RIGHT, role=role, vouched_by=by)


def test_a_password_is_kept_as_scrypt_makes_it() -> None:
    """The same password is kept differently each time, compares, and others do not."""
    one, other = passwords.kept(RIGHT), passwords.kept(RIGHT)
    assert one != other
    assert RIGHT not in one
    assert passwords.matches(RIGHT, one)
    assert passwords.matches(RIGHT, other)
    assert not passwords.matches(RIGHT + " ", one)
    assert not passwords.matches("x" * 100_000, one)


def test_a_password_is_the_same_however_it_was_composed() -> None:
    """An accent typed on another keyboard is the same accent."""
    assert passwords.matches("cafe\u0301 au lait, bitte", passwords.kept("caf\u00e9 au lait, bitte"))


def test_the_kept_cost_is_what_is_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt with 2^15, 8, 3: 32 MiB for each guess."""
    monkeypatch.undo()
    assert passwords.kept(RIGHT).startswith("scrypt$15$8$3$")


@pytest.mark.parametrize(
    "password", ["", "short", "aaaaaaaaaaaaaaaa", "x" * 1025, "Maximilian1234", "passpasspasspass"]
)
def test_a_password_that_would_be_guessed_is_refused(register: Register, password: str) -> None:
    """Too short, one letter, or the name with a number."""
    with pytest.raises(WeakPassword):
        People(register).add(Newcomer(name="maximilian", password=password, role="admin", vouched_by="x"))


def test_no_file_holds_a_password_or_a_cookie(entrance: Entrance, register: Register) -> None:
    """What lies in the state folder opens no session."""
    entrance.people.add(newcomer())
    opened = entrance.log_in("ada", RIGHT, HERE)
    for path in register.path.parent.iterdir():
        data = path.read_bytes()
        for secret in (RIGHT, opened.secret, opened.csrf):
            assert secret.encode() not in data
    assert opened.secret not in repr(opened)


def test_the_setup_token_makes_one_admin_once(entrance: Entrance) -> None:
    """The first account comes from the log of the server; the second does not."""
    token = entrance.setup_token()
    assert token is not None
    with pytest.raises(WrongLogin):
        entrance.set_up(token[:-1], "ada", RIGHT, HERE)
    with pytest.raises(WeakPassword):
        entrance.set_up(token, "ada", "short", HERE)
    entrance.set_up(token, "ada", RIGHT, HERE)
    person = entrance.people.get("ada")
    assert person is not None
    assert person.role == "admin"
    with pytest.raises(WrongLogin):
        entrance.set_up(token, "eve", RIGHT, HERE)
    assert entrance.setup_token() is None


def test_without_a_setup_token_nobody_sets_up(entrance: Entrance) -> None:
    """A server that printed none takes none, not even an empty one."""
    for token in ("", "x"):
        with pytest.raises(WrongLogin):
            entrance.set_up(token, "ada", RIGHT, HERE)
    assert entrance.empty


def test_a_wrong_login_does_not_tell_what_was_wrong(entrance: Entrance) -> None:
    """An unknown name and a wrong password are answered alike."""
    entrance.people.add(newcomer())
    told = []
    for name, password in (("ada", "wrong wrong wrong"), ("bob", RIGHT)):
        with pytest.raises(WrongLogin) as caught:
            entrance.log_in(name, password, HERE)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_wrong_passwords_make_the_next_one_wait_longer_each_time(entrance: Entrance) -> None:
    """After a few, each costs twice the wait of the one before; the right one is not even looked at meanwhile."""
    entrance.people.add(newcomer())
    waits = []
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        while len(waits) < 5:
            try:
                entrance.log_in("ada", "wrong wrong wrong", HERE)
            except TooManyAttempts as error:
                waits.append(error.seconds)
                with pytest.raises(TooManyAttempts):
                    entrance.log_in("ada", RIGHT, HERE)
                clock.shift(error.seconds)
            except WrongLogin:
                continue
        assert waits == [2, 4, 8, 16, 32]
        clock.shift(3600)
        entrance.log_in("ada", RIGHT, HERE)


def test_one_address_that_tries_many_names_waits(entrance: Entrance) -> None:
    """Names that nobody has count for the address, and so does an IPv6 network as a whole."""
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False):
        for number in range(FREE):
            with pytest.raises(WrongLogin):
                entrance.log_in(f"name{number}", RIGHT, Visitor(f"2001:db8::{number}"))
        with pytest.raises(TooManyAttempts):
            entrance.log_in("another", RIGHT, Visitor("2001:db8::ffff"))
        with pytest.raises(WrongLogin):
            entrance.log_in("another", RIGHT, Visitor("2001:db9::1"))


def test_a_good_account_does_not_wash_an_address(entrance: Entrance) -> None:
    """Logging in between guesses does not take the address's wrong ones back."""
    entrance.people.add(newcomer())
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False):
        for number in range(FREE):
            entrance.log_in("ada", RIGHT, HERE)
            with pytest.raises(WrongLogin):
                entrance.log_in(f"name{number}", RIGHT, HERE)
        with pytest.raises(TooManyAttempts):
            entrance.log_in("ada", RIGHT, HERE)


def test_an_account_is_never_locked_for_long(entrance: Entrance) -> None:
    """Whoever guesses at somebody's account from everywhere keeps them out for five minutes at most."""
    attempts = Attempts(entrance.people._register)
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        for number in range(40):
            attempts.begin(counters("ada", f"198.51.100.{number}"))
            clock.shift(301)


def test_a_session_ends_when_idle_and_when_old(entrance: Entrance) -> None:
    """Twelve hours without anybody, seven days in any case; a page that looks again by itself is nobody."""
    sessions = entrance.sessions
    with time_machine.travel("2026-11-21T12:00:00Z", tick=False) as clock:
        idle = sessions.open("ada", "", "")
        for _ in range(11):
            clock.shift(3600)
            assert sessions.of(idle.secret, acting=False) is not None
        clock.shift(3601)
        assert sessions.of(idle.secret, acting=False) is None
        busy = sessions.open("ada", "", "")
        for _ in range(24 * 7 - 1):
            clock.shift(3600)
            assert sessions.of(busy.secret, acting=True) is not None
        clock.shift(3600)
        assert sessions.of(busy.secret, acting=True) is None


def test_a_session_can_be_taken_away(entrance: Entrance) -> None:
    """By its owner, not by another."""
    mine = entrance.sessions.open("ada", "", "")
    assert not entrance.sessions.close(mine.session.id, "bob")
    assert entrance.sessions.of(mine.secret, acting=True) is not None
    assert entrance.sessions.close(mine.session.id, "ada")
    assert entrance.sessions.of(mine.secret, acting=True) is None


def test_a_new_password_ends_every_session(entrance: Entrance) -> None:
    """Whoever had the old one is out."""
    entrance.people.add(newcomer())
    opened = entrance.log_in("ada", RIGHT, HERE)
    entrance.people.set_password("ada", "another horse entirely", by="machine:test")
    assert entrance.sessions.of(opened.secret, acting=True) is None
    with pytest.raises(WrongLogin):
        entrance.log_in("ada", RIGHT, HERE)


def test_who_leaves_takes_sessions_and_tokens_along(entrance: Entrance, register: Register) -> None:
    """After an account was removed nothing of it opens anything."""
    entrance.people.add(newcomer())
    entrance.people.add(newcomer("bob", "operator"))
    opened = entrance.log_in("bob", RIGHT, HERE)
    made = Tokens(register).add(TokenWish(name="ci", scopes=("status:read",), owner="bob"))
    assert entrance.people.remove("bob") == ["ci"]
    assert entrance.sessions.of(opened.secret, acting=True) is None
    assert Tokens(register).of(made.secret) is None


def test_the_last_admin_stays(entrance: Entrance) -> None:
    """Somebody must be left who may do everything."""
    entrance.people.add(newcomer())
    entrance.people.add(newcomer("bob", "operator"))
    with pytest.raises(UsageError):
        entrance.people.remove("ada")
    with pytest.raises(UsageError):
        entrance.people.change("ada", "viewer", ())
    with pytest.raises(UsageError):
        entrance.people.change("ada", "admin", ("shop",))


def test_a_form_fits_its_session_only(register: Register) -> None:
    """What one session's forms carry is nothing to another."""
    sessions = Sessions(register)
    one, other = sessions.open("ada", "", ""), sessions.open("ada", "", "")
    assert csrf_fits(one.secret, one.csrf)
    assert not csrf_fits(one.secret, other.csrf)
    assert not csrf_fits(one.secret, "")
    assert not csrf_fits(one.secret, "\udcff")
