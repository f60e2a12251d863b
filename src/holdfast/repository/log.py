"""The ordered log in storage: read it, follow it, append to it. Order comes from put_new and from nothing else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from holdfast.crypto.seal import ObjectSealer
from holdfast.model.errors import Damaged, HoldfastError, NewerFormat, ObjectExists, ObjectMissing, StorageError
from holdfast.repository import guards
from holdfast.repository import records as rec
from holdfast.repository.fetching import fetch
from holdfast.repository.layout import CHECKPOINT, LOG, checkpoint_path, log_path, parse_log_path
from holdfast.repository.state import LogState
from holdfast.storage.base import Storage
from holdfast.system import clock

CHECKPOINT_EVERY = 64
# One more than is read: for readers that listed it a moment ago, or find the newer one damaged.
_CHECKPOINTS_KEPT = 2
# More lost records than this are not damage to a log, they are another log, or a name that is none of ours.
_MOST_LOST = 10_000
_MEND = "it can be listed, restored from and checked; bring the object back from a copy of the repository to go on"
Guard = Callable[[LogState], None]


class Log:
    """One client's view of the log. ``damages``: records that are lost; with any of them it can only be read."""

    def __init__(self, storage: Storage, sealer: ObjectSealer) -> None:
        self._storage = storage
        self._sealer = sealer
        self._lock = threading.RLock()
        self.state = LogState()
        self.hashes: dict[int, bytes] = {}
        self.bytes_written = 0
        self.damages: list[Damaged] = []

    def load(self, *, checkpoints: bool = True) -> None:
        """Read the newest usable checkpoint and everything after it.

        Without ``checkpoints`` every record is read, from the first. A record that is missing or altered is left out
        and noted in ``damages``; Damaged when there is nothing but such records.
        """
        with self._lock:
            names = [stat.name for stat in self._storage.list(LOG)]
            numbers = sorted(number for name in names if (number := parse_log_path(name)))
            if not numbers:
                raise Damaged("the log is empty", where=LOG, hint="is this the right repository?")
            folded = sorted((n for n in names if n.startswith(CHECKPOINT)), reverse=True) if checkpoints else []
            self.state = self._from_checkpoint(folded, numbers[-1])
            self.hashes = {self.state.number: self.state.hash}
            self.damages = []
            if numbers[-1] - len(numbers) > _MOST_LOST:
                raise _missing(next(number for at, number in enumerate(range(1, numbers[-1])) if numbers[at] != number))
            self._read(self.state.number + 1, numbers[-1])
            self.follow()
            if len(self.state.gaps) == self.state.number:
                raise self.damages[0]

    def follow(self) -> None:
        """Read what others appended since."""
        with self._lock:
            while True:
                number = self.state.number + 1
                try:
                    sealed = fetch(self._storage, log_path(number))
                except ObjectMissing:
                    return
                self._take_or_skip(number, sealed)

    def require_whole(self) -> None:
        """Damaged when a record is lost: nothing is decided, and nothing deleted, on half the story."""
        for damage in self.damages:
            raise Damaged(
                f"the repository's log is damaged, nothing can be written to it: {damage.what}",
                where=damage.where,
                why=damage.why,
                hint=_MEND,
            )

    def checkpoints(self) -> list[str]:
        """Names of the checkpoints that are there."""
        return sorted(stat.name for stat in self._storage.list(LOG) if stat.name.startswith(CHECKPOINT))

    def has_true_checkpoint(self, name: str) -> bool:
        """Whether the checkpoint can be read and agrees with the log."""
        try:
            return self._agrees(self._folded(name))
        except ObjectMissing:
            return True  # a newer one took its place a moment ago
        except NewerFormat:
            return True  # a later version folded it, and judges it
        except HoldfastError:
            return False

    def hash_at(self, number: int) -> bytes:
        """The hash of record ``number``."""
        if number in self.hashes:
            return self.hashes[number]
        return rec.record_hash(self._sealer.open("log", log_path(number), self._get(number)))

    def append(self, body: rec.Body, guard: Guard | None = None) -> int:
        """Append one record after everything that is there; ``guard`` is asked again whenever others were faster.

        Returns the record's number. NewerFormat when an unknown kind in the log forbids it. What ``guard`` raises goes
        through. Either way nothing is written then.
        """
        with self._lock:
            while True:
                self.follow()
                self.require_whole()
                guards.require(guards.may_append(self.state, type(body)))
                if guard is not None:
                    guard(self.state)
                number = self.state.number + 1
                envelope = rec.Envelope(
                    number=number, previous=self.state.hash, time=clock.stamp(), client=clock.user(), body=body
                )
                plain = rec.encode(envelope)
                name = log_path(number)
                sealed = self._sealer.seal("log", name, plain)
                try:
                    self._storage.put_new(name, sealed)
                except ObjectExists:
                    continue
                self.bytes_written += len(sealed)
                self._apply(plain, name)
                # Who does not know every kind cannot fold the log: a later client would miss what it left out.
                if number % CHECKPOINT_EVERY == 0 and not self.state.unknown:
                    self._checkpoint()
                return number

    def _read(self, first: int, last: int) -> None:
        with ThreadPoolExecutor(max_workers=self._storage.traits.parallel) as pool:
            numbers = range(first, last + 1)
            for number, sealed in zip(numbers, pool.map(self._fetch, numbers), strict=True):
                self._take_or_skip(number, sealed)

    def _fetch(self, number: int) -> bytes | Damaged:
        try:
            return self._get(number)
        except Damaged as error:
            return error

    def _get(self, number: int) -> bytes:
        try:
            return fetch(self._storage, log_path(number))
        except ObjectMissing as error:
            raise _missing(number) from error

    def _take_or_skip(self, number: int, sealed: bytes | Damaged) -> None:
        try:
            if isinstance(sealed, Damaged):
                raise sealed
            self._take(number, sealed)
        except Damaged as error:
            self.damages.append(error)
            self.state.skip()

    def _take(self, number: int, sealed: bytes) -> None:
        name = log_path(number)
        try:
            plain = self._sealer.open("log", name, sealed)
        except Damaged:  # believed when it is seen twice: a store or a wire may give wrong bytes once
            plain = self._sealer.open("log", name, self._get(number))
        self._apply(plain, name)

    def _apply(self, plain: bytes, name: str) -> None:
        self.state.apply_bytes(plain, name)
        self.hashes[self.state.number] = self.state.hash

    def _from_checkpoint(self, names: list[str], head: int) -> LogState:
        for name in names:
            with contextlib.suppress(HoldfastError):
                state = self._folded(name)
                # A checkpoint never stands in for the record it ends with: that one must be there and agree.
                if state.number <= head and state.tells_when and self._agrees(state):
                    return state
        return LogState()

    def _folded(self, name: str) -> LogState:
        return LogState.from_checkpoint(self._sealer.open("checkpoint", name, fetch(self._storage, name)), name)

    def _agrees(self, state: LogState) -> bool:
        name = log_path(state.number)
        return rec.record_hash(self._sealer.open("log", name, fetch(self._storage, name))) == state.hash

    def _checkpoint(self) -> None:
        """Fold the log for later readers; failing to costs them time, nothing else."""
        name = checkpoint_path(self.state.number)
        with contextlib.suppress(StorageError):
            sealed = self._sealer.seal("checkpoint", name, self.state.to_checkpoint())
            self._storage.put_new(name, sealed)
            self.bytes_written += len(sealed)
            for old in self.checkpoints()[:-_CHECKPOINTS_KEPT]:
                self._storage.delete(old)


def _missing(number: int) -> Damaged:
    return Damaged(f"log record {number} is missing", where=log_path(number), hint=_MEND)
