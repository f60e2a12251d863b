"""The facade: create, open, list, begin a session, read. Everything else is a function over it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from holdfast.crypto.keys import Keyring
from holdfast.crypto.seal import ObjectSealer
from holdfast.model.environments import placed
from holdfast.model.errors import Damaged, ObjectMissing, RepositoryBusy, RolledBack, UsageError
from holdfast.model.ids import short
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository import guards, keyslots
from holdfast.repository import records as rec
from holdfast.repository.audit import Trail
from holdfast.repository.identity import claim_identity, read_identity
from holdfast.repository.index import ChunkIndex
from holdfast.repository.keyslots import KeySlot
from holdfast.repository.layout import LOG, ROOT
from holdfast.repository.log import Guard, Log
from holdfast.repository.manifest import ManifestReader
from holdfast.repository.reach import packs_needed
from holdfast.repository.reader import ChunkReader
from holdfast.repository.rebuild import rescue
from holdfast.repository.session import Session
from holdfast.repository.shelf import Shelf
from holdfast.repository.state import LogState
from holdfast.repository.vault import DeadPacks, Vault
from holdfast.storage.base import Storage

_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders of this client: ``cache`` may be deleted at any time, ``state`` remembers the last log head seen."""

    cache: Path
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEntry:
    """A snapshot as the log knows it. ``root``: chunk id of its manifest root. ``session``: which one wrote it.

    ``forgotten_at``: when it was forgotten, by the clock of who did, ISO 8601 UTC; None while it is alive.
    """

    info: SnapshotInfo
    root: bytes
    session: str
    pinned: bool
    forgotten: bool
    forgotten_at: str | None = None


class Repository:
    """An open repository. ``environments`` by source: where what is stored from now on was taken ("production")."""

    def __init__(self, storage: Storage, keyring: Keyring, places: Places) -> None:
        self.storage = storage
        self.keyring = keyring
        self.sealer = ObjectSealer(keyring)
        self.log = Log(storage, self.sealer)
        self.index = ChunkIndex(storage, self.sealer, places.cache / self.id / "index")
        self.trail = Trail(storage, self.sealer, self.log, places.state / f"{self.id}.audit")
        self.vault = Vault(storage, keyring, self.sealer, self.log, self.index, self.trail)
        self.shelf = Shelf(keyring, self.sealer, places.cache / self.id / "shelf")
        self.environments: Mapping[str, str] = {}
        self._places = places

    @staticmethod
    def create(storage: Storage, passphrase: str, places: Places) -> tuple[Repository, str]:
        """Create a repository and return it open, with the recovery key (shown once, stored nowhere).

        A half-made repository (no log yet) is completed. UsageError when a whole one is there already.
        """
        keyslots.check_passphrase(passphrase)
        if next(storage.list(LOG), None) is not None:
            raise UsageError("there is a repository already", where=storage.url, hint="use it, or choose another place")
        identity = claim_identity(storage)
        keyring = Keyring.derive(os.urandom(32), bytes.fromhex(identity))
        slot = keyslots.write(storage, keyring, "passphrase", passphrase, "first passphrase")
        recovery, recovery_key = keyslots.write_recovery(storage, keyring, "printed at init")
        repository = Repository(storage, keyring, places)
        config = blake3(storage.get(ROOT)).digest()
        keys = [slot.record(), recovery.record()]
        try:
            repository.log.append(rec.Init(repository=identity, config_hash=config, keys=keys), _must_be_empty)
        except Damaged as error:  # the first record is sealed with another master key
            raise _too_late() from error
        repository.remember_head()
        return repository, recovery_key

    @staticmethod
    def open(storage: Storage, secret: str, places: Places) -> Repository:
        """Open with a passphrase or recovery key. RepositoryMissing, WrongKey, NewerFormat, RolledBack, Damaged.

        With a record of the log lost it is opened for reading: ``log.damages`` tells, every write is refused.
        """
        identity, raw = read_identity(storage)
        unlocked = keyslots.unlock(storage, bytes.fromhex(identity), secret)
        keyring, slot = next(unlocked)
        repository = Repository(storage, keyring, places)
        repository.log.load()
        state = repository.log.state
        init_lost = 1 in state.gaps  # the keys are bound to the identity all the same
        if not init_lost and (state.repository != identity or state.config_hash != blake3(raw).digest()):
            raise Damaged(
                "holdfast.json is not the one this repository was made with",
                where=ROOT,
                hint="bring holdfast.json back from a copy of the repository",
            )
        if not state.gaps:
            keyslots.require_known(state, slot, unlocked)
        repository.check_head()
        return repository

    @property
    def id(self) -> str:
        """The repository's identifier."""
        return self.keyring.repository.hex()

    # -- snapshots -------------------------------------------------------------------------------------------

    def snapshots(self, *, forgotten: bool = False) -> list[SnapshotEntry]:
        """Living snapshots in log order, oldest first; with ``forgotten`` also those that can still be unforgotten.

        Those of other ``environments`` than here are marked (model.environments).
        """
        return [
            SnapshotEntry(
                info=placed(s.info, self.environments),
                root=s.root,
                session=s.session,
                pinned=s.pinned,
                forgotten=s.forgotten,
                forgotten_at=s.forgotten_at,
            )
            for s in self.log.state.snapshots.values()
            if forgotten or not s.forgotten
        ]

    def forget(self, snapshot_ids: list[str], alive: Collection[str] = ()) -> None:
        """Drop snapshots; prune frees their space. Refused: pinned ones, and all when one of ``alive`` is gone."""
        body = rec.Forget(snapshots=snapshot_ids)
        self._append(body, lambda state: guards.require(guards.may_forget(state, snapshot_ids, alive)))

    def unforget(self, snapshot_ids: list[str]) -> None:
        """Bring forgotten snapshots back; refused once any pack they need was swept."""
        body = rec.Unforget(snapshots=snapshot_ids)
        reader = self.reader()

        def guard(state: LogState) -> None:
            known = [state.snapshots[i].root for i in snapshot_ids if i in state.snapshots]
            try:
                needed = packs_needed(reader, self.index, state.swept, known)
            except (Damaged, ObjectMissing) as error:
                raise UsageError("it cannot be brought back: its data was pruned", why=error.what) from error
            guards.require(guards.may_unforget(state, snapshot_ids, needed))

        self._append(body, guard)

    def pin(self, snapshot_ids: list[str]) -> None:
        """Protect snapshots from forget."""
        body = rec.Pin(snapshots=snapshot_ids)
        self._append(body, lambda state: guards.require(guards.may_pin(state, snapshot_ids)))

    def unpin(self, snapshot_ids: list[str]) -> None:
        """Take the protection away."""
        body = rec.Unpin(snapshots=snapshot_ids)
        self._append(body, lambda state: guards.require(guards.may_unpin(state, snapshot_ids)))

    # -- sessions and reading --------------------------------------------------------------------------------

    def begin(self, purpose: rec.Purpose) -> Session:
        """Begin a session; use it as a context manager."""
        return Session(self.vault, purpose)

    def hold(self, session: Session, snapshot_ids: list[str]) -> None:
        """Make sure that what ``session`` is going to read stays: take condemned packs back that only it needs.

        UsageError when a snapshot was forgotten before the session began: nothing protects it then.
        """
        for _ in range(_TRIES):
            state = self.log.state
            for snapshot_id in snapshot_ids:
                snapshot = state.snapshots.get(snapshot_id)
                if snapshot is None or snapshot.forgotten:
                    what = f"snapshot {short(snapshot_id)} was forgotten meanwhile"
                    raise UsageError(what, hint="holdfast unforget ID")
            if not state.condemned:
                return
            roots = [state.snapshots[snapshot_id].root for snapshot_id in snapshot_ids]
            needed = packs_needed(session.reader, self.index, state.swept, roots)
            back = guards.to_take_back(state, needed, session.id)
            if not back:
                return
            body = rec.Uncondemn(packs=back)
            with contextlib.suppress(RepositoryBusy):  # a prune was faster with one of them: look again
                self._append(body, lambda now, back=back: guards.require(guards.may_uncondemn(now, back)))  # type: ignore[misc]
                return
        raise RepositoryBusy("prunes are busy with what is to be read", hint="try again", retryable=True)

    def reader(self) -> ChunkReader:
        """Read without a session: nothing protects what is read from a prune that runs at the same time."""
        self.load_index()
        return ChunkReader(self.vault, DeadPacks(self.log, ""), lambda: rescue(self.vault))

    def manifest(self, entry: SnapshotEntry, reader: ChunkReader | None = None) -> ManifestReader:
        """The manifest of a snapshot."""
        try:
            return ManifestReader(reader or self.reader(), entry.root)
        except Damaged as error:
            error.what = f"the manifest of snapshot {short(entry.info.id)} cannot be read: {error.what}"
            raise

    def load_index(self) -> None:
        """Bring the index up to date once."""
        if not self.index.loaded:
            self.index.load()

    # -- keys ------------------------------------------------------------------------------------------------

    def keys(self) -> list[KeySlot]:
        """The living key slots."""
        return [
            KeySlot(id=key.slot, kind=key.slot_kind, label=key.label, created_at=key.time)
            for key in self.log.state.keys.values()
        ]

    def add_key(self, passphrase: str | None, label: str) -> tuple[KeySlot, str | None]:
        """Add a passphrase slot, or with None a recovery slot, whose new recovery key is returned once."""
        recovery_key = None
        if passphrase is None:
            slot, recovery_key = keyslots.write_recovery(self.storage, self.keyring, label)
        else:
            keyslots.check_passphrase(passphrase)
            slot = keyslots.write(self.storage, self.keyring, "passphrase", passphrase, label)
        self._append(slot.record(), None)
        return slot, recovery_key

    def remove_key(self, slot_id: str) -> None:
        """Remove a slot (unique prefix accepted); the last one is refused."""
        matches = [slot.id for slot in self.keys() if slot.id.startswith(slot_id)]
        if len(matches) != 1:
            problem = "there is no key slot" if not matches else "several key slots begin with"
            raise UsageError(f"{problem} {slot_id}", hint="holdfast key list")
        slot = matches[0]
        self._append(rec.KeyRemoved(slot=slot), lambda state: guards.require(guards.may_remove_key(state, slot)))
        self.storage.delete(keyslots.key_path(slot))

    # -- the head this client has seen -----------------------------------------------------------------------

    def check_head(self) -> None:
        """RolledBack when the log is shorter than, or differs from, what this client saw last; else remember it."""
        path = self._head_file()
        try:
            seen = json.loads(path.read_text())
            number, digest = _positive(int(seen["number"])), str(seen["hash"])
        except (OSError, ValueError, KeyError, TypeError):
            self.remember_head()
            return
        if number > self.log.state.number:
            self.log.follow()  # another process of this client may have been faster since the log was read
        state = self.log.state
        hint = f"if this is an older copy that you put back on purpose, delete {path} and try again"
        if number > state.number:
            why = f"this client has seen {number} log records, now there are {state.number}"
            raise RolledBack("the repository was rolled back", where=self.storage.url, why=why, hint=hint)
        if state.gaps:
            return
        if self.log.hash_at(number).hex() != digest:
            why = f"log record {number} is not the one this client has seen"
            raise RolledBack("the repository's history was replaced", where=self.storage.url, why=why, hint=hint)
        self.remember_head()

    def remember_head(self) -> None:
        """Remember the log's head, so that a later rollback is noticed. Failing to is told by ``doctor``."""
        path = self._head_file()
        state = self.log.state
        if state.gaps:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
            temporary.write_text(json.dumps({"number": state.number, "hash": state.hash.hex()}))
            os.replace(temporary, path)
        except OSError:
            return

    def _head_file(self) -> Path:
        return self._places.state / f"{self.id}.json"

    def _append(self, body: rec.Body, guard: Guard | None) -> None:
        self.log.append(body, guard)
        self.remember_head()

    def close(self) -> None:
        """Write what is pending to the local cache and release everything."""
        self.remember_head()
        self.index.close()
        self.storage.close()


def _positive(number: int) -> int:
    if number < 1:
        raise ValueError(number)
    return number


def _must_be_empty(state: LogState) -> None:
    if state.number:
        raise _too_late()


def _too_late() -> UsageError:
    return UsageError("another init made a repository here at the same moment", hint="use that one")
