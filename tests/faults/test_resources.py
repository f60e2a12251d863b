"""Full disks and folders that cannot be written: a clear error, nothing half committed, and room can be made."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from tests.faults.scripted_storage import Script, Scripted
from tests.faults.world import (
    EAGER,
    ONE,
    TWO,
    Rows,
    RowsSource,
    World,
    cheap,
    content,
    require_tidy,
    require_whole,
    room,
    rows,
    touched,
)

from holdfast.model.errors import HoldfastError, StorageError, StorageFull
from holdfast.repository.repository import Places, Repository
from holdfast.storage.local import LocalStorage
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.protection import protected
from holdfast.usecases.prune import PruneRequest, prune

__all__ = ["cheap", "room"]

def scripted(world: World, text: str) -> Script:
    script = Script(text)
    world.store = lambda: Scripted(LocalStorage(world.repo), script)
    return script


def world_of_two(room: Path) -> World:
    world = World(room / "w").create()
    world.back_up("one", ONE, "client")
    world.back_up("two", TWO, "client")
    return world


def fails_everywhere(
    world: World, kind: str, action: Callable[[World], None], verify: Callable[[World], None]
) -> None:
    """Let each write of ``action`` fail in turn, and it and all later ones, and ``verify`` each time."""
    counted = world.twin("counted")
    writes = [name for method, name in scripted_calls(counted, action) if method == "put_new"]
    assert len(writes) > 3
    for number in range(1, len(writes) + 1):
        for extent in ("", "+"):
            twin = world.twin(f"twin{number}{extent}")
            scripted(twin, f"put_new#{number}{extent}:{kind}")
            with contextlib.suppress(StorageError):
                action(twin)
            twin.store = None
            try:
                verify(twin)
            except BaseException as error:
                error.add_note(f"write {number}{extent} of {writes} failed with {kind}")
                raise


def scripted_calls(world: World, action: Callable[[World], None]) -> list[tuple[str, str]]:
    script = scripted(world, "")
    action(world)
    return script.calls


@pytest.mark.parametrize("kind", ["full", "fail", "fail-after"])
def test_a_write_that_fails_anywhere_in_a_backup_commits_nothing_half(room: Path, kind: str) -> None:
    """Full disk, passing fault, or an effect that was reported as failure: old snapshots stand, running again works."""
    world = world_of_two(room)
    three: Rows = {"t": [rows(5), rows(6)]}

    def act(twin: World) -> None:
        twin.back_up("three", three, "client")

    def verify(twin: World) -> None:
        twin.model.pop("three", None)
        require_whole(twin, maybe={"three": three})
        twin.back_up("again", three, "client")
        twin.prune()
        require_tidy(twin)
        require_whole(twin, maybe={"three": three})

    fails_everywhere(world, kind, act, verify)


@pytest.mark.parametrize("kind", ["full", "fail-after"])
def test_a_write_that_fails_anywhere_in_a_prune_loses_nothing(room: Path, kind: str) -> None:
    """What is alive stays whole, and the next prune comes to the end."""
    world = world_of_two(room)
    world.back_up("three", {"t": [touched(rows(1), 2), rows(9)]}, "client")
    world.forget("one", "two", client="client")

    def verify(twin: World) -> None:
        require_whole(twin)
        twin.prune()
        twin.prune()
        require_tidy(twin)
        require_whole(twin)

    fails_everywhere(world, kind, lambda twin: twin.prune(EAGER, "client"), verify)


def test_room_can_be_made_when_there_is_none_for_data(room: Path) -> None:
    """With no room for packs or fragments, only for records, forget and prune free whole packs."""
    world = world_of_two(room)
    world.back_up("three", {"v": [rows(30), rows(31)]}, "client")
    before = sum(stat.size for stat in world.storage().list("packs/"))
    scripted(world, "put_new@packs/*:full put_new@index/*:full")
    world.forget("one", "two", client="client")
    with world.opened("client") as repository:
        told = prune(repository, PruneRequest(policy=EAGER)).warnings
        assert told
    assert sum(stat.size for stat in world.storage().list("packs/")) < before
    world.store = None
    require_whole(world)
    world.prune()
    require_tidy(world)


def test_a_backup_does_not_begin_without_room(room: Path) -> None:
    """A store that is as good as full is told before anything is read."""
    world = world_of_two(room)
    scripted(world, "free_space:full")
    source = RowsSource({"x": [rows(8)]})
    with world.opened() as repository, pytest.raises(StorageFull) as caught:
        backup(repository, BackupRequest(sources={"app": source}))
    assert "prune" in caught.value.hint
    assert source.read == 0


@pytest.fixture
def small_disk(room: Path) -> Iterator[Path]:
    """A file system of 110 MiB of its own."""
    place = room / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=110m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("not proven: a disk that is really full: mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_disk_that_is_really_full_loses_nothing_and_can_be_cleaned(small_disk: Path) -> None:
    """Backups until no space is left: StorageFull, check is clean, forget and prune make room, and it goes on."""
    world = World(small_disk / "w").create()
    random = Random(7)

    def fill() -> None:
        for number in range(20):
            world.back_up(f"n{number}", {"t": [random.randbytes(9 << 20)]}, "client")

    with pytest.raises(StorageFull) as caught:
        fill()
    assert "prune" in caught.value.hint
    require_whole(world)
    assert len(world.model) > 2
    world.forget(*sorted(world.model)[:-1], client="client")
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:  # others fill what holdfast kept free
        while file.tell() < 40 << 20 and os.statvfs(small_disk).f_bavail * 4096 > 2 << 20:
            file.write(bytes(1 << 20))
    world.prune(None, "client")
    filler.unlink()
    world.back_up("after", {"t": [random.randbytes(9 << 20)]}, "client")
    require_whole(world)


def test_a_disk_that_is_full_to_the_last_byte_is_told_as_such(small_disk: Path) -> None:
    """Not even a record fits: the error is StorageFull, nothing changes, and reading still works."""
    world = World(small_disk / "w").create()
    world.back_up("one", ONE, "client")
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    with world.opened("client") as repository:
        with pytest.raises(StorageFull):
            prune(repository, PruneRequest())
        heard: list[object] = []
        with protected(repository, "restore", heard.append, []) as reader:
            assert content(repository, repository.snapshots()[0], reader) == ONE
        assert heard
    (small_disk / "filler").unlink()
    require_whole(world)


@pytest.mark.parametrize("what", ["a file in its place", "no permission"])
def test_cache_and_state_that_cannot_be_written_cost_time_only(room: Path, what: str) -> None:
    """Backup, restore, check and prune work without a cache folder and without a memory of the log's head."""
    world = World(room / "w").create()
    if what == "a file in its place":
        (room / "blocked").write_text("in the way")
        places = Places(cache=room / "blocked" / "cache", state=room / "blocked" / "state")
    else:
        places = Places(cache=Path("/proc/holdfast/cache"), state=Path("/proc/holdfast/state"))
    for name, data in (("one", ONE), ("two", TWO)):
        repository = Repository.open(world.storage(), "a passphrase for tests", places)
        with contextlib.closing(repository):
            assert not backup(repository, BackupRequest(sources={"app": RowsSource(data)}, name=name)).failures
            assert check(repository, CheckRequest(read_data=1)).ok
            assert content(repository, repository.snapshots()[-1]) == data
    repository = Repository.open(world.storage(), "a passphrase for tests", places)
    with contextlib.closing(repository):
        repository.forget([repository.snapshots()[0].info.id])
        prune(repository, PruneRequest(policy=EAGER))
        assert content(repository, repository.snapshots()[0]) == TWO
    require_whole(world, {"two": TWO})


def test_a_repository_that_may_only_be_read_restores_and_says_what_that_means(room: Path) -> None:
    """Writes are refused: restore works and warns; backup fails with the storage's own words."""
    world = world_of_two(room)
    scripted(world, "put_new:break delete:break")
    with world.opened() as repository:
        heard: list[object] = []
        with protected(repository, "restore", heard.append, []) as reader:
            for entry in repository.snapshots():
                assert content(repository, entry, reader) == world.model[entry.info.name or ""]
        assert "prune" in str(heard[0])
        with pytest.raises(StorageError):
            backup(repository, BackupRequest(sources={"app": RowsSource(ONE)}))
        assert check(repository, CheckRequest(read_data=1)).ok


def test_deletes_that_are_refused_are_told_and_tried_again(room: Path) -> None:
    """An object lock that refuses deletes: prune says so, everything stays consistent, a later prune frees it."""
    world = world_of_two(room)
    world.forget("one", client="client")
    scripted(world, "delete@packs/*:break")
    with world.opened() as repository:
        warnings = prune(repository, PruneRequest(policy=EAGER)).warnings
    assert any("could not be deleted" in text for text in warnings)
    world.store = None
    require_whole(world)
    world.prune()
    require_tidy(world)


def test_objects_a_lifecycle_rule_removed_are_named(room: Path) -> None:
    """A store that drops old objects by itself: check names each pack and what is lost with it."""
    world = world_of_two(room)
    for name in world.objects("packs/")[:2]:
        world.storage().delete(name)
    with world.opened() as repository:
        found = check(repository, CheckRequest())
    assert {f.where for f in found.findings} >= set()
    assert sum(finding.what == "a pack is missing" for finding in found.findings) == 2
    assert any("snapshot" in name for finding in found.findings for name in finding.affects)


def test_a_dead_delta_may_outlive_its_base(room: Path) -> None:
    """A frame nobody needs, whose base was freed before it, is no finding of ``check --read-data``."""
    world = World(room / "w").create()
    keep = {"keep": [rows(40), rows(41), rows(42)]}
    world.back_up("one", {"t": [rows(1)]}, "client")
    world.back_up("two", {"t": [touched(rows(1))], **keep}, "client")
    world.back_up("three", dict(keep), "client")
    world.forget("one", "two", client="client")
    world.prune(None, "client")
    assert len(world.objects("packs/")) >= 2
    with world.opened() as repository:
        rows_left, _ = (repository.load_index(), repository.index.merged())[1]
        assert any(row[63] & 15 == 2 for row in rows_left.rows()), "the delta is still there, as waste"
    require_whole(world)


def test_errors_of_the_store_are_holdfasts_own(room: Path) -> None:
    """Whatever listing, reading or measuring fails: the error is one a person can act on."""
    world = world_of_two(room)
    for rule in ("list#1+:break", "get#3+:break", "get@index/*:break", "list@index/:break", "stat:break"):
        scripted(world, rule)
        with contextlib.suppress(HoldfastError), world.opened() as repository:
            backup(repository, BackupRequest(sources={"app": RowsSource(ONE)}))
        world.store = None
        with world.opened() as repository:
            assert not [s for s in repository.log.state.open if rule != "get#3+:break"], rule
