"""The ordered log in storage: read it, follow it, append to it. Order comes from put_new and from nothing else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from holdfast.crypto.seal import ObjectSealer
from holdfast.model.errors import Damaged, HoldfastError, ObjectExists, ObjectMissing, StorageError
from holdfast.repository import records as rec
from holdfast.repository.layout import CHECKPOINT, LOG, checkpoint_path, log_path, parse_log_path
from holdfast.repository.state import LogState
from holdfast.storage.base import Storage
from holdfast.system import clock

CHECKPOINT_EVERY = 64
Guard = Callable[[LogState], None]


class Log:
    """One client's view of the log.."""

    def __init__(self, storage: Storage, sealer: ObjectSealer) -> None:
        self._storage = storage
        self._sealer = sealer
        self._lock = threading.RLock()
        self.state = LogState()
        self.hashes: dict[int, bytes] = {}
        self.bytes_written = 0

    def load(self, *, checkpoints: bool = True) -> None:
        """Read the newest usable checkpoint and everything after it; Damaged when a record is missing or altered.

        Without ``checkpoints`` every record is read, from the first.
        """
        with self._lock:
            names = [stat.name for stat in self._storage.list(LOG)]
            numbers = sorted(number for name in names if (number := parse_log_path(name)))
            if not numbers:
                raise Damaged("the log is empty", where=LOG, hint="is this the right repository?")
            folded = sorted((n for n in names if n.startswith(CHECKPOINT)), reverse=True) if checkpoints else []
            self.state = self._from_checkpoint(folded, numbers[-1])
            self.hashes = {self.state.number: self.state.hash}
            self._read(self.state.number + 1, numbers[-1])
            self.follow()

    def follow(self) -> None:
        """Read what others appended since."""
        with self._lock:
            while True:
                number = self.state.number + 1
                try:
                    sealed = self._storage.get(log_path(number))
                except ObjectMissing:
                    return
                self._take(number, sealed)

    def checkpoints(self) -> list[str]:
        """Names of the checkpoints that are there."""
        return sorted(stat.name for stat in self._storage.list(LOG) if stat.name.startswith(CHECKPOINT))

    def has_true_checkpoint(self, name: str) -> bool:
        """Whether the checkpoint can be read and agrees with the log."""
        try:
            return self._agrees(self._folded(name))
        except HoldfastError:
            return False

    def record(self, number: int) -> rec.Envelope:
        """One record, read again."""
        name = log_path(number)
        return rec.decode(self._sealer.open("log", name, self._storage.get(name)), name)

    def hash_at(self, number: int) -> bytes:
        """The hash of record ``number``."""
        if number in self.hashes:
            return self.hashes[number]
        return rec.record_hash(self._sealer.open("log", log_path(number), self._get(number)))

    def append(self, body: rec.Body, guard: Guard | None = None) -> int:
        """Append one record after everything that is there; ``guard`` is asked again whenever others were faster.

        Returns the record's number. What ``guard`` raises goes through, and nothing is written.
        """
        with self._lock:
            while True:
                self.follow()
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
                if number % CHECKPOINT_EVERY == 0:
                    self._checkpoint()
                return number

    def _read(self, first: int, last: int) -> None:
        with ThreadPoolExecutor(max_workers=self._storage.traits.parallel) as pool:
            numbers = range(first, last + 1)
            for number, sealed in zip(numbers, pool.map(self._get, numbers), strict=True):
                self._take(number, sealed)

    def _get(self, number: int) -> bytes:
        try:
            return self._storage.get(log_path(number))
        except ObjectMissing as error:
            raise Damaged(
                f"log record {number} is missing",
                where=log_path(number),
                hint="bring the object back from a copy of the repository; what came before it can still be read",
            ) from error

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
                if state.number <= head and self._agrees(state):
                    return state
        return LogState()

    def _folded(self, name: str) -> LogState:
        return LogState.from_checkpoint(self._sealer.open("checkpoint", name, self._storage.get(name)), name)

    def _agrees(self, state: LogState) -> bool:
        name = log_path(state.number)
        return rec.record_hash(self._sealer.open("log", name, self._storage.get(name))) == state.hash

    def _checkpoint(self) -> None:
        """Fold the log for later readers; failing to costs them time, nothing else."""
        name = checkpoint_path(self.state.number)
        with contextlib.suppress(StorageError):
            sealed = self._sealer.seal("checkpoint", name, self.state.to_checkpoint())
            self._storage.put_new(name, sealed)
            self.bytes_written += len(sealed)
