"""Stores that list wrongly, and strangers' objects between ours: nothing is lost, and the rest goes on."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import (
    EAGER,
    ONE,
    TWO,
    RowsSource,
    World,
    cheap,
    content,
    require_tidy,
    require_whole,
    room,
    rows,
)

from holdfast.model.errors import Damaged, HoldfastError
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.prune import PruneRequest, prune

__all__ = ["cheap", "room"]

def made(room: Path) -> tuple[World, MemoryStorage]:
    memory = MemoryStorage("odd")
    world = World(room / "w")
    world.store = lambda: memory
    world.create()
    world.back_up("one", ONE, "client")
    world.back_up("two", TWO, "client")
    world.back_up("three", {"v": [rows(5)]}, "client")
    return world, memory


@pytest.mark.parametrize("prefix", ["packs/", "index/", "log/", "keys/", "heartbeat/"])
@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_listing_that_leaves_objects_out_loses_nothing(room: Path, prefix: str, kept: int) -> None:
    """Backup, prune, check and repair under a store that lists too little: refused or done, never at a loss."""
    world, memory = made(room)
    world.forget("one")
    for client in ("client", ""):
        world.store = lambda: Scripted(memory, f"list@{prefix}:truncate={kept}")
        with contextlib.suppress(HoldfastError), world.opened(client) as repository:
            for action in (
                lambda: backup(repository, BackupRequest(sources={"app": RowsSource(ONE, keep=False)}, name="x")),
                lambda: prune(repository, PruneRequest(policy=EAGER)),
                lambda: check(repository, CheckRequest(read_data=1)),
                lambda: check(repository, CheckRequest(repair_index=True)),
            ):
                with contextlib.suppress(HoldfastError):
                    action()
        world.store = lambda: memory
    with world.opened() as repository:
        check(repository, CheckRequest(repair_index=True))
    require_whole(world, maybe={"x": ONE})
    world.prune()
    world.prune()
    require_whole(world, maybe={"x": ONE})
    require_tidy(world)


def test_objects_of_strangers_do_no_harm(room: Path) -> None:
    """Junk under any of our prefixes: it opens, restores, backs up and prunes; what looks like ours is reported."""
    world, memory = made(room)
    strange = "ab" * 16
    for name in (
        "packs/junk", "packs/x/00000000", f"packs/{strange}/00000000", f"packs/{strange}/readme", "index/junk",
        "index/x/y", f"index/{strange}/00000000", "keys/junk", "log/junk", "log/7", "log/99", "log/checkpoint-junk",
        "log/checkpoint-000000000002", "heartbeat/x", "heartbeat/x/1", "other/thing", "readme.txt",
    ):  # fmt: skip
        memory.put_new(name, b"junk " * 40)
    with world.opened() as repository:
        found = check(repository, CheckRequest(read_data=1))
        assert not found.ok
        assert not [finding for finding in found.findings if finding.affects], found.findings
        for entry in repository.snapshots():
            assert content(repository, entry) == world.model[entry.info.name or ""]
    world.back_up("four", ONE)
    world.forget("one")
    world.prune()
    with world.opened() as repository:
        for entry in repository.snapshots():
            assert content(repository, entry) == world.model[entry.info.name or ""]
    assert memory.get("other/thing")


def test_junk_where_the_next_record_belongs_is_named(room: Path) -> None:
    """Writing is refused and says which object stands in the way, reading goes on; with it gone all is as before."""
    world, memory = made(room)
    with world.opened() as repository:
        name = f"log/{repository.log.state.number + 1:012d}"
        memory.put_new(name, b"junk")
        with pytest.raises(Damaged) as caught:
            repository.forget([repository.snapshots()[0].info.id])
        assert caught.value.where == name
    with world.opened() as repository:
        assert name in {finding.where for finding in check(repository, CheckRequest()).findings}
        with pytest.raises(HoldfastError):
            repository.forget([repository.snapshots()[0].info.id])
        with pytest.raises(HoldfastError):
            backup(repository, BackupRequest(sources={"app": RowsSource(ONE)}))
        for entry in repository.snapshots():
            assert content(repository, entry) == world.model[entry.info.name or ""]
    memory.delete(name)
    require_whole(world)


def test_a_copy_under_another_name_changes_nothing(room: Path) -> None:
    """A pack, a fragment or a record copied to a name that is free: not believed under that name."""
    world, memory = made(room)
    pack, fragment = world.objects("packs/")[0], world.objects("index/")[0]
    memory.put_new(pack[:-8] + "00000099", memory.get(pack))
    memory.put_new(fragment[:-8] + "00000099", memory.get(fragment))
    with world.opened() as repository:
        found = check(repository, CheckRequest(read_data=1))
        assert {finding.where for finding in found.findings} >= {fragment[:-8] + "00000099"}
        for entry in repository.snapshots():
            assert content(repository, entry) == world.model[entry.info.name or ""]
    world.prune()
    world.prune()
    with world.opened() as repository:
        for entry in repository.snapshots():
            assert content(repository, entry) == world.model[entry.info.name or ""]


def test_a_store_that_loses_an_object_it_confirmed_is_noticed(room: Path) -> None:
    """Writes that leave nothing, or an empty object, and were reported as done: the next check tells."""
    for pattern in ("packs/*", "index/*"):
        world, memory = made(room / pattern[:3])
        world.store = lambda pattern=pattern, memory=memory: Scripted(memory, f"put_new@{pattern}:empty")
        world.back_up("lost", {"w": [rows(9)]})
        world.store = lambda memory=memory: memory
        with world.opened() as repository:
            assert not check(repository, CheckRequest()).ok
            for entry in repository.snapshots():
                if entry.info.name != "lost":
                    assert content(repository, entry) == world.model[entry.info.name or ""]
