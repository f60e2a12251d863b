"""Check believes what lies in storage, not what this client remembers of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.world import World, cheap, content, room, rows  # noqa: F401

from holdfast.repository.layout import pack_path
from holdfast.repository.manifest import ManifestReader
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


def test_pages_that_snapshots_share_are_examined_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six snapshots of the same tables cost one reading of their pages, and of damage every one of them is named."""
    read: list[bytes] = []
    page = ManifestReader.page
    for number in range(6):
        world.back_up(f"s{number}", {f"t{n:04d}": [b"x%d" % n] for n in range(300)}, "client")
    monkeypatch.setattr(ManifestReader, "page", lambda self, ref: read.append(ref.chunk) or page(self, ref))
    with world.opened() as repository:
        assert check(repository, CheckRequest()).ok
        assert len(read) == len(set(read))


def test_all_snapshots_that_share_a_lost_chunk_are_named(world: World, memory: MemoryStorage) -> None:
    """Damage in a pack that three snapshots use is told with all three."""
    for name in ("one", "two", "three"):
        world.back_up(name, {"t": [rows(1)]}, "client")
    with world.opened() as repository:
        entries = repository.snapshots()
        ids = [entry.info.id[:8] for entry in entries]
        (item,) = repository.manifest(entries[0]).items()
        (place,) = repository.vault.index.locations(item.segments[0].slices[0].chunk)
    damage(memory, pack_path(place.pack), place.offset + place.length // 2)
    with world.opened() as repository:
        findings = check(repository, CheckRequest(read_data=1)).findings
    affected = " ".join(name for finding in findings for name in finding.affects)
    assert all(name in affected for name in ids), findings
