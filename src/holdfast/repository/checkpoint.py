"""The log folded into one object, so that a reader needs only the records after it."""

from __future__ import annotations

import msgspec

from holdfast.model.errors import Damaged, NewerFormat
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.records import Begin, KeyAdded, PackName

CHECKPOINT_VERSION = 1


class Session(msgspec.Struct, frozen=True):
    """A session as the log knows it. ``begin`` is the number of its Begin record.

    ``status`` is "open", "ended" or "expired"; ``facts`` are dropped when it closes.
    """

    id: str
    begin: int
    purpose: str
    status: str = "open"
    facts: Begin | None = None

    @property
    def open(self) -> bool:
        """Whether it may still commit."""
        return self.status == "open"


class LoggedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot as the log knows it. ``number`` is the number of its Snapshot record.

    ``forgotten_at``: the time of the record that forgot it, by its writer's clock; None: it is alive, or a version that
    did not look at times folded the log.
    """

    info: SnapshotInfo
    root: bytes
    session: str
    number: int
    pinned: bool = False
    forgotten: bool = False
    forgotten_at: str | None = None


class _Version(msgspec.Struct):
    version: int


class Checkpoint(msgspec.Struct, kw_only=True):
    """What is stored: the attributes of LogState, without those that follow from others.

    ``later``: each kind of record up to here that format 1 did not have when it was first released, with its mark.
    """

    version: int = CHECKPOINT_VERSION
    number: int
    hash: bytes
    repository: str
    config_hash: bytes
    sessions: list[Session]
    snapshots: list[LoggedSnapshot]
    condemned: dict[PackName, int]
    swept: dict[bytes, list[int]]
    keys: list[KeyAdded]
    last_gain: int
    voids: list[tuple[int, str]]
    later: dict[str, str] = {}

    def encode(self) -> bytes:
        """The plain bytes, before sealing."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def decode(data: bytes, where: str) -> Checkpoint:
        """What ``encode`` wrote. Damaged, NewerFormat."""
        try:
            version = msgspec.msgpack.decode(data, type=_Version).version
            if version > CHECKPOINT_VERSION:
                raise NewerFormat(f"checkpoint version {version} is not known to this version", where=where)
            return msgspec.msgpack.decode(data, type=Checkpoint)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Damaged(
                "a checkpoint of the log cannot be read",
                where=where,
                why=str(error),
                hint="it can be deleted: readers then read the whole log",
            ) from error
