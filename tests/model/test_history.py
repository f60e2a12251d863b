"""Random histories of many clients against a dictionary: what the dictionary holds can be read, always.

Here the log is written and read as real bytes, sessions and chunks are many, and clients hold what they read
for as long as they like; the exploration beside it sees everything, but in a smaller world.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.repository.state_world import MemoryLog, begin, snapshot

from holdfast.model.errors import HoldfastError, SessionExpired, UsageError
from holdfast.repository import guards, layout
from holdfast.repository import records as rec
from holdfast.repository.guards import Cover
from holdfast.repository.state import LogState

Pack = dict[int, int | None]
"""What a pack holds: chunk -> None (in full) or the chunk it is a delta of."""

CHUNKS = range(7)
HISTORIES = int(os.environ.get("HOLDFAST_LONG", "0")) or 1000
"""How many histories are tried; HOLDFAST_LONG asks for more."""


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


class History:
    """``promised`` is the dictionary: snapshot to chunks, for each that was reported and not forgotten."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.log = MemoryLog()
        self.store: dict[bytes, Pack] = {}
        self.clients: list[Client] = []
        self.promised: dict[str, set[int]] = {}
        self.dropped: dict[str, set[int]] = {}
        self.pinned: set[str] = set()
        self.names = 0
        self.covers = [Cover(0, frozenset()), Cover(0, frozenset())]

    # -- sessions --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        if len(self.clients) > 4:
            return
        purpose = self.rng.choice(["backup", "backup", "backup", "restore", "restore", "prune"])
        self.names += 1
        client = Client(f"{self.names:032x}", purpose)
        state = self.log.ask(guards.may_begin(self.log.state, client.id), begin(client.id, purpose=purpose))
        client.packs = {n: p for n, p in self.store.items() if guards.usable_pack(state, n, client.id)}
        self.clients.append(client)

    def _one(self, purpose: str) -> Client | None:
        fitting = [client for client in self.clients if client.purpose == purpose]
        return self.rng.choice(fitting) if fitting else None

    def _write(self, client: Client, chunks: set[int]) -> None:
        """One pack with ``chunks``, each in full or as a delta of something that is there in full."""
        bases = [c for pack in client.packs.values() for c, base in pack.items() if base is None]
        pack: Pack = {}
        for chunk in sorted(chunks):
            others = [base for base in bases if base != chunk]
            delta = others and self.rng.random() < 0.5
            pack[chunk] = self.rng.choice(others) if delta else None
        name = layout.pack_name(client.id, client.written)
        client.written += 1
        self.store[name] = client.packs[name] = pack

    def back_up(self) -> None:
        wanted = set(self.rng.choices(CHUNKS, k=3))
        client = self._one("backup")
        if client is not None:
            missing = {chunk for chunk in wanted if reads(chunk, client.packs) is None}
            if missing:
                self._write(client, missing)
            self.names += 1
            client.pending[f"{self.names:032x}"] = wanted

    def commit(self) -> None:
        client = self._one("backup")
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

    def end(self) -> None:
        if self.clients:
            client = self.rng.choice(self.clients)
            self.clients.remove(client)
            if client.id in self.log.state.open:
                self.log.ask(guards.may_close(self.log.state, client.id), rec.End(session=client.id))

    def kill(self) -> None:
        if self.clients:
            self.clients.remove(self.rng.choice(self.clients))

    def expire(self) -> None:
        if not self.log.state.open:
            return
        session = self.rng.choice(sorted(self.log.state.open))
        self.log.ask(guards.may_close(self.log.state, session), rec.Expire(session=session, reason="silent"))

    # -- users -----------------------------------------------------------------------------------------------

    def mark(self) -> None:
        if not self.promised:
            return
        kind = self.rng.choice(["forget", "forget", "forget", "pin", "unpin"])
        name = self.rng.choice(sorted(self.promised))
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

    def regret(self) -> None:
        if not self.dropped:
            return
        name = self.rng.choice(sorted(self.dropped))
        # What this client knows of packs may be old: it still sees those that are swept, but not deleted yet.
        found = [reads(chunk, self.store) for chunk in self.dropped[name]]
        needed = {pack for packs in found if packs for pack in packs}
        with suppress(UsageError):
            if None not in found:
                self.log.ask(guards.may_unforget(self.log.state, [name], needed), rec.Unforget(snapshots=[name]))
                self.promised[name] = self.dropped.pop(name)

    def restore(self) -> None:
        client = self._one("restore")
        if client is None or not self.promised or client.id not in self.log.state.open:
            return
        client.reading = self.promised[self.rng.choice(sorted(self.promised))]
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

    def survey(self) -> None:
        unswept, state = self._unswept(), self.log.state
        sound = {name: pack for name, pack in unswept.items() if name not in state.condemned}
        cover: set[bytes] = set()
        for chunk in set().union(*self.promised.values()):
            cover |= reads(chunk, sound) or self._cover({chunk}, unswept)
        self.covers[self.rng.randrange(2)] = Cover(state.number, frozenset(cover))

    def repack(self) -> None:
        client = self._one("prune")
        if client is not None and self.promised and client.id in self.log.state.open:
            needed = sorted(set().union(*self.promised.values()))
            wanted = {chunk for chunk in needed if reads(chunk, client.packs)}
            if wanted:
                self._write(client, set(self.rng.choices(sorted(wanted), k=2)))

    def prune(self) -> None:
        kind = self.rng.choice(["condemn", "condemn", "sweep", "sweep", "sweep", "uncondemn"])
        state, cover = self.log.state, self.rng.choice(self.covers)
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
            body = rec.Sweep(packs=packs, gone=gone if self.rng.random() < 0.5 else [])
        if packs:
            self.log.put(body)

    def delete(self) -> None:
        there = sorted(name for name in self.store if name in self.log.state.swept)
        if there:
            del self.store[self.rng.choice(there)]

    # -- promises --------------------------------------------------------------------------------------------

    def check(self) -> None:
        self.the_log_tells_the_same_snapshots_as_the_dictionary()
        self.every_promised_snapshot_can_be_read()
        self.every_running_restore_goes_on()

    def the_log_tells_the_same_snapshots_as_the_dictionary(self) -> None:
        state = self.log.state
        assert {entry.info.id for entry in state.living()} == set(self.promised)
        assert {entry.info.id for entry in state.living() if entry.pinned} == self.pinned & set(self.promised)
        assert not state.voids

    def every_promised_snapshot_can_be_read(self) -> None:
        packs = self._unswept()
        for name, chunks in self.promised.items():
            assert all(reads(chunk, packs) for chunk in chunks), name

    def every_running_restore_goes_on(self) -> None:
        for client in self.clients:
            if client.id in self.log.state.open:
                packs = {name: pack for name, pack in client.packs.items() if name in self.store}
                assert all(reads(chunk, packs) for chunk in client.reading)

    def the_log_reads_the_same_from_a_checkpoint(self) -> None:
        middle = len(self.log.records) // 2
        state = LogState()
        for number, data in enumerate(self.log.records):
            if number == middle:
                state = LogState.from_checkpoint(state.to_checkpoint())
            state.apply_bytes(data)
        assert state.to_checkpoint() == self.log.state.to_checkpoint()


ODDS: dict[Callable[[History], None], int] = {
    History.begin: 6, History.back_up: 8, History.commit: 8, History.end: 5, History.kill: 1, History.expire: 3,
    History.mark: 6, History.regret: 2, History.restore: 5, History.survey: 6, History.repack: 3, History.prune: 14,
    History.delete: 5,
}  # fmt: skip


@settings(max_examples=HISTORIES, deadline=None)
@given(st.integers(0, 2**32), st.integers(10, 500))
def test_what_was_promised_can_be_read_after_any_history(seed: int, steps: int) -> None:
    """After every step of every history: the log lists what the dictionary lists, and all of it resolves."""
    history = History(Random(seed))
    for step in history.rng.choices(list(ODDS), list(ODDS.values()), k=steps):
        step(history)
        history.check()
    history.the_log_reads_the_same_from_a_checkpoint()
