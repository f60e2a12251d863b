"""What may be appended to the log now: pure questions a writer asks at the head, right before it appends.

The writer has applied every record up to the head; if another client appends first, its put_new fails and it
asks again. So whatever a guard saw is still true when the record stands. Each ``may_…`` yields its refusals
(none: go ahead); ``require`` raises the first one. docs/protocol.md derives the rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass
from enum import StrEnum

from holdfast.model.errors import HoldfastError, NewerFormat, RepositoryBusy, SessionExpired, UsageError
from holdfast.model.ids import short
from holdfast.repository.records import LETTING_GO, UPGRADE, PackName, Without, split_pack
from holdfast.repository.state import LogState


class Rule(StrEnum):
    """The rules of the log, by which a refusal says what it protects."""

    CLOSED_CANNOT_COMMIT = "a closed session commits nothing"
    CONDEMNED_IS_ABSENT = "a session that begins after a pack was condemned treats it as absent"
    SWEEP_WAITS = "a sweep waits for every session that began before the pack was condemned"
    SWEEP_UNREACHABLE = "only packs that no living snapshot needs are swept"
    COVER_STANDS = "what stays needed is found outside condemned packs"
    SWEPT_IS_GONE = "nothing comes back that needs a swept pack"
    OPEN_SESSIONS_KEEP = "packs of open sessions are left alone"
    PINNED_STAYS = "a pinned snapshot is not forgotten"
    LET_GO_WAITS = "a closed session is let go of only while none is open"
    UNKNOWN_BINDS = "what a newer holdfast wrote binds those who do not know it"
    FIRST_COME = "a pack is condemned, taken back or swept by one prune"
    SENSE = "the record applies to what is there"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record may not be appended now: the rule it would break and the sentence for a person."""

    rule: Rule
    reason: str

    def error(self) -> HoldfastError:
        """The refusal as an error of the fitting kind."""
        if self.rule is Rule.CLOSED_CANNOT_COMMIT:
            return SessionExpired(
                self.reason,
                hint="run the backup again: what has arrived is reused",
            )
        if self.rule is Rule.UNKNOWN_BINDS:
            return NewerFormat(self.reason, hint=UPGRADE)
        if self.rule in {Rule.SENSE, Rule.PINNED_STAYS, Rule.SWEPT_IS_GONE}:
            return UsageError(self.reason)
        return RepositoryBusy(self.reason, why=self.rule.value, retryable=True)


@dataclass(frozen=True, slots=True)
class Cover:
    """Proof that others can go: each chunk of each snapshot alive at record ``head`` resolves in ``packs``.

    Resolves: a full copy lies in one of ``packs``, or a delta copy does and a full copy of its base too.
    """

    head: int
    packs: Set[PackName]


def require(refusals: Iterable[Refusal]) -> None:
    """Raise the first refusal as an error: SessionExpired, UsageError or (try again) RepositoryBusy."""
    for refusal in refusals:
        raise refusal.error()


def usable_pack(state: LogState, pack: PackName, session: str) -> bool:
    """Whether open ``session``, having read the log up to ``state``, may rely on what ``pack`` holds.

    Rely: leave a chunk out because the pack has it, take it as delta base, copy or restore from it. The
    answer stays true until the session closes. Derivation: the store keeps a pack at least until a Sweep, a
    Sweep needs a Condemn before it, and it waits for every open session that began before that Condemn. So

    - not condemned at some head that the session has read since its Begin: any Condemn in force later is
      younger than that head, hence younger than the Begin, and its Sweep waits for this session. Usable, and
      it stays so even when the pack is condemned afterwards.
    - condemned before the Begin and ever since: the Sweep does not wait for this session and may come at any
      time, whatever the session does. Not usable (rule 2).
    - condemned before the Begin, taken back, condemned again after it: the number in force is the younger
      one, the Sweep waits. Usable; the comparison below needs only the number in force.

    In one sentence: a pack is usable exactly when its sweep would have to wait for this session. A session
    that needs an unusable pack (a restore whose snapshot has no other copy) appends Uncondemn first, and then
    may.
    """
    if pack in state.swept:
        return False
    condemned_at = state.condemned.get(pack)
    return condemned_at is None or state.open.get(session, condemned_at) < condemned_at


def to_take_back(state: LogState, packs: Iterable[PackName], session: str) -> list[PackName]:
    """The packs among those needed that ``session`` has to Uncondemn before it may rely on them."""
    return [pack for pack in packs if pack in state.condemned and not usable_pack(state, pack, session)]


def may_append(state: LogState, body: type) -> Iterator[Refusal]:
    """What every record has to ask first: whether unknown kinds in the log leave this client free to write it."""
    for kind, without in state.unknown.items():
        if without == Without.READ:
            what = f"a newer holdfast wrote a record ({kind}) that only lets this version read"
            yield Refusal(Rule.UNKNOWN_BINDS, what)
        elif without == Without.KEEP and issubclass(body, LETTING_GO):
            what = f"a newer holdfast wrote a record ({kind}) that may protect what this version would let go"
            yield Refusal(Rule.UNKNOWN_BINDS, what)


def may_begin(state: LogState, session: str) -> Iterator[Refusal]:
    """A session may begin once."""
    if session in state.sessions or state.closed(session):
        yield Refusal(Rule.SENSE, f"session {short(session)} has begun before")


def may_close(state: LogState, session: str) -> Iterator[Refusal]:
    """End or Expire: of an open session."""
    if session not in state.open:
        yield Refusal(Rule.CLOSED_CANNOT_COMMIT, f"session {short(session)} is not open")


def may_snapshot(state: LogState, session: str) -> Iterator[Refusal]:
    """Rule 1: only an open session commits."""
    known = state.sessions.get(session)
    if known is None or not known.open:
        missing = "is over" if state.closed(session) else "was never begun"
        status = missing if known is None else f"is {known.status}"
        yield Refusal(Rule.CLOSED_CANNOT_COMMIT, f"nothing is committed: session {short(session)} {status}")


def may_forget(state: LogState, snapshots: Iterable[str], alive: Iterable[str] = ()) -> Iterator[Refusal]:
    """Snapshots that are there, not forgotten and not pinned, while those of ``alive`` live."""
    for snapshot_id in alive:
        if snapshot_id not in state.snapshots or state.snapshots[snapshot_id].forgotten:
            yield Refusal(Rule.FIRST_COME, f"snapshot {short(snapshot_id)}, which has to stay, was forgotten meanwhile")
    for snapshot_id in snapshots:
        snapshot = state.snapshots.get(snapshot_id)
        if snapshot is None or snapshot.forgotten:
            yield Refusal(Rule.SENSE, f"there is no living snapshot {short(snapshot_id)}")
        elif snapshot.pinned:
            yield Refusal(Rule.PINNED_STAYS, f"snapshot {short(snapshot_id)} is pinned: unpin it first")


def may_unforget(
    state: LogState, snapshots: Iterable[str], needed: Collection[PackName]
) -> Iterator[Refusal]:
    """Forgotten snapshots whose every chunk resolves within the packs ``needed``, of which none is swept."""
    for snapshot_id in snapshots:
        snapshot = state.snapshots.get(snapshot_id)
        if snapshot is None:
            reason = f"snapshot {short(snapshot_id)} cannot be brought back: it is not there, or its data was pruned"
            yield Refusal(Rule.SENSE, reason)
        elif not snapshot.forgotten:
            yield Refusal(Rule.SENSE, f"there is no forgotten snapshot {short(snapshot_id)}")
    lost = sum(pack in state.swept for pack in needed)
    if lost:
        yield Refusal(Rule.SWEPT_IS_GONE, f"it cannot be brought back: {lost} of its packs were pruned")


def may_pin(state: LogState, snapshots: Iterable[str]) -> Iterator[Refusal]:
    """Living snapshots."""
    for snapshot_id in snapshots:
        snapshot = state.snapshots.get(snapshot_id)
        if snapshot is None or snapshot.forgotten:
            yield Refusal(Rule.SENSE, f"there is no living snapshot {short(snapshot_id)}")


def may_unpin(state: LogState, snapshots: Iterable[str]) -> Iterator[Refusal]:
    """Snapshots that are there."""
    for snapshot_id in snapshots:
        if snapshot_id not in state.snapshots:
            yield Refusal(Rule.SENSE, f"there is no snapshot {short(snapshot_id)}")


def may_remove_key(state: LogState, slot: str) -> Iterator[Refusal]:
    """Any slot that is there, but never the last one."""
    if slot not in state.keys:
        yield Refusal(Rule.SENSE, f"there is no key slot {slot}")
    elif len(state.keys) == 1:
        yield Refusal(Rule.SENSE, "the last key slot cannot be removed: nobody could open the repository")


def may_condemn(state: LogState, packs: Collection[PackName], cover: Cover) -> Iterator[Refusal]:
    """Packs of closed sessions, neither condemned nor swept, without which ``cover`` still stands.

    The cover may be older than the head: a snapshot committed since may need one of ``packs``; it stays
    readable, because its sweep will be refused, and prune takes the pack back.
    """
    for pack in packs:
        session, number = split_pack(pack)
        known = state.sessions.get(session)
        label = f"pack {short(session)}/{number}"
        if known is None:
            yield Refusal(Rule.SENSE, f"{label}: the log does not know its session")
        elif known.open:
            yield Refusal(Rule.OPEN_SESSIONS_KEEP, f"{label}: its session is still open")
        if pack in state.condemned or pack in state.swept:
            yield Refusal(Rule.FIRST_COME, f"{label} is condemned or swept already")
    yield from _cover_stands(state, packs, cover)


def may_uncondemn(state: LogState, packs: Iterable[PackName]) -> Iterator[Refusal]:
    """Packs that are condemned and not swept; always safe."""
    for pack in packs:
        if pack not in state.condemned:
            yield Refusal(Rule.FIRST_COME, f"pack {short(pack.hex())} is not condemned")


def may_sweep(state: LogState, packs: Collection[PackName], cover: Cover) -> Iterator[Refusal]:
    """Rule 3: condemned packs that no older open session holds and no snapshot living at the head needs."""
    waiting: set[str] = set()
    for pack in packs:
        if pack not in state.condemned:
            yield Refusal(Rule.FIRST_COME, f"pack {short(pack.hex())} is not condemned")
        else:
            waiting.update(state.blockers(pack))
    if waiting:
        names = ", ".join(short(session) for session in sorted(waiting))
        yield Refusal(Rule.SWEEP_WAITS, f"sessions that began before are still open: {names}")
    yield from may_rely(state, cover)
    yield from _cover_stands(state, packs, cover)


def may_let_go(state: LogState, sessions: Collection[str], cover: Cover) -> Iterator[Refusal]:
    """Closed sessions of which no snapshot living at the head needs a pack, while no session is open.

    It sweeps every pack of theirs without a Condemn before, those too that a stalled process brings later; so it must
    not matter to anybody who began before, and the only ones known not to mind are those who are not there.
    """
    for session in sessions:
        if session not in state.sessions:
            yield Refusal(Rule.FIRST_COME, f"session {short(session)} is not there, or was let go of already")
    if state.open:
        names = ", ".join(short(session) for session in sorted(state.open))
        yield Refusal(Rule.LET_GO_WAITS, f"sessions are open: {names}")
    mine = {bytes.fromhex(session) for session in sessions}
    yield from may_rely(state, cover)
    yield from _cover_stands(state, [pack for pack in cover.packs if pack[:16] in mine], cover)


def still_proves(state: LogState, cover: Cover) -> bool:
    """Whether a cover that was counted a while ago proves at this head, too, what may go."""
    return not any((*may_rely(state, cover), *_cover_stands(state, (), cover)))


def may_rely(state: LogState, cover: Cover) -> Iterator[Refusal]:
    """A cover that is younger than whatever made anything reachable."""
    if state.last_gain > cover.head:
        yield Refusal(
            Rule.SWEEP_UNREACHABLE,
            f"a snapshot came to life in record {state.last_gain}, after needs were counted at {cover.head}",
        )


def _cover_stands(state: LogState, packs: Collection[PackName], cover: Cover) -> Iterator[Refusal]:
    needed = sum(pack in cover.packs for pack in packs)
    if needed:
        yield Refusal(Rule.SWEEP_UNREACHABLE, f"{needed} of the packs are needed by living snapshots")
    condemned = sum(pack in cover.packs for pack in state.condemned)
    if condemned:
        yield Refusal(Rule.COVER_STANDS, f"{condemned} needed packs are condemned: take them back first")
    if state.swept and any(pack in state.swept for pack in cover.packs):
        yield Refusal(Rule.COVER_STANDS, "a needed pack was swept by another prune: count needs again")
