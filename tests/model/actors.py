"""Who does what, one atomic step at a time: backups, restores, pruners, and a user who forgets and regrets.

A crash is a step that never comes: every prefix of every actor is explored. A stalled process is an actor
whose session somebody expired and who goes on all the same. What an actor read is kept in its own state and
grows old there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tests.model.machine import Log, Machine, Step, snapshot_id
from tests.model.world import (
    DELTAS,
    FULLS,
    A,
    B,
    bits,
    contents,
    covers,
    name_of,
    pack_bit,
    resolves,
    session_id,
    session_of,
)

from holdfast.repository import guards, records
from holdfast.repository.guards import Rule
from holdfast.repository.state import LogState


class Care(Enum):
    """What the guards cannot see: the care that the code around them has to take. Switched off to see it matter."""

    BASES_OBEY = "a delta base in a condemned pack is absent, too"
    COVER_HOLDS_BASES = "a cover holds the bases of its deltas"
    RESTORE_TAKES_BACK = "a restore takes back the condemned packs that it needs"
    RESTORE_IS_SESSION = "a restore is a session"
    SWEEP_THEN_DELETE = "packs are deleted after their sweep is in the log"
    PACK_BEFORE_RECORD = "a snapshot record comes after its packs"
    FOLDS_KNOW = "who does not know a kind of record leaves it unfolded"
    READERS_VOID = "readers do not count the snapshot of a closed session"


NEW, BEGUN, READY, UPLOADED, STORED, READING, GONE = range(7)
Actor = tuple[int, int, int, int]
"""Phase, mask of packs it relies on, pack under way (a reader: its snapshot's need), snapshots made."""

Survey = tuple[int, bool]
"""A pruner's cover, and whether nothing became reachable since it was counted."""

State = tuple[int, int, int, tuple[Actor, ...], tuple[Survey, ...]]
"""Number of the log, packs in the store, packs in the index, actors, surveys."""

Move = tuple[str, State]

IDLE: Actor = (NEW, 0, 0, 0)
DONE: Actor = (GONE, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Who is on stage. ``actors`` from session 1 on: "backup", "restore" or "prune"; session 0 wrote the seed.

    ``needs[session][ordinal]`` what a snapshot references; ``pruners`` how many count and condemn
    independently; ``wasteful`` backups may also write what they could reuse; ``lets_go``: pruners let go of closed
    sessions; ``holds``: a later version, which nobody here knows, holds what snapshots need; ``off`` what is switched
    off.
    """

    actors: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]
    seeds: tuple[tuple[int, ...], ...] = ((4,), (7,), (1, 6))
    pruners: int = 1
    wasteful: bool = False
    regrets: bool = True
    lets_go: bool = False
    holds: bool = False
    off: frozenset[Rule | Care] = frozenset()


class Stage:
    """A scene with the machine that answers for the log; ``moves`` are all that can happen next."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        rules = frozenset(rule for rule in scene.off if isinstance(rule, Rule))
        ordinals = max(map(len, scene.needs))
        folded = Care.FOLDS_KNOW not in scene.off if scene.holds else True if scene.lets_go else None
        void = Care.READERS_VOID not in scene.off
        self.log = Machine(1 + len(scene.actors), ordinals, rules, void=void, folded=folded)
        self.blind = Rule.CONDEMNED_IS_ABSENT in scene.off
        self.rash = Care.SWEEP_THEN_DELETE in scene.off
        self.unprotected = Care.RESTORE_IS_SESSION in scene.off
        self.bases = Care.COVER_HOLDS_BASES not in scene.off

    def starts(self) -> Iterator[State]:
        """An empty repository, and ones that hold one snapshot in one or two packs."""
        idle = tuple(IDLE for _ in self.scene.actors)
        surveys = tuple((-1, False) for _ in range(self.scene.pruners))
        yield self.log.start, 0, 0, idle, surveys
        for seed in self.scene.seeds:
            packs = sum(pack_bit(0, slot, content) for slot, content in enumerate(seed))
            log = self.log.start
            for step in (("begin", 0, 0), ("snapshot", 0, 0), ("end", 0, 0)):
                log = self.log.after(log, step)
            yield log, packs, packs, idle, surveys

    def broken(self, state: State) -> str:
        """What promise this state breaks, or nothing."""
        number, store, index, actors, _surveys = state
        log = self.log.logs[number]
        there = store & index & ~log.swept
        for session, ordinal in log.living:
            if not resolves(self.scene.needs[session][ordinal], there):
                return f"snapshot {session}.{ordinal} cannot be read"
        for session, ordinal in log.held:
            if not resolves(self.scene.needs[session][ordinal], there):
                return f"snapshot {session}.{ordinal} is held and cannot be read"
        for session, (phase, view, need, done) in enumerate(actors, 1):
            kept = log.living + log.forgotten
            backup = self.scene.actors[session - 1] == "backup"
            if backup and any((session, ordinal) not in kept for ordinal in range(done)):
                return f"session {session} reported a snapshot that nobody counts"
            if phase == READING and (log.open[session] or self.unprotected) and not resolves(need, view & store):
                return f"restore {session} lost what it reads"
        if any(log.open[session_of(bit)] for bit in bits(log.condemned)):
            return "a pack of an open session is condemned"
        return ""

    def moves(self, state: State) -> Iterator[Move]:
        """Every step that anybody may take in ``state``, with what comes of it."""
        actors = state[3]
        for place, kind in enumerate(self.scene.actors):
            if actors[place][0] == NEW:
                twin_waits = place and self.scene.actors[place - 1] == kind and actors[place - 1][0] == NEW
                if not twin_waits or self.scene.needs[place] != self.scene.needs[place + 1]:
                    yield from self._begin(state, place, kind)
            elif actors[place][0] != GONE:
                yield from (self._restore if kind == "restore" else self._write)(state, place)
        yield from self._anybody(state)
        for place in range(self.scene.pruners):
            yield from self._prune(state, place)

    # -- the pieces ------------------------------------------------------------------------------------------

    def _append(self, state: State, step: Step, actors: tuple[Actor, ...] | None = None) -> State:
        number, store, index, old, surveys = state
        if step[0] in {"snapshot", "unforget"}:
            surveys = tuple((cover, False) for cover, _fresh in surveys)
        return self.log.after(number, step), store, index, old if actors is None else actors, surveys

    def _absent(self, log: Log, session: int) -> int:
        return log.swept if self.blind else log.unusable[session]

    def _begin(self, state: State, place: int, kind: str) -> Iterator[Move]:
        session = place + 1
        actors = _put(state[3], place, (BEGUN, 0, 0, 0))
        if kind == "restore" and Care.RESTORE_IS_SESSION in self.scene.off:
            yield f"restore {session} starts without a session", (*state[:3], actors, state[4])
        elif self.log.allowed(state[0], ("begin", session), lambda s: guards.may_begin(s, session_id(session))):
            yield f"{kind} {session} BEGIN", self._append(state, ("begin", session, 0), actors)

    def _write(self, state: State, place: int) -> Iterator[Move]:
        """A backup, or the repacking half of a prune, which is a backup that commits nothing."""
        number, store, index, actors, surveys = state
        phase, view, pack, done = actors[place]
        session, log = place + 1, self.log.logs[number]
        backup = self.scene.actors[place] == "backup"
        if phase in {BEGUN, READY}:
            seen = index & ~self._absent(log, session)
            if phase == BEGUN or seen != view:
                yield f"{session} reads the index", _with(state, place, (READY, seen, 0, done))
        if phase == READY and backup and done < len(self.scene.needs[session]):
            yield from self._upload(state, place, self.scene.needs[session][done])
        if phase == READY and not backup and not done:
            wanted = sum({need for key in log.living for need in (A, B) if self.scene.needs[key[0]][key[1]] & need})
            for need in {wanted, wanted & A, wanted & B} - {0}:
                if resolves(need, view & store):
                    yield from self._upload(state, place, need)
        if phase == UPLOADED:
            after = (STORED if backup else READY, view | pack, 0, done if backup else 1)
            yield f"{session} INDEX", (number, store, index | pack, _put(actors, place, after), surveys)
        if phase == STORED or (phase == UPLOADED and Care.PACK_BEFORE_RECORD in self.scene.off and backup):
            yield from self._commit(state, place)
        if phase == READY and done:
            yield from self._end(state, place)

    def _upload(self, state: State, place: int, need: int) -> Iterator[Move]:
        number, store, index, actors, surveys = state
        _phase, view, _pack, done = actors[place]
        session, backup = place + 1, self.scene.actors[place] == "backup"
        late = Care.PACK_BEFORE_RECORD in self.scene.off
        base_in = view if Care.BASES_OBEY not in self.scene.off else index
        present = _present(view, base_in) if backup else 0
        for content in contents(need, present, choose=self.scene.wasteful, base_in=base_in):
            if content:
                pack = pack_bit(session, done, content)
                moved = _put(actors, place, (UPLOADED, view, pack, done))
                yield f"{session} PACK {content}", (number, store if late else store | pack, index, moved, surveys)
            else:
                yield f"{session} reuses all", _with(state, place, (STORED, view, 0, done))

    def _commit(self, state: State, place: int) -> Iterator[Move]:
        _phase, view, _pack, done = state[3][place]
        session = place + 1
        if self.log.allowed(state[0], ("snapshot", session), lambda s: guards.may_snapshot(s, session_id(session))):
            actors = _put(state[3], place, (READY, view, 0, done + 1))
            yield f"{session} SNAPSHOT {done}", self._append(state, ("snapshot", session, done), actors)
        else:
            yield f"{session} is refused and dies", _with(state, place, (GONE, 0, 0, done))

    def _end(self, state: State, place: int) -> Iterator[Move]:
        session = place + 1
        backup = self.scene.actors[place] == "backup"
        actors = _put(state[3], place, (GONE, 0, 0, state[3][place][3] if backup else 0))
        if self.log.allowed(state[0], ("close", session), lambda s: guards.may_close(s, session_id(session))):
            yield f"{session} END", self._append(state, ("end", session, 0), actors)
        else:
            yield f"{session} finds itself expired", (*state[:3], actors, state[4])

    def _restore(self, state: State, place: int) -> Iterator[Move]:
        number, _store, index, actors, _surveys = state
        session, log = place + 1, self.log.logs[number]
        if actors[place][0] == READING:
            yield from self._end(state, place)
            return
        careless = {Care.RESTORE_TAKES_BACK, Care.RESTORE_IS_SESSION} & self.scene.off
        absent = log.swept if careless else self._absent(log, session)
        for key in log.living:
            need = self.scene.needs[key[0]][key[1]]
            if resolves(need, index & ~absent):
                reading = (READING, index & ~absent, need, 0)
                yield f"restore {session} opens {key[0]}.{key[1]}", _with(state, place, reading)
            elif log.open[session]:
                for cover in covers(need, index & ~log.swept):
                    back = sum(bit for bit in bits(cover) if bit & log.condemned & absent)
                    yield f"restore {session} UNCONDEMN", self._append(state, ("uncondemn", back, 0))

    def _anybody(self, state: State) -> Iterator[Move]:
        number, store, index, actors, surveys = state
        log = self.log.logs[number]
        for session, is_open in enumerate(log.open):
            if is_open:
                yield f"EXPIRE {session}", self._append(state, ("expire", session, 0))
        for session, ordinal in log.living:
            if self.log.allowed(number, ("forget",), lambda s: guards.may_append(s, records.Forget)):
                yield f"FORGET {session}.{ordinal}", self._append(state, ("forget", session, ordinal))
            if self.scene.holds and (session, ordinal) not in log.held:
                yield f"HOLD {session}.{ordinal}", self._append(state, ("hold", session, ordinal))
        if self.scene.regrets:
            for session, ordinal in log.forgotten:
                if any(self._may_unforget(number, session, ordinal, cover)
                       for cover in covers(self.scene.needs[session][ordinal], index)):  # fmt: skip
                    yield f"UNFORGET {session}.{ordinal}", self._append(state, ("unforget", session, ordinal))
        for bit in bits(log.swept & (store | index)):
            if index & bit:
                yield "delete index", (number, store, index & ~bit, actors, surveys)
            else:
                yield "delete pack", (number, store & ~bit, index, actors, surveys)

    def _may_unforget(self, number: int, session: int, ordinal: int, cover: int) -> bool:
        needed = [name_of(bit) for bit in bits(cover)]
        return self.log.allowed(number, ("unforget", session, ordinal, cover),
                                lambda s: guards.may_unforget(s, [snapshot_id(session, ordinal)], needed))  # fmt: skip

    def _prune(self, state: State, place: int) -> Iterator[Move]:
        number, store, index, actors, surveys = state
        log = self.log.logs[number]
        need = 0
        for session, ordinal in log.living:
            need |= self.scene.needs[session][ordinal]
        there = index & ~log.swept
        found = covers(need, there & ~log.condemned, bases=self.bases) or covers(need, there, bases=self.bases)
        for cover in found:
            if surveys[place] != (cover, True):
                yield f"survey {place}", (number, store, index, actors, _put(surveys, place, (cover, True)))
        cover, fresh = surveys[place]
        if cover < 0:
            return
        for bit in bits(store & ~log.condemned & ~log.swept):
            if self._may("condemn", number, bit, cover, fresh):
                yield "CONDEMN", self._append(state, ("condemn", bit, 0))
        if self.scene.lets_go:
            for session in range(len(log.closed)):
                if log.begun[session] and self._may_let_go(number, session, cover, fresh):
                    yield f"LET GO {session}", self._append(state, ("let-go", session, 0))
        for bit in bits(log.condemned):
            if bit & cover:
                yield "UNCONDEMN", self._append(state, ("uncondemn", bit, 0))
            if self._may("sweep", number, bit, cover, fresh):
                yield "SWEEP", self._append(state, ("sweep", bit, 0))
                if self.rash:
                    yield "delete unswept", (number, store & ~bit, index & ~bit, actors, surveys)

    def _may_let_go(self, number: int, session: int, cover: int, fresh: bool) -> bool:
        return self.log.allowed(
            number,
            ("let-go", session, cover, fresh),
            lambda s: guards.may_let_go(s, [session_id(session)], self.log.cover(number, cover, fresh=fresh)),
        )

    def _may(self, kind: str, number: int, bit: int, cover: int, fresh: bool) -> bool:
        guard = guards.may_condemn if kind == "condemn" else guards.may_sweep
        body = records.Condemn if kind == "condemn" else records.Sweep

        def ask(state: LogState) -> Iterator[guards.Refusal]:
            yield from guards.may_append(state, body)
            yield from guard(state, [name_of(bit)], self.log.cover(number, cover, fresh=fresh))

        return self.log.allowed(number, (kind, bit, cover, fresh), ask)


def _present(view: int, base_in: int) -> int:
    """The chunks that a writer need not write, when it looks for bases in ``base_in``."""
    return sum(
        chunk for chunk in (A, B)
        if view & FULLS[chunk] or (view & DELTAS[chunk] and base_in & FULLS[chunk ^ 3])
    )  # fmt: skip


def _put(row: tuple, place: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*row[:place], value, *row[place + 1 :])


def _with(state: State, place: int, actor: Actor) -> State:
    return (*state[:3], _put(state[3], place, actor), state[4])
