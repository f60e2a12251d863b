"""Chunks on their way into packs: known ones are skipped, deltas must gain, and memory that lies is caught."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from tests.unit.repository.opened import cheap, memory, repository, room, rows, touched, world

from holdfast.chunking import codec
from holdfast.model.errors import Damaged, StorageFull
from holdfast.repository import index as index_module
from holdfast.repository import writer as writer_module
from holdfast.repository.pack import DATA, PackBuilder
from holdfast.repository.reader import chunk_id
from holdfast.repository.repository import Repository
from holdfast.storage.memory import MemoryStorage

__all__ = ["cheap", "memory", "repository", "room", "world"]

PLAIN = rows(1, 20_000)


def packs(memory: MemoryStorage) -> list[str]:
    return [stat.name for stat in memory.list("packs/")]


def store_one(repository: Repository) -> None:
    with repository.begin("backup") as session:
        session.put_data(PLAIN)
        session.flush()


def flip_after_sealing(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = PackBuilder.finish

    def flipped(self: PackBuilder) -> object:
        data, entries = finish(self)
        data[len(data) // 2] ^= 1
        return data, entries

    monkeypatch.setattr(PackBuilder, "finish", flipped)


def flip_before_compressing(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = codec.encode
    monkeypatch.setattr(codec, "encode", lambda data: encode(bytes([data[0] ^ 1]) + bytes(data[1:])))


def flip_after_compressing(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = codec.encode

    def flipped(data: bytes) -> tuple[int, bytes]:
        how, payload = encode(data)
        changed = bytearray(payload)
        changed[len(changed) // 2] ^= 1
        return how, bytes(changed)

    monkeypatch.setattr(codec, "encode", flipped)


@pytest.mark.parametrize("fault", [flip_after_sealing, flip_before_compressing, flip_after_compressing])
def test_a_bit_that_flips_in_memory_never_leaves_the_machine(
    repository: Repository, memory: MemoryStorage, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., None]
) -> None:
    """After hashing, after compressing or after sealing: the pack is refused before it is uploaded."""
    fault(monkeypatch)
    with pytest.raises(Damaged):
        store_one(repository)
    assert packs(memory) == []


def test_a_known_chunk_is_not_stored_again(repository: Repository) -> None:
    """Within a session, from several threads at once, and in a later session."""
    with repository.begin("backup") as session, ThreadPoolExecutor(4) as threads:
        ids = set(threads.map(lambda _n: session.put_data(PLAIN), range(20)))
        session.flush()
        assert len(ids) == 1
        assert session.bytes_new == len(PLAIN)
    with repository.begin("backup") as session:
        session.put_data(PLAIN)
        assert session.bytes_new == 0
    assert len(repository.index.locations(ids.pop())) == 1


def test_manifests_and_data_never_share_a_chunk(repository: Repository) -> None:
    """The same bytes as data and as manifest have two ids: one can never stand in for the other."""
    with repository.begin("backup") as session:
        assert session.put_data(PLAIN) != session.put_meta(PLAIN)


def stored(repository: Repository, plain: bytes, base: bytes | None) -> tuple[bytes, int]:
    """Chunk id and codec of ``plain`` stored with this base at hand."""
    with repository.begin("backup") as session:
        chunk = session.put_data(plain, base)
        session.flush()
        assert session.reader.read(chunk) == plain
    return chunk, repository.index.locations(chunk)[0].codec


def test_a_delta_is_stored_only_where_it_gains(repository: Repository) -> None:
    """Changed rows become a delta; unrelated, tiny, or baseless bytes are stored full."""
    base, how = stored(repository, PLAIN, None)
    assert how == codec.ZSTD
    assert stored(repository, touched(PLAIN), base)[1] == codec.DELTA
    assert stored(repository, rows(2, 20_000), base)[1] == codec.ZSTD
    assert stored(repository, Random(1).randbytes(20_000), base)[1] == codec.RAW
    assert stored(repository, PLAIN[:900] + b"x", base)[1] != codec.DELTA
    assert stored(repository, touched(PLAIN, 9), b"n" * 32)[1] == codec.ZSTD


def test_a_base_shorter_than_a_prefix_can_be_is_passed_over(repository: Repository) -> None:
    """A table of one tiny row that grows: stored full, without a complaint of the compressor."""
    base, _ = stored(repository, b"7\tA\n", None)
    assert stored(repository, PLAIN, base)[1] == codec.ZSTD


def test_the_base_of_a_delta_is_never_a_delta(repository: Repository) -> None:
    """However often the same place changes, one step leads from a delta to bytes that stand alone."""
    chunk, _ = stored(repository, PLAIN, None)
    for number in range(5):
        chunk, how = stored(repository, touched(PLAIN, number), chunk)
        assert how == codec.DELTA
        place = repository.index.locations(chunk)[0]
        assert repository.index.locations(repository.index.base(place))[0].codec == codec.ZSTD


def test_what_was_uploaded_without_a_fragment_is_not_known_afterwards(
    repository: Repository, memory: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fragment that could not be written: this client forgets its packs too, as others never knew them."""
    seal = repository.sealer.seal

    def refuse(purpose: str, name: str, payload: bytes) -> bytes:
        if purpose == "index":
            raise StorageFull("no room for the fragment")
        return seal(purpose, name, payload)

    monkeypatch.setattr(repository.sealer, "seal", refuse)
    with pytest.raises(StorageFull):
        store_one(repository)
    monkeypatch.setattr(repository.sealer, "seal", seal)
    assert packs(memory)
    chunk = chunk_id(repository.keyring, DATA, PLAIN)
    with repository.begin("backup") as session:
        assert not session.reader.has(chunk)
        session.put_data(PLAIN)
        session.flush()
    assert any(memory.list("index/"))


def test_the_first_failure_is_told_and_ends_the_session(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an uploader thread met is raised by the next call, whichever thread makes it."""
    with repository.begin("backup") as session:
        monkeypatch.setattr(session._writer, "_check_room", lambda _need: (_ for _ in ()).throw(StorageFull("full")))
        session.put_data(PLAIN)
        with pytest.raises(StorageFull):
            session.flush()
        with pytest.raises(StorageFull):
            session.put_data(rows(3))


def test_a_long_session_keeps_little_in_memory(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go to fragments and to the cache on the way: what is held does not grow with what was stored."""
    monkeypatch.setattr(writer_module, "FRAGMENT_ROWS", 200)
    monkeypatch.setattr(index_module, "_FLUSH_ROWS", 200)
    with repository.begin("backup") as session:
        monkeypatch.setattr(session._writer, "_target", 20_000)
        for number in range(3_000):
            session.put_data(b"row %d\n" % number * 3)
        writer, index = session._writer, repository.index
        assert len(writer._ready.rows) < 500
        assert len(writer._claimed) < 500
        assert len(index._fresh) < 500
        assert len(index._rows) < 10
        session.flush()
        assert all(index.has(session.put_data(b"row %d\n" % number * 3), ()) for number in range(0, 3_000, 500))
        assert session.bytes_new == sum(len(b"row %d\n" % number * 3) for number in range(3_000))
