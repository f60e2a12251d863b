"""Check believes what lies in storage, not what this client remembers of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.world import World, cheap, content, room, rows  # noqa: F401

from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.check import CheckRequest, check


@pytest.fixture
def memory() -> MemoryStorage:
    return MemoryStorage("checked")


@pytest.fixture
def world(room: Path, cheap: None, memory: MemoryStorage) -> World:  # noqa: F811
    world = World(room)
    world.store = lambda: memory
    return world.create()


def damage(memory: MemoryStorage, name: str, at: int) -> None:
    data = bytearray(memory.get(name))
    data[at] ^= 1
    memory.delete(name)
    memory.put_new(name, bytes(data))


@pytest.mark.parametrize("lost", [True, False])
def test_a_warm_cache_hides_no_damage_of_the_index(world: World, memory: MemoryStorage, lost: bool) -> None:
    """The client that wrote the fragment finds it damaged or gone as a new client would, and can repair it."""
    world.back_up("one", {"t": [rows(1)]}, "client")
    (fragment,) = world.objects("index/")
    if lost:
        memory.delete(fragment)
    else:
        damage(memory, fragment, 200)
    with world.opened("client") as repository:
        assert content(repository, repository.snapshots()[0]) == world.model["one"]
        assert not check(repository, CheckRequest()).ok
        assert check(repository, CheckRequest(repair_index=True)).repaired
        assert not [f for f in check(repository, CheckRequest(read_data=1)).findings if "chunk" in f.where]


def test_lost_data_is_told_with_what_heals_it(world: World, memory: MemoryStorage) -> None:
    """Doing as the hint says makes the repository whole while the source still has the data."""
    world.back_up("one", {"t": [rows(1)]})
    for name in world.objects("packs/"):
        memory.delete(name)
    with world.opened() as repository:
        (missing, *_) = (f for f in check(repository, CheckRequest()).findings if f.what == "a pack is missing")
        assert "check --read-data --repair-index, then holdfast backup" in missing.hint
        check(repository, CheckRequest(read_data=1, repair_index=True))
    world.back_up("two", {"t": [rows(1)]})
    with world.opened() as repository:
        assert content(repository, repository.snapshots()[-1]) == world.model["two"]


def test_a_missing_pack_that_nothing_needs_is_no_loss(world: World, memory: MemoryStorage) -> None:
    """The hint says so, and doing as it says leaves nothing to find."""
    world.back_up("one", {"t": [rows(1)]})
    first = world.objects("packs/")
    world.back_up("two", {"u": [rows(2)]})
    world.forget("one")
    for name in first:
        memory.delete(name)
    with world.opened() as repository:
        found = [f for f in check(repository, CheckRequest()).findings if f.what == "a pack is missing"]
        assert found
        assert all("no living snapshot needs it: holdfast check --repair-index" in each.hint for each in found)
    with world.opened() as repository:
        check(repository, CheckRequest(repair_index=True))
        assert check(repository, CheckRequest()).ok
