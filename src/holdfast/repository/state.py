"""What the log says at its head, and the one transition that moves it forward by a record.

A record that breaks the *chain* (wrong number, wrong predecessor, a second Init) means damage and raises
Damaged. A record that breaks a *rule* (a Snapshot of an expired session, a Forget of a pinned snapshot) is
never written by a client that keeps the rules, because a writer has read everything before it appends. Since
the log cannot be unwritten, refusing to read on would lock everybody out of every good snapshot: such a
record is void. It counts for nothing, every reader agrees on that, and ``voids`` names it for ``check``. The
one exception is a Sweep: its packs may be deleted already, so they are absent, right or wrong.

A record of a kind that this version does not know changes nothing here but ``unknown``, which binds what may be
appended from then on (guards.may_append).

A record that is lost (``skip``) leaves a gap: what follows still counts as far as it can, for reading only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from holdfast.model.errors import Damaged, NewerFormat
from holdfast.model.ids import is_id
from holdfast.repository import records as rec
from holdfast.repository.checkpoint import Checkpoint, LoggedSnapshot, Session
from holdfast.repository.packset import PackSet
from holdfast.repository.records import PackName


class LogState:
    """The repository's truth at one head of the log. Read the attributes, change them by ``apply`` only.

    ``number`` and ``hash`` of the last record (0 and zeros before the first); ``sessions`` and ``snapshots``
    by id in log order; ``open`` the ids of open sessions; ``condemned`` maps a pack to the number of its
    Condemn record; ``swept`` packs are absent for ever; ``last_gain`` is the number of the last record that
    made anything reachable (Snapshot, Unforget); ``voids`` lists records that count for nothing, with the
    reason; ``gaps`` the numbers of lost records: with any of them nothing may be appended; ``unknown`` maps each
    kind of record that this version does not know to the strictest mark it was met with; ``time`` of the last record,
    by its writer's clock: it is noted beside what is forgotten, no transition depends on it.
    """

    __slots__ = (
        "condemned", "config_hash", "gaps", "hash", "keys", "last_gain", "number", "open", "repository", "sessions",
        "snapshots", "swept", "time", "unknown", "voids",
    )  # fmt: skip

    def __init__(self) -> None:
        self.number = 0
        self.hash = rec.NO_HASH
        self.repository = ""
        self.config_hash = b""
        self.sessions: dict[str, Session] = {}
        self.open: dict[str, int] = {}
        self.snapshots: dict[str, LoggedSnapshot] = {}
        self.condemned: dict[PackName, int] = {}
        self.swept = PackSet()
        self.keys: dict[str, rec.KeyAdded] = {}
        self.last_gain = 0
        self.voids: list[tuple[int, str]] = []
        self.gaps: list[int] = []
        self.unknown: dict[str, str] = {}
        self.time = ""

    def living(self) -> list[LoggedSnapshot]:
        """Snapshots that are not forgotten, oldest first in log order."""
        return [snapshot for snapshot in self.snapshots.values() if not snapshot.forgotten]

    def blockers(self, pack: PackName) -> list[str]:
        """The open sessions that began before ``pack`` was condemned: its sweep waits for them."""
        condemned_at = self.condemned[pack]
        return [session for session, begin in self.open.items() if begin < condemned_at]

    def closed(self, session_id: str) -> bool:
        """Whether this session has begun and is over; also of sessions that the log has let go of."""
        known = self.sessions.get(session_id)
        if known is not None:
            return not known.open
        return is_id(session_id) and self.swept.holds_all_of(bytes.fromhex(session_id))

    def apply_bytes(self, data: bytes, where: str = "log") -> rec.Envelope | rec.Foreign:
        """Decode the plain bytes of the next record and apply it; see ``apply``. Returns the record."""
        envelope = rec.decode(data, where)
        self.apply(envelope, rec.record_hash(data), where)
        return envelope

    def apply(self, envelope: rec.Envelope | rec.Foreign, digest: bytes, where: str = "log") -> None:
        """Move on by a record whose plain bytes hash to ``digest``. Damaged, and unchanged, if it cannot."""
        if envelope.number != self.number + 1:
            raise Damaged(f"log record {envelope.number} stands where {self.number + 1} belongs", where=where,
                          hint="holdfast check")  # fmt: skip
        if envelope.previous != self.hash and self.number not in self.gaps[-1:]:
            raise Damaged(
                f"log record {envelope.number} does not follow record {self.number}",
                where=where,
                why="it names another predecessor: a record was changed, swapped, or belongs to another log",
                hint="holdfast check",
            )
        body = envelope if isinstance(envelope, rec.Foreign) else envelope.body
        if isinstance(body, rec.Init) != (envelope.number == 1):
            kind = type(body).__name__
            raise Damaged(f"log record {envelope.number} is a {kind} record", where=where,
                          why="the first record, and only the first, is an Init record")  # fmt: skip
        self.advance(body, "" if isinstance(envelope, rec.Foreign) else envelope.time)
        self.hash = digest

    def advance(self, body: rec.Body | rec.Foreign, time: str = "") -> None:
        """The transition itself, for a record whose place in the chain was checked (``apply`` does)."""
        self.number += 1
        self.time = time
        _TRANSITIONS[type(body)](self, body)

    def skip(self) -> None:
        """Move on by a record that cannot be had. Whatever its successor names as predecessor is then believed."""
        self.number += 1
        self.hash = rec.NO_HASH
        self.gaps.append(self.number)

    @property
    def tells_when(self) -> bool:
        """Whether it knows of each forgotten snapshot when that was: a checkpoint of an older version does not."""
        return all(each.forgotten_at is not None for each in self.snapshots.values() if each.forgotten)

    def copy(self) -> LogState:
        """An independent state of the same log; costs the size of the dictionaries, not of their values."""
        twin = LogState.__new__(LogState)
        for name in LogState.__slots__:
            value = getattr(self, name)
            setattr(twin, name, value.copy() if isinstance(value, (dict, list, PackSet)) else value)
        return twin

    def to_checkpoint(self) -> bytes:
        """Everything, head number and hash included, as the plain bytes of ``log/checkpoint-<n>``."""
        return Checkpoint(
            number=self.number,
            hash=self.hash,
            repository=self.repository,
            config_hash=self.config_hash,
            sessions=list(self.sessions.values()),
            snapshots=list(self.snapshots.values()),
            condemned=self.condemned,
            swept=self.swept.runs,
            keys=list(self.keys.values()),
            last_gain=self.last_gain,
            voids=self.voids,
            later=self.unknown,
        ).encode()

    @staticmethod
    def from_checkpoint(data: bytes, where: str = "checkpoint") -> LogState:
        """The state that ``to_checkpoint`` wrote. Damaged (the log itself still tells all), NewerFormat."""
        stored = Checkpoint.decode(data, where)
        state = LogState()
        state.number, state.hash = stored.number, stored.hash
        state.repository, state.config_hash = stored.repository, stored.config_hash
        state.sessions = {session.id: session for session in stored.sessions}
        state.open = {session.id: session.begin for session in stored.sessions if session.open}
        state.snapshots = {snapshot.info.id: snapshot for snapshot in stored.snapshots}
        state.condemned, state.swept = stored.condemned, PackSet(stored.swept)
        state.keys = {key.slot: key for key in stored.keys}
        state.last_gain, state.voids = stored.last_gain, stored.voids
        for kind, without in stored.later.items():
            if kind not in rec.KINDS:
                _bind(state, kind, without, where)
        return state


def _void(state: LogState, reason: str) -> None:
    if state.gaps:
        return  # what it refers to may stand in a lost record: nobody broke a rule
    state.voids.append((state.number, reason))


def _init(state: LogState, body: rec.Init) -> None:
    state.repository = body.repository
    state.config_hash = body.config_hash
    state.keys = {key.slot: key for key in body.keys}


def _begin(state: LogState, body: rec.Begin) -> None:
    if body.session in state.sessions or state.closed(body.session):
        return _void(state, f"session {body.session} begins a second time")
    state.sessions[body.session] = Session(body.session, state.number, body.purpose, "open", body)
    state.open[body.session] = state.number
    return None


def _snapshot(state: LogState, body: rec.Snapshot) -> None:
    begin_lost = bool(state.gaps) and body.session not in state.sessions
    if body.session not in state.open and not begin_lost:
        return _void(state, f"snapshot {body.id} of session {body.session}, which is not open")
    if body.id in state.snapshots:
        return _void(state, f"snapshot {body.id} exists already")
    state.snapshots[body.id] = LoggedSnapshot(body.info, body.root, body.session, state.number)
    state.last_gain = state.number
    return None


def _close(state: LogState, session_id: str, status: str) -> None:
    if session_id not in state.open:
        return _void(state, f"session {session_id} is closed, but was not open")
    session = state.sessions[session_id]
    del state.open[session_id]
    state.sessions[session_id] = Session(session_id, session.begin, session.purpose, status)
    return None


def _end(state: LogState, body: rec.End) -> None:
    _close(state, body.session, "ended")


def _expire(state: LogState, body: rec.Expire) -> None:
    _close(state, body.session, "expired")


def _mark(state: LogState, ids: list[str], allowed: Callable[[LoggedSnapshot], bool], **change: Any) -> bool:
    changed = False
    for snapshot_id in ids:
        snapshot = state.snapshots.get(snapshot_id)
        if snapshot is None or not allowed(snapshot):
            _void(state, f"{change} does not apply to snapshot {snapshot_id}")
        else:
            state.snapshots[snapshot_id] = msgspec.structs.replace(snapshot, **change)
            changed = True
    return changed


def _forget(state: LogState, body: rec.Forget) -> None:
    _mark(state, body.snapshots, lambda snapshot: not snapshot.pinned, forgotten=True, forgotten_at=state.time)


def _unforget(state: LogState, body: rec.Unforget) -> None:
    if _mark(state, body.snapshots, lambda snapshot: snapshot.forgotten, forgotten=False, forgotten_at=None):
        state.last_gain = state.number


def _pin(state: LogState, body: rec.Pin) -> None:
    _mark(state, body.snapshots, lambda snapshot: not snapshot.forgotten, pinned=True)


def _unpin(state: LogState, body: rec.Unpin) -> None:
    _mark(state, body.snapshots, lambda _snapshot: True, pinned=False)


def _key_added(state: LogState, body: rec.KeyAdded) -> None:
    state.keys[body.slot] = body


def _key_removed(state: LogState, body: rec.KeyRemoved) -> None:
    if state.keys.pop(body.slot, None) is None:
        _void(state, f"key slot {body.slot} is removed, but is not there")


def _condemn(state: LogState, body: rec.Condemn) -> None:
    # A pack that is condemned already keeps its first number: the sessions between the two records treat it
    # as absent and must not hold up its sweep, so both questions have to see the same number.
    for pack in body.packs:
        if pack in state.swept:
            _void(state, f"pack {pack.hex()} is condemned, but was swept")
        else:
            state.condemned.setdefault(pack, state.number)


def _uncondemn(state: LogState, body: rec.Uncondemn) -> None:
    for pack in body.packs:
        if state.condemned.pop(pack, None) is None:
            _void(state, f"pack {pack.hex()} is taken back, but is not condemned")


def _sweep(state: LogState, body: rec.Sweep) -> None:
    for pack in body.packs:
        if state.condemned.pop(pack, None) is None:
            _void(state, f"pack {pack.hex()} is swept, but was not condemned")
        state.swept.add(pack)
    for snapshot_id in body.gone:
        snapshot = state.snapshots.get(snapshot_id)
        if snapshot is not None and snapshot.forgotten:
            del state.snapshots[snapshot_id]


def _let_go(state: LogState, body: rec.LetGo) -> None:
    gone: set[bytes] = set()
    for session_id in body.sessions:
        known = session_id in state.sessions or bool(state.gaps)
        if session_id in state.open or not known or not is_id(session_id):
            _void(state, f"session {session_id} is let go of, but is not closed")
            continue
        state.sessions.pop(session_id, None)
        session = bytes.fromhex(session_id)
        state.swept.add_all_of(session)
        gone.add(session)
    state.condemned = {pack: at for pack, at in state.condemned.items() if pack[:16] not in gone}


def _foreign(state: LogState, body: rec.Foreign) -> None:
    _bind(state, body.kind, body.without, "log")


def _bind(state: LogState, kind: str, without: str, where: str) -> None:
    if without not in _BINDING:
        raise NewerFormat(f"there are log records of a kind this version does not know: {kind}", where=where,
                          hint=rec.UPGRADE)  # fmt: skip
    strictest = min(without, state.unknown.get(kind, rec.Without.SKIP), key=_BINDING.index)
    state.unknown[kind] = strictest


_BINDING: tuple[str, ...] = (rec.Without.READ, rec.Without.KEEP, rec.Without.SKIP)
_TRANSITIONS: dict[type, Callable[[LogState, Any], None]] = {
    rec.Init: _init,
    rec.Begin: _begin,
    rec.Snapshot: _snapshot,
    rec.End: _end,
    rec.Expire: _expire,
    rec.Forget: _forget,
    rec.Unforget: _unforget,
    rec.Pin: _pin,
    rec.Unpin: _unpin,
    rec.KeyAdded: _key_added,
    rec.KeyRemoved: _key_removed,
    rec.Condemn: _condemn,
    rec.Uncondemn: _uncondemn,
    rec.Sweep: _sweep,
    rec.LetGo: _let_go,
    rec.Foreign: _foreign,
}
