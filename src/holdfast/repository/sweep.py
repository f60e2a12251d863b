"""Carry out a prune plan. Order: copies, then records, then index, then packs; a kill anywhere loses nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from holdfast.model.errors import Damaged, HoldfastError, ObjectMissing, RepositoryBusy, StorageFull
from holdfast.model.prune import Fate, PrunePlan
from holdfast.repository import guards
from holdfast.repository import records as rec
from holdfast.repository.fragments import BASE_ROW_SIZE, ROW_SIZE, Fragment, encode_fragment, split_fragment
from holdfast.repository.layout import HEARTBEATS, INDEX, index_path, pack_path
from holdfast.repository.log import Guard
from holdfast.repository.needs import Needs, Spare, spare_none, unfinished
from holdfast.repository.reader import ChunkReader
from holdfast.repository.rebuild import packs_present
from holdfast.repository.session import Session
from holdfast.repository.state import LogState
from holdfast.repository.vault import DeadPacks, Vault
from holdfast.repository.writer import FRAGMENT_ROWS

_TRIES = 5
_SESSIONS_PER_RECORD = 1000
# Fragments smaller than this are merged with others: every reader fetches each of them.
_SMALL_FRAGMENT = FRAGMENT_ROWS // 4 * ROW_SIZE
_MANY_SMALL = 8


class Sweeper:
    """One prune. ``warn`` hears what could not be done now and costs nothing but space."""

    def __init__(self, vault: Vault, warn: Callable[[str], None]) -> None:
        self._vault = vault
        self._warn = warn
        self._copied = 0
        self._needs: Needs | None = None
        self._spare: Spare = spare_none

    def carry_out(self, plan: PrunePlan, needs: Needs) -> int:
        """Do what ``plan`` says, as far as nobody else needs it meanwhile; returns the bytes freed, copies deducted.

        ``needs``: what the plan was made from. It is counted anew only where it proves nothing any more.
        """
        self._needs, self._spare = needs, needs.spare
        with contextlib.suppress(RepositoryBusy):  # another prune took them back, or swept them, a moment ago
            self._take_back([pack.name for pack in plan.packs(Fate.TAKE_BACK)])
        going = {pack.name for pack in plan.packs(Fate.CONDEMN)}
        copied = self._repack({pack.name for pack in plan.packs(Fate.REPACK)}, needs)
        if copied:
            self._needs = None  # it relies on the packs that were copied
        if going | copied:
            self._condemn(going | copied)
        self._sweep()
        freed = self._free() - self._copied
        self._let_go()
        return freed

    # -- copies ----------------------------------------------------------------------------------------------

    def _repack(self, packs: set[bytes], needs: Needs) -> set[bytes]:
        """Copy what is needed out of ``packs``; returns those that may be condemned now."""
        if not packs:
            return set()
        try:
            with Session(self._vault, "prune") as session:
                for place, base in needs.chosen(packs):
                    session.copy(place.type, session.reader.read(place.id), base or None)
                session.flush()
            self._copied += session.bytes_stored
        except StorageFull as error:
            self._warn(f"There is no room for repacking, so only whole packs are freed: {error.what}")
            return set()
        return packs

    # -- records ---------------------------------------------------------------------------------------------

    def _take_back(self, packs: list[bytes]) -> None:
        for part in map(list, rec.split_packs(packs)):
            self._append(rec.Uncondemn(packs=part), partial(_may_uncondemn, part))

    def _condemn(self, packs: set[bytes]) -> None:
        """Condemn what nothing needs once the copies count; a pack that is needed after all is left out."""
        needs = self._counted(avoid=packs)
        state = self._vault.log.state
        going = sorted(
            pack for pack in packs if pack not in needs.live and pack not in state.condemned and pack not in state.swept
        )
        try:
            for part in map(list, rec.split_packs(going)):
                self._append(rec.Condemn(packs=part), partial(_may_condemn, part, needs.cover))
        except RepositoryBusy as error:
            self._warn(f"Another prune was faster: {error.what}")

    def _sweep(self) -> None:
        """Sweep every condemned pack that nobody waits for; count again when a snapshot came to life meanwhile."""
        for _ in range(_TRIES):
            self._vault.log.follow()
            state = self._vault.log.state
            free = [pack for pack in state.condemned if not state.blockers(pack)]
            if not free:
                return
            needs = self._counted(avoid=set(state.condemned))
            free = sorted(pack for pack in free if pack not in needs.live)
            try:
                self._take_back([pack for pack in state.condemned if pack in needs.live])
                for part in map(list, rec.split_packs(free)):
                    last = part[-1] == free[-1]
                    body = rec.Sweep(packs=part, gone=self._beyond_recovery(free) if last else [])
                    self._append(body, partial(_may_sweep, part, needs.cover))
            except RepositoryBusy:
                self._needs = None
                continue
            return
        self._warn("Other clients were busy all the time; the next prune frees what is condemned.")

    def _beyond_recovery(self, going: list[bytes]) -> list[str]:
        """Forgotten snapshots of which the last known copy of the manifest's root goes with these packs."""
        state, lost = self._vault.log.state, set(going)
        gone = []
        for snapshot in state.snapshots.values():
            if not snapshot.forgotten:
                continue
            packs = {place.pack for place in self._vault.index.locations(snapshot.root)}
            if packs and all(pack in lost or pack in state.swept for pack in packs):
                gone.append(snapshot.info.id)
        return gone

    def _let_go(self) -> None:
        """Let the log go of closed sessions of which nothing is left, when nobody is there who could mind."""
        self._vault.log.follow()
        state, needs = self._vault.log.state, self._needs
        if needs is None or state.open:
            return
        kept = {pack[:16].hex() for pack in packs_present(self._vault)} | unfinished(state)
        kept |= {snapshot.session for snapshot in state.snapshots.values()}
        over = [session for session in state.sessions if session not in kept]
        with contextlib.suppress(RepositoryBusy):  # somebody came: the next prune does it
            for at in range(0, len(over), _SESSIONS_PER_RECORD):
                part = over[at : at + _SESSIONS_PER_RECORD]
                self._append(rec.LetGo(sessions=part), partial(_may_let_go, part, needs.cover))

    def _counted(self, avoid: set[bytes]) -> Needs:
        """What is needed, as it was counted last if that still proves what may go, else counted now."""
        state, needs = self._vault.log.state, self._needs
        if needs is None or not guards.still_proves(state, needs.cover):
            self._vault.index.load()
            reader = ChunkReader(self._vault, DeadPacks(self._vault.log, ""))
            needs = self._needs = Needs(self._vault, reader, avoid, spare=self._spare)
        return needs

    def _append(self, body: rec.Body, guard: Guard) -> None:
        self._vault.log.append(body, guard)

    # -- index and packs -------------------------------------------------------------------------------------

    def _free(self) -> int:
        """Drop the rows of swept packs from the index, then the packs themselves."""
        swept = self._vault.log.state.swept
        gone = {name: size for name, size in packs_present(self._vault).items() if name in swept}
        self._rewrite_index()
        freed = 0
        for name, size in gone.items():
            try:
                self._vault.storage.delete(pack_path(name))
                freed += size
            except HoldfastError as error:
                self._warn(f"A pack that nobody needs could not be deleted: {error.what} ({error.where})")
        self._drop_heartbeats()
        return freed

    def _rewrite_index(self) -> None:
        """New fragments without swept rows, then the old ones away. Fragments of open sessions stay as they are."""
        old: list[str] = []
        with Session(self._vault, "prune") as session:
            for number, fragment in enumerate(_refill(self._fragments_to_rewrite(old))):
                name = index_path(session.id, number)
                sealed = self._vault.sealer.seal("index", name, encode_fragment(fragment))
                self._vault.storage.put_new(name, sealed)
            for name in old:
                self._vault.storage.delete(name)
        if old:
            self._vault.index.forget_cache()

    def _fragments_to_rewrite(self, names: list[str]) -> Iterator[Fragment]:
        """Living rows of closed sessions' fragments with swept rows in them, and of small ones when there are several.

        The name of each fragment given out is added to ``names``.
        """
        state = self._vault.log.state
        small: list[tuple[str, Fragment]] = []
        for stat in list(self._vault.storage.list(INDEX)):
            if not state.closed(stat.name.split("/")[1]):
                continue
            with contextlib.suppress(ObjectMissing, Damaged):
                fragment, dropped = self._living_part(stat.name)
                if dropped:
                    names.append(stat.name)
                    yield fragment
                elif stat.size < _SMALL_FRAGMENT:
                    small.append((stat.name, fragment))
        if len(small) >= _MANY_SMALL:
            names += [name for name, _ in small]
            yield from (fragment for _, fragment in small)

    def _living_part(self, name: str) -> tuple[Fragment, bool]:
        swept = self._vault.log.state.swept
        rows, bases, _ = split_fragment(self._vault.sealer.open("index", name, self._vault.storage.get(name)), name)
        all_rows = [bytes(rows[at : at + ROW_SIZE]) for at in range(0, len(rows), ROW_SIZE)]
        all_bases = [bytes(bases[at : at + BASE_ROW_SIZE]) for at in range(0, len(bases), BASE_ROW_SIZE)]
        fragment = Fragment(
            rows=[row for row in all_rows if row[32:52] not in swept],
            bases=[base for base in all_bases if base[32:52] not in swept],
        )
        return fragment, len(fragment.rows) < len(all_rows)

    def _drop_heartbeats(self) -> None:
        state = self._vault.log.state
        with contextlib.suppress(HoldfastError):
            for stat in list(self._vault.storage.list(HEARTBEATS)):
                if state.closed(stat.name.split("/")[1]):
                    self._vault.storage.delete(stat.name)


def _may_uncondemn(packs: list[bytes], state: LogState) -> None:
    guards.require(guards.may_uncondemn(state, packs))


def _may_condemn(packs: list[bytes], cover: guards.Cover, state: LogState) -> None:
    guards.require(guards.may_condemn(state, packs, cover))


def _may_sweep(packs: list[bytes], cover: guards.Cover, state: LogState) -> None:
    guards.require(guards.may_sweep(state, packs, cover))


def _may_let_go(sessions: list[str], cover: guards.Cover, state: LogState) -> None:
    guards.require(guards.may_let_go(state, sessions, cover))


def _refill(parts: Iterable[Fragment]) -> Iterator[Fragment]:
    """The same rows in as few fragments as their bound allows."""
    full = Fragment()
    for part in parts:
        full.rows += part.rows
        full.bases += part.bases
        if len(full.rows) >= FRAGMENT_ROWS:
            yield full
            full = Fragment()
    if full.rows:
        yield full
