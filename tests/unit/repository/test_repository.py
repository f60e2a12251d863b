"""The facade: opening, what a client remembers, and what is refused in words."""

from __future__ import annotations

import contextlib
import json
import os
import stat

import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import PASSPHRASE, World
from tests.unit.repository.opened import cheap, memory, repository, room, rows, world

from holdfast.model.errors import (
    Damaged,
    HoldfastError,
    RepositoryMissing,
    UsageError,
    WrongKey,
)
from holdfast.repository.repository import Repository
from holdfast.storage.memory import MemoryStorage

__all__ = ["cheap", "memory", "repository", "room", "world"]


def test_an_empty_place_is_no_repository_and_one_without_its_name_is_a_damaged_one(world: World) -> None:
    """Nothing there: RepositoryMissing with what to do. Keys without holdfast.json: Damaged, not "run init"."""
    with pytest.raises(RepositoryMissing, match="no repository"):
        Repository.open(MemoryStorage("empty"), PASSPHRASE, world.places())
    world.storage().delete("holdfast.json")
    with pytest.raises(Damaged, match="missing"):
        world.open()
    with pytest.raises(UsageError):
        Repository.create(world.storage(), PASSPHRASE, world.places())
    assert "holdfast.json" not in world.objects()


def test_a_second_init_changes_nothing(world: World) -> None:
    """UsageError; names and bytes are what they were."""
    before = world.objects()
    with pytest.raises(UsageError, match="already"):
        Repository.create(world.storage(), PASSPHRASE, world.places())
    assert world.objects() == before


def test_weak_passphrases_are_refused(world: World, repository: Repository) -> None:
    """Empty and short ones, at init and for a further key; nothing is written."""
    empty = MemoryStorage("e")
    with pytest.raises(UsageError, match="short"):
        Repository.create(empty, "short", world.places())
    assert list(empty.list("")) == []
    before = world.objects()
    with pytest.raises(UsageError):
        repository.add_key("", "x")
    assert world.objects() == before


def test_the_wrong_secret_is_told_apart_from_damage(world: World, memory: MemoryStorage) -> None:
    """A wrong passphrase, a recovery key of another repository: WrongKey. The first record broken: Damaged."""
    for secret in ("not the passphrase", "HF1-not-a-key", ""):
        with pytest.raises(WrongKey) as caught:
            world.open(secret=secret)
        assert not secret or secret not in str(caught.value)
    data = memory.get("log/000000000001")
    memory.delete("log/000000000001")
    memory.put_new("log/000000000001", data[:-1])
    with pytest.raises(Damaged) as broken:
        world.open()
    assert broken.value.where == "log/000000000001"


def test_the_last_key_stays(repository: Repository) -> None:
    """Keys are removed by the start of their id until one is left; unknown and ambiguous ids are refused."""
    slots = repository.keys()
    assert {slot.kind for slot in slots} == {"passphrase", "recovery"}
    with pytest.raises(UsageError, match="several"):
        repository.remove_key("")
    with pytest.raises(UsageError, match="no key slot"):
        repository.remove_key("zz")
    first, last = slots
    repository.remove_key(first.id[:20])
    with pytest.raises(UsageError, match="last"):
        repository.remove_key(last.id)


def test_secrets_are_in_no_object_and_in_no_state(world: World, memory: MemoryStorage) -> None:
    """Neither passphrase nor recovery key nor names or contents of items show in what is stored or kept."""
    world.back_up("one", {"public.visible": [b"very visible row\n" * 50]}, "client")
    everything = b"".join(memory.get(s.name) for s in memory.list(""))
    everything += b"".join(path.read_bytes() for path in world.root.rglob("*") if path.is_file())
    for word in (PASSPHRASE, world.recovery_key, world.recovery_key[4:20], "visible"):
        assert word.encode() not in everything


@pytest.mark.parametrize("memory_of_head", [b"", b"[]", b"{}", b"null", b'{"number": "x", "hash": 5}', b"\xff\xff",
                                            b'{"number": -3, "hash": "00"}', b'{"number": 0, "hash": ""}'])  # fmt: skip
def test_an_unreadable_memory_of_the_head_is_written_anew(world: World, memory_of_head: bytes) -> None:
    """A damaged state file never locks anybody out."""
    with world.opened("client") as opened:
        path = opened._head_file()
    path.write_bytes(memory_of_head)
    with world.opened("client") as opened:
        assert json.loads(path.read_text())["number"] == opened.log.state.number


def test_the_cache_is_for_its_owner(world: World) -> None:
    """Index rows tell little, but it is nobody else's business."""
    old = os.umask(0o022)
    try:
        world.back_up("one", {"t": [rows(1)]}, "client")
    finally:
        os.umask(old)
    files = [path for path in (world.root / "client").rglob("*") if path.is_file()]
    assert files
    assert all(not stat.S_IMODE(path.stat().st_mode) & 0o022 for path in files)


def test_a_store_that_fails_while_opening_is_told_as_such(world: World, memory: MemoryStorage) -> None:
    """Whatever call fails first: a StorageError or what follows from it, never anything else."""
    for number in range(1, 12):
        for kind in ("break", "missing", "empty", "truncate"):
            world.store = lambda number=number, kind=kind: Scripted(memory, f"*#{number}:{kind}")  # type: ignore[misc]
            with contextlib.suppress(HoldfastError):
                world.open().close()


def test_another_process_of_this_client_that_was_faster_is_no_rollback(world: World) -> None:
    """It appended and remembered its head between the reading of the log here and the look at what was remembered."""
    with world.opened("client") as slow:
        with world.opened("client") as fast, fast.begin("check"):
            pass
        slow.check_head()
        assert slow.log.state.number == fast.log.state.number
