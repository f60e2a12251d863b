"""A session: the time in which one client writes or reads, and in which nothing it relies on is deleted."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from holdfast.model.errors import HoldfastError, NewerFormat, SessionExpired, StorageError
from holdfast.model.ids import new_id
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository import audit, guards
from holdfast.repository import records as rec
from holdfast.repository.layout import heartbeat_path
from holdfast.repository.pack import DATA, META
from holdfast.repository.reader import ChunkReader
from holdfast.repository.rebuild import packs_present, rescue
from holdfast.repository.state import LogState
from holdfast.repository.vault import DeadPacks, Vault
from holdfast.repository.writer import ChunkWriter
from holdfast.system import clock

HEARTBEAT_SECONDS = 600.0
_RECENT = 24

running: set[str] = set()
"""Sessions of this process that go on. One that is open in the log and not in here could not be ended: it is dead."""


class Session:
    """Begun in the log; ends with ``close``. ``put_*`` from any thread, the rest from the one that owns it."""

    def __init__(self, vault: Vault, purpose: rec.Purpose) -> None:
        self.id = new_id()
        self.purpose = purpose
        self.cut_seed = vault.keyring.cut_seed()
        self._storage, self._sealer, self._log, self._trail = vault.storage, vault.sealer, vault.log, vault.trail
        self._log_bytes = self._log.bytes_written
        running.add(self.id)
        try:
            self._begin()
            # The index is brought up to date only now: nothing that it shows from here on is swept under us.
            vault.index.load()
        except BaseException:
            running.discard(self.id)
            with contextlib.suppress(Exception):
                self._end()
            raise
        lost = (lambda: rescue(vault)) if purpose == "restore" else None
        present = packs_present(vault).keys() if purpose == "backup" else None
        self.reader = ChunkReader(vault, DeadPacks(self._log, self.id, present), lost)
        self._writer = ChunkWriter(vault, self.reader, self.id)
        self._stop = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._pulse.start()

    def hear(self, told: Callable[[int], None]) -> None:
        """From now on ``told`` hears the bytes of each pack that was stored; raising is how it stops the session."""
        self._writer.told = told

    def put_data(self, plain: bytes, base: bytes | None = None) -> bytes:
        """Store bytes of the application; returns the chunk id. ``base``: the chunk that stood here before."""
        return self._writer.put(DATA, plain, base)

    def put_meta(self, plain: bytes) -> bytes:
        """Store bytes of a manifest; returns the chunk id."""
        return self._writer.put(META, plain)

    def copy(self, kind: int, plain: bytes, base: bytes | None) -> None:
        """Store a further copy of a known chunk (repacking), as delta of ``base`` where given."""
        self._writer.copy(kind, plain, base)

    @property
    def bytes_new(self) -> int:
        """Plain bytes stored that were not known before."""
        return self._writer.bytes_new

    @property
    def bytes_stored(self) -> int:
        """What this session has written to storage so far."""
        return self._writer.bytes_stored + self._log.bytes_written - self._log_bytes

    def flush(self, progress: bytes = b"") -> None:
        """Make everything put so far durable and findable; ``progress`` is kept for a later resumption."""
        self._writer.flush(progress)

    def commit(self, info: SnapshotInfo, root: bytes) -> None:
        """Make the snapshot real. SessionExpired when this session was declared dead meanwhile.

        It carries the head of the audit trail, so that nobody cuts off unnoticed what was noted before it.
        """
        self.flush()
        audit.anchor(info, self._trail)
        body = rec.Snapshot(session=self.id, info=info, root=root)
        self._log.append(body, lambda state: guards.require(guards.may_snapshot(state, self.id)))

    def close(self) -> None:
        """End the session; what was flushed stays, for a later session to reuse.

        When the store fails just now, what was done is done: the session stays open in the log until it is expired.
        """
        self._stop.set()
        try:
            self._writer.close()
            with contextlib.suppress(SessionExpired, StorageError, NewerFormat):
                self._end()
        finally:
            running.discard(self.id)
        self._drop_heartbeats()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        # The first failure is the news; failing to tidy up after it is not. Whole packs are kept for the next try.
        with contextlib.suppress(Exception):
            self._writer.flush()
        with contextlib.suppress(Exception):
            self.close()

    def _begin(self) -> None:
        pid = os.getpid()
        body = rec.Begin(
            session=self.id,
            purpose=self.purpose,
            host=clock.host(),
            boot=clock.boot(),
            pid=pid,
            started=clock.process_started(pid) or "",
            version="1",
            time=clock.stamp(),
        )
        self._log.append(body, lambda state: guards.require(guards.may_begin(state, self.id)))

    def _end(self) -> None:
        self._log.append(rec.End(session=self.id), lambda state: guards.require(guards.may_close(state, self.id)))

    def _beat(self) -> None:
        number = 0
        while not self._stop.wait(HEARTBEAT_SECONDS):
            name = heartbeat_path(self.id, number)
            number += 1
            with contextlib.suppress(StorageError):
                self._storage.put_new(name, self._sealer.seal("heartbeat", name, b""))

    def _drop_heartbeats(self) -> None:
        with contextlib.suppress(HoldfastError):
            for stat in self._storage.list(f"heartbeat/{self.id}/"):
                self._storage.delete(stat.name)


def recent_backups(state: LogState) -> Iterator[str]:
    """Sessions of the last backups, newest first: an interrupted one left its progress in its fragments."""
    newest = sorted(state.sessions.values(), key=lambda session: -session.begin)
    return (session.id for session in newest[:_RECENT] if session.purpose == "backup" and not session.open)
