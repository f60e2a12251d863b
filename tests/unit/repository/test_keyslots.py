"""Key slots: what is missing is named as missing, what is for later versions is passed over."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import PASSPHRASE, World, rows
from tests.unit.repository.opened import cheap, memory, repository, room, world

from holdfast.model.errors import Damaged, StorageFull, WrongKey
from holdfast.model.ids import new_id
from holdfast.repository.layout import key_path
from holdfast.repository.repository import Places, Repository
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.forget import ForgetPlan, forget

__all__ = ["cheap", "memory", "repository", "room", "world"]


def kinds(memory: MemoryStorage) -> dict[str, str]:
    """Name of each slot object by its kind."""
    return {msgspec.msgpack.decode(memory.get(s.name)[:-8])["kind"]: s.name for s in list(memory.list("keys/"))}


def opened(memory: MemoryStorage, room: Path, secret: str) -> Repository:
    """As a client that never saw it."""
    return Repository.open(memory, secret, Places(cache=room / "c2", state=room / "s2"))


def test_a_lost_passphrase_slot_is_not_called_a_wrong_passphrase(
    world: World, memory: MemoryStorage, room: Path
) -> None:
    """The right passphrase hears that no slot is there for one, and that the recovery key opens; which it does."""
    memory.delete(kinds(memory)["passphrase"])
    with pytest.raises(WrongKey, match="no passphrase can open") as caught:
        opened(memory, room, PASSPHRASE)
    assert "recovery key" in caught.value.hint
    opened(memory, room, world.recovery_key).close()


def test_a_lost_log_is_not_called_an_interrupted_init(world: World, memory: MemoryStorage, room: Path) -> None:
    """With data there the log is gone; with nothing there init may be run again."""
    world.back_up("s", {"t": [rows(1)]})
    for stat in list(memory.list("log/")):
        memory.delete(stat.name)
    with pytest.raises(Damaged, match="although its data is there") as caught:
        opened(memory, room, PASSPHRASE)
    assert "init" not in caught.value.hint
    for prefix in ("packs/", "index/"):
        for stat in list(memory.list(prefix)):
            memory.delete(stat.name)
    with pytest.raises(Damaged, match="did not come to an end") as caught:
        opened(memory, room, PASSPHRASE)
    assert "holdfast init" in caught.value.hint


def test_a_slot_of_a_kind_of_later_versions_harms_nobody(world: World, memory: MemoryStorage, room: Path) -> None:
    """It is whole, opens nothing here, and is no finding."""
    body = msgspec.msgpack.encode({"version": 1, "kind": "kms", "id": new_id(), "key": "arn"})
    name = key_path(msgspec.msgpack.decode(body)["id"])
    memory.put_new(name, body + hashlib.sha256(body).digest()[:8])
    with pytest.raises(WrongKey) as caught:
        opened(memory, room, "not this one")
    assert "newer holdfast" in caught.value.why
    with world.opened() as repository:
        assert check(repository, CheckRequest(read_data=1)).ok


def test_forget_on_a_full_store_is_not_sent_to_prune(repository: Repository, memory: MemoryStorage) -> None:
    """Prune frees what was forgotten, so it comes after; nothing was forgotten yet."""

    class Full(Scripted):
        def put_new(self, name: str, data: bytes | memoryview) -> None:
            raise StorageFull("cannot write: no space left", where=name, hint="`holdfast prune` frees")

    repository.log._storage = Full(memory, "")
    with pytest.raises(StorageFull) as caught:
        forget(repository, ForgetPlan(drop=(), last_good=()))
    assert "then prune" in caught.value.hint
