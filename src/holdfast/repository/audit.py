"""The trail of acts in the repository: append-only, each entry bound to the one before it.

Entry *n* is the object ``audit/<n>``, sealed like every other. It holds the hash of entry *n* - 1, so what was changed,
taken out or put elsewhere shows; that the newest ones were cut off shows from the heads that snapshots carry and that
this client remembers.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from holdfast.crypto.seal import ObjectSealer
from holdfast.model.audit import Act
from holdfast.model.errors import Damaged, ObjectExists, ObjectMissing, StorageError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.fetching import fetch
from holdfast.repository.layout import audit_path
from holdfast.repository.log import Log
from holdfast.storage.base import Storage
from holdfast.system import clock

ANCHOR = "audit"
"""The key of SnapshotInfo.more under which a snapshot carries the head of the trail."""
UNKNOWN = bytes(32)
"""Stands for the hash of an entry that is not there, or that cannot be read."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What one object holds (docs/format-1.md §15). ``client``: the account and machine that wrote it."""

    number: int
    previous: bytes
    client: str
    acts: list[Act]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest entry and its hash; number 0 before there is any."""

    number: int = 0
    hash: bytes = UNKNOWN


class Trail:
    """One client's view of the trail; safe from any thread. ``memory``: the file in which it keeps the head seen."""

    def __init__(self, storage: Storage, sealer: ObjectSealer, log: Log, memory: Path) -> None:
        self._storage, self._sealer, self._log, self._memory = storage, sealer, log, memory
        self._lock = threading.Lock()
        self._head: Head | None = None

    @property
    def parallel(self) -> int:
        """How many entries are worth reading at once."""
        return self._storage.traits.parallel

    def append(self, acts: Sequence[Act]) -> int:
        """Write one entry behind all there are; returns its number. StorageError when the store does not take it."""
        with self._lock:
            head = self._head or self._begin()
            while True:
                number = head.number + 1
                entry = Entry(number=number, previous=head.hash, client=clock.user(), acts=list(acts))
                plain, name = msgspec.msgpack.encode(entry), audit_path(number)
                try:
                    self._storage.put_new(name, self._sealer.seal("audit", name, plain))
                except ObjectExists:
                    head = self._catch_up(Head(number=number, hash=self._hash_at(number)))
                    continue
                self._keep(Head(number=number, hash=blake3(plain).digest()), behind=head)
                return number

    def head(self) -> Head:
        """The newest entry as of now."""
        with self._lock:
            found = self._catch_up(self._head or self._begin())
            self._keep(found)
            return found

    def read(self, number: int) -> tuple[Entry, bytes]:
        """An entry and its hash. ObjectMissing; Damaged when it is not what was written."""
        name = audit_path(number)
        plain = self._sealer.open("audit", name, fetch(self._storage, name))
        try:
            entry = msgspec.msgpack.decode(plain, type=Entry)
        except msgspec.DecodeError as error:
            raise Damaged("an entry of the audit trail cannot be understood", where=name, why=str(error)) from error
        return entry, blake3(plain).digest()

    def remembered(self) -> Head:
        """The newest entry this client has seen; a log put back to an older state on purpose takes that back too."""
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            return _head_of(self._remembered())
        return Head()

    def witnesses(self) -> list[Head]:
        """Entries this client had seen in whose place it found others later: that the trail was cut and written on."""
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            return [_head_of(told) for told in self._remembered()["witnesses"]]
        return []

    @property
    def memory(self) -> Path:
        """The file in which this client keeps what it has seen."""
        return self._memory

    def _remembered(self) -> Any:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(self._memory.read_text())
            if told["log"] <= self._log.state.number:
                return told
        return {}

    def anchored(self) -> Head:
        """The newest head that a snapshot carries."""
        found = [anchor for each in self._log.state.snapshots.values() if (anchor := anchor_of(each.info)).number]
        return max(found, key=lambda head: head.number, default=Head())

    def _begin(self) -> Head:
        """Where to look from: nothing older needs to be read."""
        return max(self.remembered(), self.anchored(), key=lambda head: head.number)

    def _catch_up(self, head: Head) -> Head:
        """The newest entry at or after ``head``: doubling steps, then halving ones."""
        step = 1
        while self.has(head.number + step):
            step *= 2
        least, beyond = head.number + step // 2, head.number + step
        while beyond - least > 1:
            middle = (least + beyond) // 2
            least, beyond = (middle, beyond) if self.has(middle) else (least, middle)
        return head if least == head.number else Head(number=least, hash=self._hash_at(least))

    def has(self, number: int) -> bool:
        """Whether there is an object for an entry."""
        try:
            self._storage.stat(audit_path(number))
        except ObjectMissing:
            return False
        return True

    def _hash_at(self, number: int) -> bytes:
        """Of one that cannot be read nothing is known; the trail goes on behind it, and a verification tells."""
        if not number:
            return UNKNOWN
        try:
            return self.read(number)[1]
        except (Damaged, ObjectMissing):
            return UNKNOWN

    def _keep(self, head: Head, behind: Head | None = None) -> None:
        """Remember the head on this client. Failing to loses one of three ways to notice a cut.

        ``behind``: the entry it was written behind, which it names. Of any other that was remembered nothing would
        tell any more that it was there, so it is looked at first.
        """
        if self._head == head:
            return
        self._head = head
        with contextlib.suppress(OSError, StorageError):
            known, witnesses = self.remembered(), self.witnesses()
            if known.number > head.number:
                return
            if known not in (behind, head) and self._hash_at(known.number) not in (known.hash, UNKNOWN):
                witnesses.append(known)
            self._write({**_told(head), "log": self._log.state.number, "witnesses": [*map(_told, witnesses)]})

    def _write(self, told: dict[str, Any]) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._memory.with_name(f"{self._memory.name}.{os.getpid()}.{threading.get_ident()}")
        temporary.write_text(json.dumps(told))
        os.replace(temporary, self._memory)


def _told(head: Head) -> dict[str, Any]:
    return {"number": head.number, "hash": head.hash.hex()}


def anchor(info: SnapshotInfo, trail: Trail) -> None:
    """Let a snapshot carry the head of the trail; before the first act it carries none. A trail stops no backup."""
    try:
        head = trail.head()
    except StorageError:
        head = trail.remembered()
    if head.number:
        info.more = {**(info.more or {}), ANCHOR: {"number": head.number, "hash": head.hash.hex()}}


def anchor_of(info: SnapshotInfo) -> Head:
    """The head a snapshot carries; number 0 for none."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        return _head_of((info.more or {})[ANCHOR])
    return Head()


def _head_of(told: Any) -> Head:
    number, digest = int(told["number"]), bytes.fromhex(told["hash"])
    if number < 1 or len(digest) != 32:
        raise ValueError(number)
    return Head(number=number, hash=digest)
