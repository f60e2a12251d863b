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
