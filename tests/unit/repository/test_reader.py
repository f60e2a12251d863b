"""Chunks on their way out: every copy is tried, nothing is believed, damage is named."""

from __future__ import annotations

import pytest
from tests.faults.scripted_storage import Scripted
from tests.unit.repository.opened import cheap, memory, repository, room, rows, touched, world

from holdfast.chunking import codec
from holdfast.model.errors import Damaged
from holdfast.repository import reader as reader_module
from holdfast.repository import writer as writer_module
from holdfast.repository.layout import pack_path
from holdfast.repository.pack import DATA
from holdfast.repository.reader import ChunkReader
from holdfast.repository.repository import Repository
from holdfast.storage.base import Traits
from holdfast.storage.memory import MemoryStorage

__all__ = ["cheap", "memory", "repository", "room", "world"]

PLAIN = rows(1, 20_000)


def damage(memory: MemoryStorage, name: str, at: int) -> None:
    data = bytearray(memory.get(name))
    data[at] ^= 1
    memory.delete(name)
    memory.put_new(name, data)


def with_two_copies(repository: Repository) -> bytes:
    with repository.begin("backup") as session:
        chunk = session.put_data(PLAIN)
        session.flush()
    with repository.begin("prune") as session:
        session.copy(DATA, PLAIN, None)
        session.flush()
    assert len(repository.index.locations(chunk)) == 2
    return chunk


def test_a_damaged_copy_is_passed_over_for_a_good_one(repository: Repository, memory: MemoryStorage) -> None:
    """One copy damaged, then its pack gone: the other one serves. Both damaged: Damaged names a pack."""
    chunk = with_two_copies(repository)
    one, two = repository.index.locations(chunk)
    damage(memory, pack_path(one.pack), one.offset + 60)
    assert repository.reader().read(chunk) == PLAIN
    memory.delete(pack_path(one.pack))
    assert repository.reader().read(chunk) == PLAIN
    damage(memory, pack_path(two.pack), two.offset + 60)
    with pytest.raises(Damaged) as caught:
        repository.reader().read(chunk)
    assert caught.value.where in {pack_path(one.pack), pack_path(two.pack)}


def test_a_missing_pack_is_damage(repository: Repository, memory: MemoryStorage) -> None:
    """Not a failure of the store: the repository is damaged, and which pack is missing is told."""
    with repository.begin("backup") as session:
        chunk = session.put_data(PLAIN)
        session.flush()
    for stat in list(memory.list("packs/")):
        memory.delete(stat.name)
    with pytest.raises(Damaged, match="a pack is missing"):
        repository.reader().read(chunk)


@pytest.mark.parametrize("local", [True, False])
def test_wrong_bytes_given_once_are_read_again(
    repository: Repository, memory: MemoryStorage, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    """A flipped bit on the wire, of header or frame, costs a second read; also where reads are kept in windows."""
    with repository.begin("backup") as session:
        base = session.put_data(PLAIN)
        session.flush()
        chunk = session.put_data(touched(PLAIN), base)
        session.flush()
    for nth in range(1, 6):
        store = Scripted(memory, f"get@packs/*#{nth}:flip=90")
        monkeypatch.setattr(Scripted, "traits", property(lambda _self: Traits(local=local)))
        vault = repository.vault
        twin = type(vault)(store, vault.keyring, vault.sealer, vault.log, vault.index, vault.trail)
        reader = ChunkReader(twin, frozenset())
        assert reader.read(chunk) == touched(PLAIN)
        assert reader.read(base) == PLAIN


def test_bytes_that_do_not_hash_to_their_id_are_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer with broken memory sealed other bytes under an id: authentic, and still not believed."""
    encode = codec.encode
    monkeypatch.setattr(writer_module, "verify_pack", lambda *_arguments: [])
    monkeypatch.setattr(codec, "encode", lambda data: encode(bytes([data[0] ^ 1]) + bytes(data[1:])))
    with repository.begin("backup") as session:
        chunk = session.put_data(PLAIN)
        session.flush()
    with pytest.raises(Damaged, match="does not match its id"):
        repository.reader().read(chunk)


def test_what_is_held_is_bounded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain chunks that were read are kept only up to a bound."""
    monkeypatch.setattr(reader_module, "_PLAIN_HELD", 60_000)
    with repository.begin("backup") as session:
        chunks = [session.put_data(rows(n, 20_000)) for n in range(8)]
        session.flush()
        for chunk in chunks:
            session.reader.read(chunk)
        assert session.reader._plain_size <= 60_000
        assert sum(map(len, session.reader._plain.values())) == session.reader._plain_size
