"""What a later version wrote: read on where it allows it, bound by it, and never folded away."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.repository.opened import cheap, info, memory, repository, room, world
from tests.unit.repository.state_world import ONE, MemoryLog, begin, pack, snapshot

from holdfast.model.errors import Damaged, NewerFormat
from holdfast.repository import guards, log
from holdfast.repository import records as rec
from holdfast.repository.guards import Rule
from holdfast.repository.log import Log
from holdfast.repository.records import Without
from holdfast.repository.repository import Repository
from holdfast.repository.state import LogState
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.prune import PruneRequest, prune

__all__ = ["cheap", "memory", "repository", "room", "world"]

GAINS = (rec.Begin, rec.Snapshot, rec.End, rec.Expire, rec.Unforget, rec.Pin, rec.KeyAdded, rec.Uncondemn)
FREE = {Without.SKIP: (*GAINS, *rec.LETTING_GO), Without.KEEP: GAINS, Without.READ: ()}


def sow(repository: Repository, without: str) -> None:
    """What a later version appends to a real log."""
    state = repository.log.state
    name = log.log_path(state.number + 1)
    record = {"number": state.number + 1, "previous": state.hash, "time": "t", "client": "later",
              "without": without, "body": {"kind": "hold", "snapshots": ["a" * 32]}}  # fmt: skip
    repository.storage.put_new(name, repository.sealer.seal("log", name, msgspec.msgpack.encode(record)))


@pytest.mark.parametrize("without", FREE)
def test_an_unknown_kind_is_read_over_and_binds_as_it_says(without: Without) -> None:
    """What follows counts; of each known record it is decided whether it may still be written."""
    made = MemoryLog()
    made.put(begin(ONE))
    made.put_foreign("hold", without)
    state = made.put(snapshot(ONE, "a" * 32))
    assert list(state.snapshots) == ["a" * 32]
    assert not state.voids
    kinds = (*GAINS, *rec.LETTING_GO)
    assert [kind for kind in kinds if not list(guards.may_append(state, kind))] == list(FREE[without])
    for refusal in guards.may_append(state, rec.Sweep):
        assert refusal.rule is Rule.UNKNOWN_BINDS
        assert isinstance(refusal.error(), NewerFormat)


@pytest.mark.parametrize("without", ["stop", "of an even later version", None])
def test_a_kind_that_must_be_known_ends_reading(without: str | None) -> None:
    """Also one without a mark, and one whose mark is unknown itself."""
    made = MemoryLog()
    with pytest.raises(NewerFormat, match="does not know: hold"):
        made.put_foreign("hold", without)
    assert made.state.number == 1


def test_the_strictest_mark_of_a_kind_counts() -> None:
    """In whatever order they come."""
    made = MemoryLog()
    for without in (Without.SKIP, Without.KEEP, Without.SKIP):
        state = made.put_foreign("hold", without)
    assert state.unknown == {"hold": Without.KEEP}


def test_the_chain_holds_through_unknown_kinds() -> None:
    """An unknown record out of its place is damage like any other, and none stands first."""
    made = MemoryLog()
    made.put_foreign("hold", Without.SKIP)
    state = LogState()
    state.apply_bytes(made.records[0])
    with pytest.raises(Damaged, match="does not follow"):
        state.apply_bytes(made.records[1].replace(state.hash, b"x" * 32))
    with pytest.raises(Damaged, match="stands where 1 belongs"):
        LogState().apply_bytes(made.records[1])


def test_a_checkpoint_tells_the_kinds_that_its_reader_may_not_know() -> None:
    """The state that comes out of it is bound as the one that went in; a kind that must be known refuses it."""
    made = MemoryLog()
    made.put_foreign("hold", Without.KEEP)
    folded = LogState.from_checkpoint(made.state.to_checkpoint())
    assert folded.unknown == {"hold": Without.KEEP}
    stored = msgspec.msgpack.decode(made.state.to_checkpoint())
    for mark in ("stop", "something"):
        with pytest.raises(NewerFormat):
            LogState.from_checkpoint(msgspec.msgpack.encode({**stored, "later": {"hold": mark}}))
    known = LogState.from_checkpoint(msgspec.msgpack.encode({**stored, "later": {"pin": "stop"}}))
    assert not known.unknown


@pytest.mark.parametrize("without", [Without.READ, Without.KEEP, Without.SKIP])
def test_who_does_not_know_a_kind_folds_nothing(
    repository: Repository, memory: MemoryStorage, monkeypatch: pytest.MonkeyPatch, without: Without
) -> None:
    """No checkpoint is written over it, so that a later version finds the record where it was; reading goes on."""
    sow(repository, without)
    monkeypatch.setattr(log, "CHECKPOINT_EVERY", 1)
    if without == Without.READ:
        with pytest.raises(NewerFormat):
            repository.begin("backup")
    else:
        with repository.begin("backup") as session:
            session.commit(info(), session.put_meta(b"root"))
    assert repository.log.checkpoints() == []
    reader = Log(memory, repository.sealer)
    reader.load()
    assert reader.state.unknown == {"hold": without}
    assert check(repository, CheckRequest()).findings == [] or without != Without.READ


@pytest.mark.parametrize("without", [Without.READ, Without.KEEP])
def test_a_prune_leaves_alone_what_it_cannot_judge(
    repository: Repository, memory: MemoryStorage, without: Without
) -> None:
    """It is refused before anything changes, and says what to do."""
    sow(repository, without)
    before = sorted(stat.name for stat in memory.list(""))
    for dry_run in (True, False):
        with pytest.raises(NewerFormat) as caught:
            prune(repository, PruneRequest(dry_run=dry_run))
        assert "upgrade" in caught.value.hint
    assert sorted(stat.name for stat in memory.list("")) == before


def test_facts_of_a_later_version_survive_a_checkpoint() -> None:
    """What stands in ``more`` of a snapshot or a key comes out as it went in; a purpose nobody knows binds."""
    made = MemoryLog()
    entry = snapshot(ONE, "a" * 32)
    entry.info.more = {"aliases": ["2024-01-01_old"], "entity": {"kind": "event", "id": 42}}
    made.put(begin(ONE, purpose="journal"), entry,
             rec.KeyAdded(slot="k", slot_kind="recipient", label="", time="", more={"public": b"p"}))  # fmt: skip
    folded = LogState.from_checkpoint(made.state.to_checkpoint())
    assert folded.snapshots["a" * 32].info.more == entry.info.more
    assert folded.keys["k"].more == {"public": b"p"}
    assert folded.sessions[ONE].purpose == "journal"


def test_a_key_that_nobody_knows_in_the_facts_of_a_snapshot_is_passed_over() -> None:
    """An older client lists what it knows of a later version's snapshot, of whatever kind it is."""
    made = MemoryLog()
    made.put(begin(ONE))
    plain = msgspec.msgpack.decode(rec.encode(made.envelope(snapshot(ONE, "a" * 32))))
    plain["body"]["info"] |= {"kind": "entity", "later": {"a": [1]}}
    made.state.apply_bytes(msgspec.msgpack.encode(plain))
    assert made.state.snapshots["a" * 32].info.kind == "entity"


def test_closed_sessions_are_let_go_of() -> None:
    """The state forgets them, their packs are gone for ever, and their name never begins again."""
    made = MemoryLog()
    made.put(begin(ONE), rec.End(session=ONE), rec.Condemn(packs=[pack(ONE, 2)]))
    guards.require(guards.may_let_go(made.state, [ONE], made.cover()))
    state = made.put(rec.LetGo(sessions=[ONE]))
    assert not state.sessions
    assert not state.condemned
    assert state.closed(ONE)
    assert pack(ONE, 99) in state.swept
    for question in (guards.may_begin(state, ONE), guards.may_snapshot(state, ONE),
                     guards.may_let_go(state, [ONE], made.cover())):  # fmt: skip
        assert list(question)
    made.put(begin(ONE), snapshot(ONE, "a" * 32), rec.LetGo(sessions=[ONE]))
    assert len(made.state.voids) == 3
    assert not made.state.snapshots
    assert LogState.from_checkpoint(made.state.to_checkpoint()).closed(ONE)


def test_an_open_session_is_not_let_go_of() -> None:
    """A record that says so is void."""
    made = MemoryLog()
    made.put(begin(ONE))
    assert [refusal.rule for refusal in guards.may_let_go(made.state, [ONE], made.cover())] == [Rule.LET_GO_WAITS]
    made.put(rec.LetGo(sessions=[ONE]))
    assert ONE in made.state.open
    assert len(made.state.voids) == 1
