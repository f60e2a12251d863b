"""Wrong passwords make guessing slow, and lock nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from holdfast.web.security import passwords
from holdfast.web.security.entrance import Entrance, Visitor
from holdfast.web.security.identity import Identity
from holdfast.web.security.notes import Notes
from holdfast.web.security.people import Newcomer
from holdfast.web.security.refusals import TooManyAttempts, WrongLogin
from holdfast.web.security.register import Register

RIGHT = "correct horse battery"
OFFICE = Visitor("192.0.2.7")


@pytest.fixture
def entrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entrance]:
    monkeypatch.setattr(passwords, "_LOG_N", 4)
    register = Register(tmp_path / "security.db")
    made = Entrance(register, Notes(register))
    made.people.add(Newcomer(name="anna", password=RIGHT, role="admin", vouched_by="machine:test"))
    yield made
    register.close()


def _attack(entrance: Entrance, number: int) -> None:
    with pytest.raises((WrongLogin, TooManyAttempts)):
        entrance.log_in("anna", "wrong", Visitor(f"198.51.100.{number % 250}"))


def test_nobody_is_locked_out_of_where_they_came_in_from(entrance: Entrance) -> None:
    """Wrong passwords from elsewhere all day long: the person logs in from their network, and confirms in a session."""
    with time_machine.travel(datetime(2026, 11, 21, 8, tzinfo=UTC), tick=False) as clock:
        opened = entrance.log_in("anna", RIGHT, OFFICE)
        who = Identity(name="anna", kind="session", scopes=frozenset(), id=opened.session.id)
        for number in range(60):
            _attack(entrance, number)
            clock.shift(timedelta(seconds=20))
            entrance.confirm(who, RIGHT, Visitor("203.0.113.9"))
            entrance.log_in("anna", RIGHT, OFFICE)
        with pytest.raises(TooManyAttempts):
            entrance.log_in("anna", RIGHT, Visitor("203.0.113.10"))


def test_guessing_is_slow_also_from_where_they_came_in_from(entrance: Entrance) -> None:
    """The network that is known waits as any other once it guesses itself."""
    with time_machine.travel(datetime(2026, 11, 21, 8, tzinfo=UTC), tick=False):
        entrance.log_in("anna", RIGHT, OFFICE)
        tried = 0
        for _ in range(20):
            try:
                entrance.log_in("anna", "wrong", OFFICE)
            except WrongLogin:
                tried += 1
            except TooManyAttempts:
                pass
    assert tried < 6
