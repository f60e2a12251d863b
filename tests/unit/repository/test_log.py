"""The log in storage: one order for all, whoever writes; wrong bytes are believed only when seen twice."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import World, content, require_whole
from tests.unit.repository.opened import cheap, info, memory, repository, room, rows, world

from holdfast.model.errors import Damaged, SessionExpired, StorageError
from holdfast.repository import guards, log, session
from holdfast.repository import records as rec
from holdfast.repository.expiry import expire_dead
from holdfast.repository.log import Log
from holdfast.repository.repository import Repository
from holdfast.repository.session import Session
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.check import CheckRequest, check

__all__ = ["cheap", "memory", "repository", "room", "world"]


def test_many_writers_agree_on_one_order(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight clients append at once: no number is lost or given twice, and every reader arrives at the same state."""
    monkeypatch.setattr(log, "CHECKPOINT_EVERY", 16)
    clients = [Log(repository.storage, repository.sealer) for _ in range(8)]

    def write(number: int) -> list[int]:
        client = clients[number]
        client.load()
        bodies = [rec.KeyAdded(slot=f"{number}-{n}", slot_kind="recovery", label="", time="") for n in range(12)]
        return [client.append(body) for body in bodies]

    before = repository.log.state.number
    with ThreadPoolExecutor(8) as threads:
        numbers = [number for mine in threads.map(write, range(8)) for number in mine]
    assert sorted(numbers) == list(range(before + 1, before + 97))
    states = []
    for checkpoints in (True, False):
        reader = Log(repository.storage, repository.sealer)
        reader.load(checkpoints=checkpoints)
        states.append(reader.state.to_checkpoint())
    assert states[0] == states[1]


def test_a_guard_is_asked_again_when_another_was_faster(repository: Repository, world: World) -> None:
    """What a guard saw is still true when the record stands: it sees what the other wrote in between."""
    seen: list[int] = []

    def guard(state: object) -> None:
        seen.append(repository.log.state.number)
        if len(seen) == 1:
            with world.opened("other") as other:
                other.add_key("quick as a flash", "other")

    repository.log.append(rec.KeyRemoved(slot="none"), guard)  # type: ignore[arg-type]
    assert len(seen) == 2
    assert seen[1] > seen[0]


def test_a_refusal_writes_nothing(repository: Repository, memory: MemoryStorage) -> None:
    """What a guard raises goes through, and the log is as it was."""
    before = sorted(stat.name for stat in memory.list("log/"))
    with pytest.raises(SessionExpired):
        repository.log.append(rec.End(session="1" * 32), lambda s: guards.require(guards.may_close(s, "1" * 32)))
    assert sorted(stat.name for stat in memory.list("log/")) == before


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize("lost", ["first", "begin", "snapshot", "last"])
def test_one_lost_record_leaves_the_repository_readable(
    world: World, memory: MemoryStorage, lost: str, missing: bool
) -> None:
    """Whatever else the log says still counts: snapshots are listed, read and checked; every write is refused."""
    for number in range(3):
        world.back_up(f"s{number}", {"t": [rows(number)]})
    with world.opened() as repository:
        begin = repository.log.state.sessions[repository.snapshots()[1].session].begin
        last = repository.log.state.number
    number = {"first": 1, "begin": begin, "snapshot": begin + 1, "last": last}[lost]
    good = memory.get(log.log_path(number))
    if missing and lost == "last":
        return  # nobody can miss it who has not seen it
    memory.delete(log.log_path(number))
    if not missing:
        memory.put_new(log.log_path(number), good[:60] + bytes([good[60] ^ 1]) + good[61:])
    with world.opened() as repository:
        found = {entry.info.name: content(repository, entry) for entry in repository.snapshots()}
        assert found == {name: data for name, data in world.model.items() if (lost, name) != ("snapshot", "s1")}
        with pytest.raises(Damaged, match="nothing can be written") as caught:
            repository.pin([repository.snapshots()[0].info.id])
        assert caught.value.where == log.log_path(number)
        assert "copy" in caught.value.hint
        heard: list[object] = []
        result = check(repository, CheckRequest(read_data=1, report=heard.append))
        assert log.log_path(number) in [finding.where for finding in result.findings]
        assert log.log_path(number) in str(heard)
    before = sorted(stat.name for stat in memory.list(""))
    with pytest.raises(Damaged, match="nothing can be written"):
        world.back_up("s3", {"t": [rows(3)]})
    with pytest.raises(Damaged):
        world.prune()
    assert sorted(stat.name for stat in memory.list("")) == before
    memory.delete(log.log_path(number)) if not missing else None
    memory.put_new(log.log_path(number), good)
    require_whole(world)


def test_two_neighbours_lost_are_both_named(world: World, memory: MemoryStorage) -> None:
    """Gaps side by side: what comes after them is read, and each is told."""
    for number in range(2):
        world.back_up(f"s{number}", {"t": [rows(number)]})
    for number in (1, 2):
        memory.delete(log.log_path(number))
    with world.opened() as repository:
        assert [damage.where for damage in repository.log.damages] == [log.log_path(1), log.log_path(2)]
        assert len(repository.snapshots()) == 2


def test_a_log_of_nothing_but_damage_is_no_log(repository: Repository, memory: MemoryStorage) -> None:
    """When no record can be read there is nothing to open."""
    memory.delete(log.log_path(1))
    memory.put_new(log.log_path(1), b"x" * 100)
    with pytest.raises(Damaged):
        Log(memory, repository.sealer).load()
    memory.put_new(log.log_path(10**9), b"x" * 100)
    with pytest.raises(Damaged, match="record 2 is missing"):
        Log(memory, repository.sealer).load()


def test_work_that_is_done_is_not_lost_when_its_end_cannot_be_noted(
    repository: Repository, memory: MemoryStorage
) -> None:
    """The store fails after the commit: the session closes without an error and is expired by the next run."""
    with repository.begin("backup") as current:
        current.commit(info(), current.put_meta(b"root"))
        repository.log._storage = Scripted(memory, "put_new@log/*:break")
    repository.log._storage = memory
    assert [entry.info.id for entry in repository.snapshots()] == [info().id]
    assert expire_dead(repository.vault) == [current.id]


def test_a_failure_inside_a_session_is_told_even_when_its_end_cannot_be_noted(
    repository: Repository, memory: MemoryStorage
) -> None:
    """Only the end is forgiven: what fails before it is raised."""

    def commit_in_vain() -> None:
        with repository.begin("backup") as current:
            root = current.put_meta(b"root")
            repository.log._storage = Scripted(memory, "put_new@log/*:break")
            current.commit(info(), root)

    with pytest.raises(StorageError):
        commit_in_vain()


def test_a_session_that_cannot_begin_does_not_stay_open(repository: Repository, memory: MemoryStorage) -> None:
    """The index cannot be read: the failure is told, and no prune will wait for a session that never was."""
    repository.vault.index.discard()
    repository.vault.index._storage = Scripted(memory, "list@index/:break")
    with pytest.raises(StorageError):
        repository.begin("backup")
    assert not repository.log.state.open
    assert not session.running


def test_an_expired_session_commits_nothing(repository: Repository) -> None:
    """SessionExpired with what to do; the snapshot is not there; closing the session is quiet."""
    current = Session(repository.vault, "backup")
    repository.log.append(rec.Expire(session=current.id, reason="test"))
    with pytest.raises(SessionExpired, match="expired"):
        current.commit(info(), b"r" * 32)
    current.close()
    assert repository.snapshots() == []


def test_heartbeats_come_while_a_session_lasts_and_go_with_it(
    repository: Repository, memory: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that lasts shows signs of life; afterwards none are left."""
    monkeypatch.setattr(session, "HEARTBEAT_SECONDS", 0.01)
    with repository.begin("backup") as current:
        for _ in range(500):
            if sum(1 for _ in memory.list(f"heartbeat/{current.id}/")) > 1:
                break
            current._stop.wait(0.01)
        names = [stat.name for stat in memory.list(f"heartbeat/{current.id}/")]
        assert len(names) > 1
        assert repository.sealer.open("heartbeat", names[0], memory.get(names[0])) == b""
    with contextlib.suppress(StopIteration):
        pytest.fail(f"left over: {next(memory.list('heartbeat/')).name}")


def test_only_the_last_two_checkpoints_are_kept(
    repository: Repository, memory: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long life does not leave a folded log for every few dozen records; a reader arrives at the same state."""
    monkeypatch.setattr(log, "CHECKPOINT_EVERY", 4)
    for number in range(30):
        repository.log.append(rec.KeyAdded(slot=str(number), slot_kind="recovery", label="", time=""))
    assert len(repository.log.checkpoints()) == 2
    reader = Log(memory, repository.sealer)
    reader.load()
    assert reader.state.to_checkpoint() == repository.log.state.to_checkpoint()
