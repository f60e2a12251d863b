"""The real transition and the real guards, asked once for every log that differs in what matters.

Two logs are the same log when every later question has the same answer: the status of each session, which
packs are condemned and which open sessions began before that, what is swept, which snapshots live or are
forgotten. Numbers and hashes grow for ever, but are only ever compared; so the number of logs is finite
although their length is not, and the exploration needs no bound on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.model.world import all_packs_of, bits, name_of, session_id

from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository import guards, records
from holdfast.repository.guards import Cover, Refusal, Rule
from holdfast.repository.state import LogState

Step = tuple[str, int, int]
"""A record, short: kind, session or pack mask, snapshot's ordinal within the session.

"hold" is of a kind that nobody here knows: with it, a later version keeps what a snapshot needs, forgotten or not.
"""

PLAIN_INFO = SnapshotInfo(
    id="", run="", source="s", kind="files", trigger="manual", status="complete", created_at="", rows=None,
    item_count=0, bytes_source=0, bytes_read=0, bytes_new=0, bytes_stored=0, seconds=0.0, not_protected=[], warnings=[],
)  # fmt: skip


def snapshot_id(session: int, ordinal: int) -> str:
    """The identifier of the ``ordinal``-th snapshot of a session."""
    return f"{session:016x}{ordinal:016x}"


def body_of(step: Step) -> records.Body | records.Foreign:
    """The record that ``step`` stands for."""
    kind, who, ordinal = step
    if kind == "hold":
        return records.Foreign(number=0, previous=b"", kind=kind, without=records.Without.KEEP)
    packs = [name_of(bit) for bit in bits(who)] if kind in {"condemn", "uncondemn", "sweep"} else []
    match kind:
        case "begin":
            return records.Begin(session=session_id(who), purpose="backup", host="", boot="", pid=0, started="",
                                 version="", time="")  # fmt: skip
        case "snapshot":
            info = SnapshotInfo(**{**_fields(PLAIN_INFO), "id": snapshot_id(who, ordinal)})
            return records.Snapshot(session=session_id(who), info=info, root=b"")
        case "end":
            return records.End(session=session_id(who))
        case "expire":
            return records.Expire(session=session_id(who), reason="")
        case "forget":
            return records.Forget(snapshots=[snapshot_id(who, ordinal)])
        case "unforget":
            return records.Unforget(snapshots=[snapshot_id(who, ordinal)])
        case "condemn":
            return records.Condemn(packs=packs)
        case "uncondemn":
            return records.Uncondemn(packs=packs)
        case "let-go":
            return records.LetGo(sessions=[session_id(who)])
    return records.Sweep(packs=packs)


def _fields(info: SnapshotInfo) -> dict[str, object]:
    return {name: getattr(info, name) for name in info.__struct_fields__}


@dataclass(slots=True)
class Log:
    """One log, up to what matters. Masks of packs, tuples by session, and what was asked of it already."""

    state: LogState
    open: tuple[bool, ...]
    begun: tuple[bool, ...]
    closed: tuple[bool, ...]
    living: tuple[tuple[int, int], ...]
    forgotten: tuple[tuple[int, int], ...]
    condemned: int
    swept: int
    unusable: tuple[int, ...]
    held: frozenset[tuple[int, int]] = frozenset()
    after: dict[Step, int] = field(default_factory=dict)
    answers: dict[tuple[object, ...], frozenset[Rule]] = field(default_factory=dict)


class Machine:
    """All logs met so far, by number. ``off`` names rules whose refusals are ignored.

    ``void``: readers do not count what breaks a rule. ``folded``: each log is read from a checkpoint of the one before
    (True), or from one in which unknown kinds were left out (False); None: record by record.
    """

    def __init__(
        self, sessions: int, snapshots: int, off: frozenset[Rule], *, void: bool = True, folded: bool | None = None
    ) -> None:
        self.folded = folded
        self.sessions = sessions
        self.snapshots = snapshots
        self.off = off
        self.void = void
        self.logs: list[Log] = []
        self.numbers: dict[tuple[object, ...], int] = {}
        self.packs: dict[bytes, int] = {}
        self.start = self._number(self._first())

    @staticmethod
    def _first() -> LogState:
        state = LogState()
        state.advance(records.Init(repository="", config_hash=b""))
        return state

    def after(self, number: int, step: Step) -> int:
        """The log with one more record, whatever the guards say."""
        log = self.logs[number]
        known = log.after.get(step)
        if known is None:
            state = self._read(log.state)
            if step[0] in {"condemn", "sweep"}:
                self.packs.update((name_of(bit), bit) for bit in bits(step[1]))
            body = body_of(step)
            if isinstance(body, records.Snapshot) and not self.void and body.session not in state.open:
                state.open[body.session] = 0  # a reader that counts what rule 1 forbids
                state.advance(body)
                del state.open[body.session]
            else:
                state.advance(body)
            held = log.held | {step[1:]} if step[0] == "hold" else log.held
            known = log.after[step] = self._number(state, held)
        return known

    def _read(self, state: LogState) -> LogState:
        if self.folded is None:
            return state.copy()
        state = LogState.from_checkpoint(state.to_checkpoint())
        if not self.folded:
            state.unknown.clear()
        return state

    def allowed(self, number: int, question: tuple[object, ...], ask: Callable[[LogState], Iterable[Refusal]]) -> bool:
        """Whether the guard that ``question`` names lets the record pass, ignoring the rules that are off."""
        log = self.logs[number]
        known = log.answers.get(question)
        if known is None:
            known = log.answers[question] = frozenset(refusal.rule for refusal in ask(log.state))
        return known <= self.off

    def cover(self, number: int, packs: int, *, fresh: bool) -> Cover:
        """A cover counted at the head, or just before the last record that made something reachable."""
        state = self.logs[number].state
        return Cover(state.number if fresh else state.last_gain - 1, frozenset(map(name_of, bits(packs))))

    def _number(self, state: LogState, holds: frozenset[tuple[int, int]] = frozenset()) -> int:
        log = self._facts(state)
        log.held = holds
        held = tuple(sorted((self.packs[p], tuple(sorted(state.blockers(p)))) for p in state.condemned))
        unknown = tuple(state.unknown.items())
        key = (log.open, log.begun, log.closed, log.living, log.forgotten, held, log.swept, holds, unknown)
        known = self.numbers.get(key)
        if known is None:
            known = self.numbers[key] = len(self.logs)
            self.logs.append(log)
        return known

    def _facts(self, state: LogState) -> Log:
        ids = [session_id(i) for i in range(self.sessions)]
        living, forgotten = [], []
        for i in range(self.sessions):
            for j in range(self.snapshots):
                found = state.snapshots.get(snapshot_id(i, j))
                if found is not None:
                    (forgotten if found.forgotten else living).append((i, j))
        marked = {pack: self.packs[pack] for pack in [*state.condemned, *state.swept]}
        over = [n for n, i in enumerate(ids) if state.swept.holds_all_of(bytes.fromhex(i))]
        let_go = sum(all_packs_of(n) for n in over)
        unusable = []
        for i in ids:
            absent = [bit for pack, bit in marked.items() if not guards.usable_pack(state, pack, i)]
            unusable.append(sum(absent) | let_go)
        return Log(
            state=state,
            open=tuple(i in state.open for i in ids),
            begun=tuple(i in state.sessions or state.closed(i) for i in ids),
            closed=tuple(i in state.sessions and i not in state.open for i in ids),
            living=tuple(living),
            forgotten=tuple(forgotten),
            condemned=sum(self.packs[pack] for pack in state.condemned),
            swept=sum(self.packs[pack] for pack in state.swept) | let_go,
            unusable=tuple(unusable),
        )
