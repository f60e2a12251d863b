"""The records of the log: what happened in the repository, one small fact after the other.

docs/protocol.md tells what they mean together, docs/format-1.md how their bytes are sealed. A record is a
msgpack map; readers ignore fields they do not know. A kind they do not know says itself what they may do without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from typing import Literal

import msgspec
from blake3 import blake3

from holdfast.model.errors import Damaged, NewerFormat
from holdfast.model.snapshot import Notes, SnapshotInfo

PackName = bytes
"""20 bytes: the 16 bytes of the session that wrote the pack, then its number as big-endian u32."""

HASH_SIZE = 32
NO_HASH = bytes(HASH_SIZE)
"""What the first record names as its predecessor."""

UPGRADE = "use the newest holdfast for this repository: pip install --upgrade holdfast"

PACKS_PER_RECORD = 2000
"""Longer lists of packs are split, so that no record grows beyond some 45 kB."""

Purpose = Literal["backup", "restore", "prune", "check"]


class Without(StrEnum):
    """What a client may do that does not know the kind of a record: its writer decides, strictest first."""

    STOP = "stop"
    """Nothing: the log cannot be read on. What a record without this mark means."""
    READ = "read"
    """List, read, check; append nothing."""
    KEEP = "keep"
    """Also back up, restore and pin; but let nothing go: no forget, unpin, condemn, sweep, let-go, key removal."""
    SKIP = "skip"
    """Everything."""


def split_pack(name: PackName) -> tuple[str, int]:
    """Session and number of a compact pack name."""
    return name[:16].hex(), int.from_bytes(name[16:], "big")


class Init(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="init"):
    """The repository exists. ``config_hash`` is the BLAKE3 hash of the bytes of ``holdfast.json``.

    ``keys``: the first slots. They stand in this very record, so that no log is ever without a key.
    """

    repository: str
    config_hash: bytes
    keys: list[KeyAdded] = []


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="begin"):
    """A session begins; what it needs is not deleted until it ends or is expired.

    ``host`` names the machine and its process namespace, ``boot`` the boot of that machine, ``started`` when
    the process ``pid`` was started in the machine's own units: together they tell a live process from a
    reused number. ``purpose`` is one of Purpose, or one of a later version: it binds like any other.
    """

    session: str
    purpose: str
    host: str
    boot: str
    pid: int
    started: str
    version: str
    time: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="snapshot"):
    """A snapshot is complete and alive. ``root`` is the chunk id of its manifest root."""

    session: str
    info: SnapshotInfo
    root: bytes

    @property
    def id(self) -> str:
        """The snapshot's identifier."""
        return self.info.id


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="end"):
    """The session is over; nothing may be committed through it any more."""

    session: str


class Expire(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="expire"):
    """Another client declares the session dead; nothing may be committed through it any more."""

    session: str
    reason: str


class Forget(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="forget"):
    """These snapshots are no longer wanted; a later prune frees their space."""

    snapshots: list[str]


class Unforget(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unforget"):
    """These forgotten snapshots are wanted again."""

    snapshots: list[str]


class Pin(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="pin"):
    """These snapshots cannot be forgotten until they are unpinned."""

    snapshots: list[str]


class Unpin(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unpin"):
    """These snapshots can be forgotten again."""

    snapshots: list[str]


class KeyAdded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="key-added"):
    """A key slot opens the repository from now on. ``more``: facts of later versions, kept as they are."""

    slot: str
    slot_kind: str
    label: str
    time: str
    more: Notes | None = None


class KeyRemoved(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="key-removed"):
    """A key slot is withdrawn."""

    slot: str


class Condemn(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="condemn"):
    """Sessions that begin from now on treat these packs as absent."""

    packs: list[PackName]


class Uncondemn(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="uncondemn"):
    """These condemned packs are needed after all."""

    packs: list[PackName]


class Sweep(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="sweep"):
    """These packs are gone, whether or not the store still holds their bytes.

    ``gone`` names forgotten snapshots that the sweeper knows to be beyond recovery with these packs.
    """

    packs: list[PackName]
    gone: list[str] = []


class LetGo(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="let-go"):
    """These closed sessions are over for good: whatever they wrote, or still write unnoticed, is gone."""

    sessions: list[str]


Body = (
    Init
    | Begin
    | Snapshot
    | End
    | Expire
    | Forget
    | Unforget
    | Pin
    | Unpin
    | KeyAdded
    | KeyRemoved
    | Condemn
    | Uncondemn
    | Sweep
    | LetGo
)

KINDS = frozenset(
    {
        "init", "begin", "snapshot", "end", "expire", "forget", "unforget", "pin", "unpin",
        "key-added", "key-removed", "condemn", "uncondemn", "sweep", "let-go",
    }
)  # fmt: skip
LETTING_GO = (Forget, Unpin, KeyRemoved, Condemn, Sweep, LetGo)
"""The records after which something may be deleted that was safe before."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record in its place: ``number`` counts from 1, ``previous`` is the hash of the record before.

    ``time`` (ISO 8601 UTC, the writer's clock) and ``client`` are for people; nothing is decided by them. ``without``
    is for clients that do not know the body's kind; the kinds of this version need none.
    """

    number: int
    previous: bytes
    time: str
    client: str
    body: Body
    without: str = Without.STOP


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a kind that this version does not know, and what may be done without knowing it (never STOP)."""

    number: int
    previous: bytes
    kind: str
    without: Without


class _Kind(msgspec.Struct):
    kind: str


class _Outline(msgspec.Struct):
    number: int
    previous: bytes
    body: _Kind
    without: str = Without.STOP


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode
_decode_outline = msgspec.msgpack.Decoder(_Outline).decode


def encode(envelope: Envelope) -> bytes:
    """The plain bytes of a record, before sealing."""
    return _encode(envelope)


def decode(data: bytes, where: str = "log") -> Envelope | Foreign:
    """The record in ``data``; NewerFormat for an unknown kind that must be known, Damaged when it cannot be read."""
    try:
        return _decode(data)
    except _UNREADABLE as error:
        return _foreign(data, where, error)


def _foreign(data: bytes, where: str, error: Exception) -> Foreign:
    try:
        outline = _decode_outline(data)
    except _UNREADABLE:
        raise Damaged("a log record cannot be read", where=where, why=str(error), hint="holdfast check") from error
    if outline.body.kind in KINDS:
        raise Damaged(f"log record {outline.number} cannot be read", where=where, why=str(error),
                      hint="holdfast check") from error  # fmt: skip
    if outline.without not in set(Without) - {Without.STOP}:
        what = f"log record {outline.number} is of a kind this version does not know: {outline.body.kind}"
        raise NewerFormat(what, where=where, hint=UPGRADE) from error
    return Foreign(
        number=outline.number, previous=outline.previous, kind=outline.body.kind, without=Without(outline.without)
    )


def record_hash(data: bytes) -> bytes:
    """The 32-byte BLAKE3 hash of a record's plain bytes, which its successor names."""
    return blake3(data).digest()


def split_packs(packs: Iterable[PackName], size: int = PACKS_PER_RECORD) -> Iterator[Sequence[PackName]]:
    """``packs`` in order, in lists short enough for one record each."""
    rest = iter(packs)
    while part := list(islice(rest, size)):
        yield part
