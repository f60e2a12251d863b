"""Whose session is dead: clocks of clients decide nothing, and nobody alive is declared dead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.world import World
from tests.unit.repository.opened import cheap, room

from holdfast.repository.expiry import expire_dead
from holdfast.repository.repository import Repository
from holdfast.repository.session import Session
from holdfast.storage.memory import MemoryStorage
from holdfast.system import clock

__all__ = ["cheap", "room"]


class Store:
    """A repository on a store whose clock the test moves."""

    def __init__(self, room: Path) -> None:
        self.time = 1_800_000_000.0
        memory = MemoryStorage("clock", now=lambda: self.time)
        self.world = World(room / "w")
        self.world.store = lambda: memory
        self.world.create()

    def open(self) -> Repository:
        return self.world.open()


@pytest.mark.parametrize("years", [-10, 10])
def test_a_client_whose_clock_is_wrong_expires_nobody(
    room: Path, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """A session of another machine is dead after a day by the store's clock, whatever this client's clock says."""
    store = Store(room)
    monkeypatch.setattr(clock, "host", lambda: "another machine")
    theirs = Session(store.open().vault, "backup")
    monkeypatch.undo()
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(days=365 * years))
    repository = store.open()
    assert expire_dead(repository.vault) == []
    store.time += 23 * 3600
    assert expire_dead(repository.vault) == []
    store.time += 2 * 3600
    assert expire_dead(repository.vault) == [theirs.id]
    theirs.close()


def test_a_living_process_is_never_declared_dead(room: Path) -> None:
    """However long it is silent: its process runs on this machine."""
    store = Store(room)
    repository = store.open()
    with repository.begin("backup"):
        store.time += 30 * 86_400
        assert expire_dead(store.open().vault) == []


def test_a_session_its_process_could_not_end_is_dead_at_once(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store failed when the session ended: the same process, still running, knows that nobody writes any more."""
    store = Store(room)
    repository = store.open()
    session = Session(repository.vault, "backup")
    monkeypatch.setattr(session, "_end", lambda: None)
    session.close()
    assert session.id in repository.log.state.open
    assert expire_dead(repository.vault) == [session.id]
    assert not repository.log.state.open
