"""Who keeps an appointment: of several daemons on one repository the first to say so does, the others leave it alone.

Claim *n* of an appointment is the object ``claims/<job>/<due>/<n>``, created by put_new; how that attempt ended is
``claims/<job>/<due>/<n>-over``. Claims only save work: whether data is safe never depends on them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from blake3 import blake3

from holdfast.crypto.keys import hkdf
from holdfast.model.errors import Damaged, HoldfastError, ObjectExists, ObjectMissing
from holdfast.repository.expiry import store_time
from holdfast.repository.layout import HEARTBEATS
from holdfast.repository.vault import Vault
from holdfast.storage.base import Stat
from holdfast.system import clock

CLAIMS = "claims/"

LEASE = timedelta(minutes=30)
"""By the store's own times: so long after its last sign of life an attempt of another machine counts as given up."""

KEPT = timedelta(days=2)
"""By the store's own times: claims older than that are swept."""

_EARLY = timedelta(hours=1)
"""By the store's own times: what was claimed so long before its time was claimed by a clock that was wrong."""

STOPPED = "interrupted"
"""How an attempt ended whose daemon was told to stop."""

_TRIES = 8
_OVER = "-over"
_T = TypeVar("_T")

_going: set[str] = set()
"""Claims of this process whose attempt goes on, and names that others were faster to take."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes an attempt; process facts as in a Begin record. Fields of later versions are passed over."""

    job: str
    due: str
    attempt: int
    host: str
    boot: str
    pid: int
    started: str
    client: str
    run: str


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended; ``again``: it failed, and trying again may help."""

    status: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``attempt`` is ours to make; 0: it is not, because of ``reason``. ``over``: nobody has to look again."""

    attempt: int
    reason: str = ""
    over: bool = False


class Claims:
    """The claims of one repository. ``job`` names what is done, the same on every daemon ("shop/nightly")."""

    def __init__(self, vault: Vault) -> None:
        self._vault, self._storage, self._sealer = vault, vault.storage, vault.sealer

    def take(self, job: str, due: datetime, run: str, after: str | None = None) -> Verdict:
        """Claim the appointment for ``run`` unless somebody else keeps it, or has kept it.

        ``after``: a run of which is known that nobody carries it out any more.
        """
        for _ in range(_TRIES):
            standing = self._standing(job, due, after)
            if not standing.attempt:
                return standing
            name = self._path(job, due, standing.attempt)
            pid = os.getpid()
            claim = Claim(
                job=job, due=clock.stamp(due), attempt=standing.attempt, host=clock.host(), boot=clock.boot(), pid=pid,
                started=clock.process_started(pid) or "", client=clock.user(), run=run,
            )  # fmt: skip
            _going.add(name)  # before it is there: another thread of this process may look at once
            try:
                self._storage.put_new(name, self._sealer.seal("claim", name, msgspec.msgpack.encode(claim)))
            except ObjectExists:
                continue
            except BaseException:
                _going.discard(name)  # should it be there all the same, nobody makes this attempt
                raise
            return standing
        return Verdict(attempt=0, reason="others were faster")

    def end(self, job: str, due: datetime, attempt: int, ending: Ending) -> None:
        """Tell how an attempt of ours ended. Never raises: who does not hear of it waits for the lease to end."""
        name = self._path(job, due, attempt) + _OVER
        with contextlib.suppress(HoldfastError):
            self._storage.put_new(name, self._sealer.seal("claim", name, msgspec.msgpack.encode(ending)))
        _going.discard(self._path(job, due, attempt))

    def look(self, job: str, due: datetime) -> Verdict:
        """As ``take``, without claiming: ``attempt`` is the one that could be claimed now."""
        return self._standing(job, due)

    def going(self, job: str) -> str:
        """Who makes an attempt at the newest appointment of a job just now, in words; "" when nobody does."""
        folder = self._job(job)
        found = [stat for stat in self._storage.list(folder) if stat.name.rpartition("/")[2].isdigit()]
        if not found:
            return ""
        last = max(found, key=lambda stat: stat.name)
        with contextlib.suppress(ObjectMissing):
            claim = self._read(last.name, Claim)
            if claim is not None and self._after_end(0, last.name, claim) is None:
                return self._beside(0, claim, last).reason
        return ""

    def disbelieve(self, job: str, now: datetime) -> None:
        """Delete the claims of appointments that have not come yet: a clock that was wrong made them."""
        until = f"{now.astimezone(UTC):%Y%m%dt%H%M%Sz}"
        for stat in list(self._storage.list(self._job(job))):
            if stat.name.split("/")[2] > until:
                self._storage.delete(stat.name)

    def sweep(self) -> int:
        """Delete claims nobody needs any more; returns how many. The newest appointment of each job stays."""
        found = [stat for stat in self._storage.list(CLAIMS) if stat.name.count("/") == 3]
        if not found:
            return 0
        newest: dict[str, str] = {}
        for stat in found:
            _, job, due, _ = stat.name.split("/")
            newest[job] = max(newest.get(job, ""), due)
        before, gone = store_time(self._storage) - KEPT.total_seconds(), 0
        for stat in found:
            _, job, due, _ = stat.name.split("/")
            if due != newest[job] and stat.modified < before:
                self._storage.delete(stat.name)
                gone += 1
        return gone

    def _standing(self, job: str, due: datetime, after: str | None = None) -> Verdict:
        stats = {stat.name.rpartition("/")[2]: stat for stat in self._storage.list(self._folder(job, due))}
        own_clock = not self._storage.traits.local
        if own_clock and stats and max(each.modified for each in stats.values()) < (due - _EARLY).timestamp():
            return Verdict(attempt=1 + max((int(name) for name in stats if name.isdigit()), default=0))
        last = max((int(name) for name in stats if name.isdigit()), default=0)
        if not last:
            return Verdict(attempt=1)
        name = self._path(job, due, last)
        try:
            claim = self._read(name, Claim)
            verdict = self._after_end(last, name, claim)
            if verdict is None and claim is not None and claim.run == after:
                return Verdict(attempt=last + 1)
            if verdict is None and (verdict := self._beside(last, claim, stats[f"{last:04d}"])).attempt:
                # It may have ended, and its process gone, between the two looks.
                verdict = self._after_end(last, name, claim) or verdict
        except ObjectMissing:  # swept just now
            return Verdict(attempt=0, reason="it was kept long ago", over=True)
        return verdict

    def _after_end(self, last: int, name: str, claim: Claim | None) -> Verdict | None:
        """What an attempt left to do that told how it ended; None when it told nothing that can be read."""
        try:
            over = self._storage.stat(name + _OVER)
            ending = self._read(name + _OVER, Ending)
        except ObjectMissing:
            return None
        return None if ending is None else self._after(last, claim, ending, over)

    def _after(self, last: int, claim: Claim | None, ending: Ending, over: Stat) -> Verdict:
        """An attempt that told how it ended: only what may succeed later is tried again, by the same daemon first."""
        who = claim.client if claim else "somebody"
        if not ending.again:
            return Verdict(attempt=0, reason=f"{who} did it: {ending.status}", over=True)
        stopped = ending.status == STOPPED
        if claim is None or stopped or _is_here(claim) or self._silent(over.modified):
            return Verdict(attempt=last + 1)
        return Verdict(attempt=0, reason=f"{who} tries it again")

    def _beside(self, last: int, claim: Claim | None, stat: Stat) -> Verdict:
        """An attempt that told nothing yet: is its process still there?"""
        if claim is None:
            free = self._silent(stat.modified)
            return Verdict(attempt=last + 1) if free else Verdict(attempt=0, reason="its claim cannot be read")
        if (claim.host, claim.boot) == (clock.host(), clock.boot()):
            alive = clock.process_started(claim.pid) in (claim.started, "unknown")
            free = not alive or (_is_here(claim) and stat.name not in _going)
        else:
            free = self._silent(max([stat.modified, *self._signs(claim)]))
        return Verdict(attempt=last + 1) if free else Verdict(attempt=0, reason=f"{claim.client} does it")

    def _signs(self, claim: Claim) -> Iterator[float]:
        """Heartbeats of the open sessions of the process that made the claim."""
        self._vault.log.follow()
        state = self._vault.log.state
        process = (claim.host, claim.boot, claim.pid, claim.started)
        for session in state.open:
            facts = state.sessions[session].facts
            if facts is not None and (facts.host, facts.boot, facts.pid, facts.started) == process:
                yield from (stat.modified for stat in self._storage.list(f"{HEARTBEATS}{session}/"))

    def _silent(self, since: float) -> bool:
        return store_time(self._storage) - since >= LEASE.total_seconds()

    def _read(self, name: str, kind: type[_T]) -> _T | None:
        """None when it was altered, or is of a shape that a later version made."""
        try:
            payload = self._sealer.open("claim", name, self._storage.get(name))
            return msgspec.msgpack.decode(payload, type=kind)
        except (Damaged, msgspec.DecodeError):
            return None

    def _job(self, job: str) -> str:
        """Names of jobs tell something of the application, so the store sees keyed hashes only."""
        keyring = self._vault.keyring
        key = hkdf(keyring.master, keyring.repository, "holdfast/1/claim-names")
        named = blake3(job.encode(), key=key).hexdigest()[:32]
        return f"{CLAIMS}{named}/"

    def _folder(self, job: str, due: datetime) -> str:
        return f"{self._job(job)}{due.astimezone(UTC):%Y%m%dt%H%M%Sz}/"

    def _path(self, job: str, due: datetime, attempt: int) -> str:
        return f"{self._folder(job, due)}{attempt:04d}"


def _is_here(claim: Claim) -> bool:
    """Whether it was made by this very process, which knows best that it is over."""
    pid = os.getpid()
    mine = (clock.host(), clock.boot(), pid, clock.process_started(pid) or "")
    return (claim.host, claim.boot, claim.pid, claim.started) == mine
