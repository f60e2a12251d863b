"""Random histories of many clients against a dictionary: what the dictionary holds can be read, always.

Here the log is written and read as real bytes, sessions and chunks are many, and clients hold what they read
for as long as they like; the exploration beside it sees everything, but in a smaller world.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.repository.state_world import MemoryLog, begin, snapshot

from holdfast.model.errors import HoldfastError, SessionExpired
from holdfast.repository import guards
from holdfast.repository import records as rec
from holdfast.repository.guards import Cover
from holdfast.repository.state import LogState

Pack = dict[int, int | None]
"""What a pack holds: chunk -> None (in full) or the chunk it is a delta of."""

CHUNKS = range(7)
chunk_sets = st.sets(st.sampled_from(CHUNKS), min_size=1, max_size=5)


def reads(chunk: int, packs: dict[bytes, Pack]) -> set[bytes] | None:
    """Packs from which ``chunk`` resolves, full copies first; None when it does not."""
    deltas = []
    for name, pack in packs.items():
        if chunk in pack:
            if pack[chunk] is None:
                return {name}
            deltas.append((name, pack[chunk]))
    for name, base in deltas:
        for other, pack in packs.items():
            if base in pack and pack[base] is None:
                return {name, other}
    return None


@dataclass
class Client:
    """One session's process: what it knows, and what it is going to commit."""

    id: str
    purpose: str
    packs: dict[bytes, Pack] = field(default_factory=dict)
    written: int = 0
    pending: dict[str, set[int]] = field(default_factory=dict)
    reading: set[int] = field(default_factory=set)
    cover: Cover | None = None


class History(RuleBasedStateMachine):
    """``promised`` is the dictionary: snapshot to chunks, for each that was reported and not forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.log = MemoryLog()
        self.store: dict[bytes, Pack] = {}
        self.clients: list[Client] = []
        self.promised: dict[str, set[int]] = {}
        self.dropped: dict[str, set[int]] = {}
        self.pinned: set[str] = set()
        self.names = 0

    # -- sessions --------------------------------------------------------------------------------------------

    @rule(purpose=st.sampled_from(["backup", "backup", "restore", "prune"]))
    def begin(self, purpose: str) -> None:
        self.names += 1
        client = Client(f"{self.names:032x}", purpose)
        state = self.log.ask(guards.may_begin(self.log.state, client.id), begin(client.id, purpose=purpose))
        client.packs = {n: p for n, p in self.store.items() if guards.usable_pack(state, n, client.id)}
        self.clients.append(client)

    def _one(self, data: st.DataObject, purpose: str) -> Client | None:
        fitting = [client for client in self.clients if client.purpose == purpose]
        return data.draw(st.sampled_from(fitting)) if fitting else None

    def _write(self, client: Client, chunks: set[int], data: st.DataObject) -> None:
        """One pack with ``chunks``, each in full or as a delta of something that is there in full."""
        bases = [c for pack in client.packs.values() for c, base in pack.items() if base is None]
        pack: Pack = {}
        for chunk in sorted(chunks):
            others = [base for base in bases if base != chunk]
            delta = others and data.draw(st.booleans())
            pack[chunk] = data.draw(st.sampled_from(others)) if delta else None
        name = rec.pack_name(client.id, client.written)
        client.written += 1
        self.store[name] = client.packs[name] = pack

    @rule(data=st.data(), wanted=chunk_sets)
    def back_up(self, data: st.DataObject, wanted: set[int]) -> None:
        client = self._one(data, "backup")
        if client is not None:
            missing = {chunk for chunk in wanted if reads(chunk, client.packs) is None}
            if missing:
                self._write(client, missing, data)
            self.names += 1
            client.pending[f"{self.names:032x}"] = wanted

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        client = self._one(data, "backup")
        if client is None or not client.pending:
            return
        name, chunks = client.pending.popitem()
        alive = client.id in self.log.state.open
        try:
            self.log.ask(guards.may_snapshot(self.log.state, client.id), snapshot(client.id, name))
        except SessionExpired:
            assert not alive
            self.clients.remove(client)
        else:
            assert alive
            self.promised[name] = chunks

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        if self.clients:
            client = data.draw(st.sampled_from(self.clients))
            self.clients.remove(client)
            if client.id in self.log.state.open:
                self.log.ask(guards.may_close(self.log.state, client.id), rec.End(session=client.id))

    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        if self.clients:
            self.clients.remove(data.draw(st.sampled_from(self.clients)))

    @precondition(lambda self: self.log.state.open)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(sorted(self.log.state.open)))
        self.log.ask(guards.may_close(self.log.state, session), rec.Expire(session=session, reason="silent"))

    # -- users -----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.promised)
    @rule(data=st.data(), kind=st.sampled_from(["forget", "forget", "pin", "unpin"]))
    def mark(self, data: st.DataObject, kind: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.promised)))
        state = self.log.state
        if kind == "pin":
            self.log.ask(guards.may_pin(state, [name]), rec.Pin(snapshots=[name]))
            self.pinned.add(name)
        elif kind == "unpin":
            self.log.ask(guards.may_unpin(state, [name]), rec.Unpin(snapshots=[name]))
            self.pinned.discard(name)
        elif name in self.pinned:
            with pytest.raises(HoldfastError, match="pinned"):
                guards.require(guards.may_forget(state, [name]))
        else:
            self.log.ask(guards.may_forget(state, [name]), rec.Forget(snapshots=[name]))
            self.dropped[name] = self.promised.pop(name)

    @precondition(lambda self: self.dropped)
    @rule(data=st.data())
    def regret(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.dropped)))
        found = [reads(chunk, self._unswept()) for chunk in self.dropped[name]]
        if None in found or name not in self.log.state.snapshots:
            return
        needed = set().union(*(packs for packs in found if packs))
        self.log.ask(guards.may_unforget(self.log.state, [name], needed), rec.Unforget(snapshots=[name]))
        self.promised[name] = self.dropped.pop(name)

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        client = self._one(data, "restore")
        if client is None or not self.promised or client.id not in self.log.state.open:
            return
        client.reading = self.promised[data.draw(st.sampled_from(sorted(self.promised)))]
        needed = self._cover(client.reading, self._unswept())
        back = guards.to_take_back(self.log.state, sorted(needed), client.id)
        if back:
            self.log.ask(guards.may_uncondemn(self.log.state, back), rec.Uncondemn(packs=back))
        client.packs = {n: p for n, p in self.store.items() if guards.usable_pack(self.log.state, n, client.id)}

    # -- pruners ---------------------------------------------------------------------------------------------

    def _unswept(self) -> dict[bytes, Pack]:
        return {name: pack for name, pack in self.store.items() if name not in self.log.state.swept}

    @staticmethod
    def _cover(chunks: set[int], packs: dict[bytes, Pack]) -> set[bytes]:
        found: set[bytes] = set()
        for chunk in chunks:
            way = reads(chunk, packs)
            assert way is not None, chunk
            found |= way
        return found

    @rule(data=st.data())
    def survey(self, data: st.DataObject) -> None:
        client = self._one(data, "prune")
        if client is not None:
            unswept, state = self._unswept(), self.log.state
            sound = {name: pack for name, pack in unswept.items() if name not in state.condemned}
            needed = set().union(*self.promised.values()) if self.promised else set()
            cover: set[bytes] = set()
            for chunk in needed:
                cover |= reads(chunk, sound) or self._cover({chunk}, unswept)
            client.cover = Cover(state.number, frozenset(cover))

    @rule(data=st.data())
    def repack(self, data: st.DataObject) -> None:
        client = self._one(data, "prune")
        if client is not None and self.promised and client.id in self.log.state.open:
            needed = sorted(set().union(*self.promised.values()))
            wanted = {chunk for chunk in needed if reads(chunk, client.packs)}
            if wanted:
                self._write(client, set(data.draw(st.lists(st.sampled_from(sorted(wanted)), min_size=1))), data)

    @rule(data=st.data(), kind=st.sampled_from(["condemn", "condemn", "sweep", "sweep", "sweep", "uncondemn"]))
    def prune(self, data: st.DataObject, kind: str) -> None:
        client = self._one(data, "prune")
        if client is None or client.cover is None:
            return
        state, cover = self.log.state, client.cover
        body: rec.Body
        if kind == "condemn":
            packs = [n for n in sorted(self._unswept()) if not list(guards.may_condemn(state, [n], cover))]
            body = rec.Condemn(packs=packs)
        elif kind == "uncondemn":
            packs = [name for name in sorted(state.condemned) if name in cover.packs]
            body = rec.Uncondemn(packs=packs)
        else:
            packs = [name for name in sorted(state.condemned) if not list(guards.may_sweep(state, [name], cover))]
            left = {name: pack for name, pack in self._unswept().items() if name not in packs}
            gone = [name for name, chunks in sorted(self.dropped.items()) if any(not reads(c, left) for c in chunks)]
            body = rec.Sweep(packs=packs, gone=gone if data.draw(st.booleans()) else [])
        if packs:
            self.log.put(body)

    @precondition(lambda self: self.log.state.swept)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        there = sorted(name for name in self.store if name in self.log.state.swept)
        if there:
            del self.store[data.draw(st.sampled_from(there))]

    # -- promises --------------------------------------------------------------------------------------------

    @invariant()
    def the_log_tells_the_same_snapshots_as_the_dictionary(self) -> None:
        state = self.log.state
        assert {entry.info.id for entry in state.living()} == set(self.promised)
        assert {entry.info.id for entry in state.living() if entry.pinned} == self.pinned & set(self.promised)
        assert not state.voids

    @invariant()
    def every_promised_snapshot_can_be_read(self) -> None:
        packs = self._unswept()
        for name, chunks in self.promised.items():
            assert all(reads(chunk, packs) for chunk in chunks), name

    @invariant()
    def every_running_restore_goes_on(self) -> None:
        for client in self.clients:
            if client.id in self.log.state.open:
                packs = {name: pack for name, pack in client.packs.items() if name in self.store}
                assert all(reads(chunk, packs) for chunk in client.reading)

    def teardown(self) -> None:
        """Reading the log from its start, or from a checkpoint in its middle, leads to the same state."""
        middle = len(self.log.records) // 2
        state = LogState()
        for number, data in enumerate(self.log.records):
            if number == middle:
                state = LogState.from_checkpoint(state.to_checkpoint())
            state.apply_bytes(data)
        assert state.to_checkpoint() == self.log.state.to_checkpoint()


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=int(os.environ.get("HOLDFAST_LONG", "0")) or 150,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
