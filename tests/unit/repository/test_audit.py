"""The audit trail: what was noted stays, in order, and whatever is done to it shows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import ONE, PASSPHRASE, TWO, World
from tests.golden.format1.second_reader import SecondReader
from tests.unit.repository.opened import cheap, memory, repository, room, world

from holdfast.model.audit import Act
from holdfast.model.errors import RolledBack, StorageError
from holdfast.repository.audit import Entry, Trail
from holdfast.repository.audit_check import verify
from holdfast.repository.layout import audit_path
from holdfast.repository.repository import Repository
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.check import CheckRequest, check

__all__ = ["cheap", "memory", "repository", "room", "world"]


def act(number: int) -> Act:
    """A look."""
    return Act(at=f"2026-11-21T10:00:{number:02d}.000Z", deed="data:read", who="ada", via="cli", what=f"look {number}")


def noted(repository: Repository, count: int) -> None:
    """So many acts."""
    for number in range(count):
        repository.trail.append([act(number)])


def problems(repository: Repository) -> list[str]:
    """What a verification finds."""
    return [finding.what for finding in verify(repository.vault).found.findings]


def take(memory: MemoryStorage, number: int) -> bytes:
    """An entry's bytes, which are gone then."""
    data = memory.get(audit_path(number))
    memory.delete(audit_path(number))
    return data


def test_a_whole_trail_has_no_findings(repository: Repository) -> None:
    """Entries are numbered from 1, each holds the acts it was given, and follows the one before it."""
    assert verify(repository.vault).entries == 0
    assert [repository.trail.append([act(number), act(number)]) for number in range(5)] == [1, 2, 3, 4, 5]
    found = verify(repository.vault)
    assert (found.entries, found.acts, found.head, found.found.findings) == (5, 10, repository.trail.head(), [])
    assert repository.trail.read(3)[0].acts == [act(2), act(2)]


def test_nobody_reads_it_in_the_store(repository: Repository, memory: MemoryStorage) -> None:
    """It is sealed like everything else."""
    noted(repository, 1)
    assert b"ada" not in memory.get(audit_path(1)) and b"look" not in memory.get(audit_path(1))


def test_a_changed_act_is_found(repository: Repository, memory: MemoryStorage) -> None:
    """One bit of one entry, wherever it is."""
    noted(repository, 3)
    data = bytearray(take(memory, 2))
    data[len(data) // 2] ^= 1
    memory.put_new(audit_path(2), bytes(data))
    assert problems(repository) == ["an object was altered, truncated or swapped"]


def test_a_missing_act_is_found(repository: Repository, memory: MemoryStorage) -> None:
    """In the middle, at the beginning, and several at once."""
    noted(repository, 8)
    for number in (1, 4, 5):
        memory.delete(audit_path(number))
    assert problems(repository) == [
        "entry 1 of the audit trail is missing", "entries 4 to 5 of the audit trail are missing",
    ]  # fmt: skip


def test_reordered_acts_are_found(repository: Repository, memory: MemoryStorage) -> None:
    """Two that changed places."""
    noted(repository, 3)
    second, third = take(memory, 2), take(memory, 3)
    memory.put_new(audit_path(2), third)
    memory.put_new(audit_path(3), second)
    assert len(problems(repository)) == 2


def test_a_replayed_act_is_found(repository: Repository, memory: MemoryStorage) -> None:
    """An old one put at the end, and one of another history of the same repository in its place."""
    noted(repository, 3)
    first = memory.get(audit_path(1))
    memory.put_new(audit_path(4), first)
    assert problems(repository) == ["an object was altered, truncated or swapped"]
    memory.delete(audit_path(4))
    third = take(memory, 3)
    other = Trail(memory, repository.sealer, repository.log, repository.trail._memory.with_name("other"))
    other.append([act(50)])
    assert problems(repository) == ["entry 3 of the audit trail is not the one that this client knows"]
    other.append([act(51)])
    memory.delete(audit_path(3))
    memory.put_new(audit_path(3), third)
    assert problems(repository) == ["entry 4 of the audit trail does not follow the one before it"]


def test_a_foreign_object_is_found(repository: Repository, memory: MemoryStorage) -> None:
    """Nothing but entries stands among them."""
    noted(repository, 1)
    memory.put_new("audit/1", b"x")
    memory.put_new("audit/000000000002", b"no entry")
    assert problems(repository) == [
        "an object that is no entry stands in the audit trail", "an object is truncated or is not holdfast's",
    ]  # fmt: skip


def test_a_cut_tail_shows_from_the_snapshots(world: World, memory: MemoryStorage) -> None:
    """A client on a bare machine knows from the newest snapshot how far the trail went."""
    repository = world.open()
    noted(repository, 4)
    world.back_up("one", ONE)
    assert problems(repository) == []
    noted(repository, 1)
    for number in (3, 4, 5):
        memory.delete(audit_path(number))
    told = problems(world.open())
    assert len(told) == 1 and "was cut off: snapshot" in told[0] and "entry 4, the last one is 2" in told[0]


def test_a_cut_tail_shows_to_the_client_that_saw_it(repository: Repository, memory: MemoryStorage) -> None:
    """Also before any snapshot carried it; and what is noted next does not close the gap."""
    noted(repository, 4)
    for number in (3, 4):
        memory.delete(audit_path(number))
    assert problems(repository) == [
        "the end of the audit trail was cut off: this client knows entry 4, the last one is 2"
    ]
    assert repository.trail.append([act(9)]) == 5
    assert problems(repository) == ["entries 3 to 4 of the audit trail are missing"]


def test_who_has_a_key_cannot_write_it_anew_unnoticed(world: World, memory: MemoryStorage) -> None:
    """A trail forged with the keys of the repository holds together, and is not the one a snapshot carries."""
    repository = world.open()
    noted(repository, 4)
    world.back_up("one", ONE)
    previous = repository.trail.read(1)[1]
    for number in (2, 3, 4):
        memory.delete(audit_path(number))
        plain = msgspec.msgpack.encode(Entry(number=number, previous=previous, client="", acts=[act(90)]))
        memory.put_new(audit_path(number), repository.sealer.seal("audit", audit_path(number), plain))
        previous = repository.trail.read(number)[1]
    assert any("is not the one that snapshot" in told for told in problems(world.open()))


def test_many_writers_lose_nothing(world: World) -> None:
    """Each tries again with the next number; every act is there once, and the chain holds."""
    clients = [world.open() for _ in range(4)]

    def work(client: int) -> None:
        for number in range(8):
            clients[client].trail.append([act(client * 8 + number)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    found = verify(clients[0].vault)
    told = [clients[0].trail.read(number)[0].acts[0].what for number in range(1, 33)]
    assert not found.found.findings and found.entries == 32
    assert sorted(told) == sorted(f"look {number}" for number in range(32))


def test_one_object_of_many_threads_stays_in_order(repository: Repository) -> None:
    """The trail of one open repository is used by many threads of a server."""
    threads = [threading.Thread(target=noted, args=(repository, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems(repository) == [] and repository.trail.head().number == 20


def test_a_damaged_entry_stops_nobody_from_noting(world: World, memory: MemoryStorage) -> None:
    """What cannot be read is told by a verification, and the trail goes on behind it."""
    noted(world.open(), 2)
    take(memory, 2)
    memory.put_new(audit_path(2), b"rubbish")
    fresh = world.open()
    assert fresh.trail.append([act(3)]) == 3
    assert problems(fresh) == ["an object is truncated or is not holdfast's"]


def test_a_new_client_finds_the_end_among_many_in_few_steps(world: World, memory: MemoryStorage) -> None:
    """Doubling and halving, not one request for each entry."""
    repository = world.open()
    noted(repository, 70)
    store = Scripted(memory)
    trail = Trail(store, repository.sealer, repository.log, world.places().state / "new")
    assert trail.head() == repository.trail.head()
    assert len(store.script.calls) < 20


def test_noting_costs_one_request_when_nobody_else_did(world: World, memory: MemoryStorage) -> None:
    """A client that remembers the head only writes."""
    repository = world.open("ada")
    noted(repository, 3)
    again = world.open("ada")
    store = Scripted(memory)
    trail = Trail(store, again.sealer, again.log, world.places("ada").state / f"{again.id}.audit")
    trail.append([act(1)])
    assert store.script.calls == [("put_new", audit_path(4))]


def test_a_store_that_takes_nothing_is_told(world: World, memory: MemoryStorage) -> None:
    """And nothing is remembered of an entry that was never written."""
    repository = world.open()
    noted(repository, 1)
    store = Scripted(memory, "put_new@audit/*#1:break")
    trail = Trail(store, repository.sealer, repository.log, repository.trail._memory)
    with pytest.raises(StorageError):
        trail.append([act(1)])
    assert problems(repository) == [] and trail.append([act(2)]) == 2


def test_a_repository_put_back_on_purpose_starts_from_what_it_has(world: World, memory: MemoryStorage) -> None:
    """Who accepts an older copy (by deleting what this client remembers of its log) is not told of it for ever."""
    repository = world.open("ada")
    noted(repository, 2)
    old = set(world.objects())
    world.back_up("one", ONE, client="ada")
    later = world.open("ada")
    noted(later, 2)
    later.remember_head()
    for name in set(world.objects()) - old:
        memory.delete(name)
    with pytest.raises(RolledBack):
        world.open("ada")
    (world.places("ada").state / f"{repository.id}.json").unlink()
    again = world.open("ada")
    assert problems(again) == [] and again.trail.append([act(8)]) == 3


def test_prune_and_check_know_the_family(world: World, memory: MemoryStorage) -> None:
    """Prune leaves every act where it is; check verifies the trail with the rest."""
    repository = world.open()
    noted(repository, 3)
    world.back_up("one", ONE)
    world.back_up("two", TWO)
    world.forget("one")
    world.prune()
    repository.log.follow()
    assert problems(repository) == [] and verify(repository.vault).entries == 3
    assert check(repository, CheckRequest()).ok
    memory.delete(audit_path(2))
    told = check(repository, CheckRequest())
    assert [finding.what for finding in told.findings] == ["entry 2 of the audit trail is missing"]


def test_the_document_alone_is_enough_to_read_it(room, world: World, memory: MemoryStorage) -> None:
    """A second implementation, from docs/format-1.md, reads acts, follows the chain and finds the anchor."""
    repository = world.open()
    noted(repository, 3)
    world.back_up("one", ONE)
    for name in world.objects():
        path = room / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(memory.get(name))
    reader = SecondReader(room / "copy", PASSPHRASE)
    assert [told["what"] for told in reader.acts()] == ["look 0", "look 1", "look 2"]


def test_what_a_client_saw_and_was_replaced_is_told_for_ever(world: World, memory: MemoryStorage) -> None:
    """Entries are deleted and others write on in their place: neither a backup nor an act of the witness heals that."""
    with world.opened("server") as server:
        noted(server, 2)
    with world.opened("witness") as witness:
        noted(witness, 4)
        assert witness.trail.witnesses() == []
    for number in (3, 4, 5, 6):
        memory.delete(audit_path(number))
    with world.opened("server") as server:
        for number in range(10, 16):
            server.trail.append([act(number)])
        assert problems(server) == []
    for _ in range(2):
        with world.opened("witness") as witness:
            noted(witness, 1)
            assert [each.number for each in witness.trail.witnesses()] == [6]
            assert "entry 6 of the audit trail is not the one that this client knows" in problems(witness)
    assert memory.get(audit_path(6))


def test_others_that_write_on_are_no_cut(world: World) -> None:
    """Clients in turn and at once, with what each remembers of before."""
    for number in range(6):
        with world.opened("ab"[number % 2]) as client:
            noted(client, 2)
            assert client.trail.witnesses() == problems(client) == []


def test_a_slower_process_of_the_same_client_takes_no_memory_back(world: World) -> None:
    """What one has seen stays seen, whoever writes it down last."""
    with world.opened("client") as fast, world.opened("client") as slow:
        early = slow.trail.head()
        noted(fast, 3)
        slow.trail._head = None
        slow.trail._keep(early)
        assert slow.trail.remembered().number == 3
