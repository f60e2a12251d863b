"""The facade: create, open, list, begin a session, read. Everything else is a function over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from holdfast.model.snapshot import SnapshotInfo
from holdfast.storage.base import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders of this client: ``cache`` may be deleted at any time, ``state`` remembers the last log head seen."""

    cache: Path
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEntry:
    """A snapshot as the log knows it. ``root``: chunk id of its manifest root. ``session``: which one wrote it."""

    info: SnapshotInfo
    root: bytes
    session: str
    pinned: bool
    forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySlot:
    """One way to open the repository. ``kind`` "passphrase" or "recovery"."""

    id: str
    kind: str
    label: str
    created_at: str


class Repository:
    """An open repository."""

    @staticmethod
    def create(storage: Storage, passphrase: str, places: Places) -> tuple[Repository, str]:
        """Create a repository and return it open, with the recovery key (shown once, stored nowhere)."""
        raise NotImplementedError

    @staticmethod
    def open(storage: Storage, secret: str, places: Places) -> Repository:
        """Open with a passphrase or recovery key. RepositoryMissing, WrongKey, NewerFormat, RolledBack, Damaged."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """The repository's identifier."""
        raise NotImplementedError

    def snapshots(self, *, forgotten: bool = False) -> list[SnapshotEntry]:
        """Living snapshots in log order, oldest first; with ``forgotten`` also those that can still be unforgotten."""
        raise NotImplementedError

    def forget(self, snapshot_ids: list[str]) -> None:
        """Drop snapshots; their space is freed by a later prune. Pinned ones are refused."""
        raise NotImplementedError

    def unforget(self, snapshot_ids: list[str]) -> None:
        """Bring forgotten snapshots back; refused once any pack they need was swept."""
        raise NotImplementedError

    def pin(self, snapshot_ids: list[str]) -> None:
        """Protect snapshots from forget."""
        raise NotImplementedError

    def unpin(self, snapshot_ids: list[str]) -> None:
        """Take the protection away."""
        raise NotImplementedError

    def keys(self) -> list[KeySlot]:
        """The living key slots."""
        raise NotImplementedError

    def add_key(self, passphrase: str | None, label: str) -> tuple[KeySlot, str | None]:
        """Add a passphrase slot, or with None a recovery slot, whose new recovery key is returned once."""
        raise NotImplementedError

    def remove_key(self, slot_id: str) -> None:
        """Remove a slot (unique prefix accepted); the last one is refused."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what is pending to the local cache and release everything."""
        raise NotImplementedError
