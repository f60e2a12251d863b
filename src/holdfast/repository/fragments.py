"""Index fragments: sorted rows that say in which pack, and where in it, each chunk lies.

Layout of a fragment's payload (docs/format-1.md, "Index fragment"): "HFIX", version, counts, then rows of 64 bytes
sorted by bytes, rows of 88 bytes for the bases of deltas, and the progress notes of an unfinished backup.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from holdfast.model.errors import Damaged
from holdfast.repository.pack import Entry

ROW_SIZE = 64
BASE_ROW_SIZE = 88
MAGIC = b"HFIX"
VERSION = 1
_HEADER = struct.Struct(">4sBxxxIII")
_ROW = struct.Struct(">32s20sIII")


@dataclass(frozen=True, slots=True)
class Location:
    """One copy of a chunk. ``pack`` is the pack's 20-byte name; ``length`` counts the whole frame."""

    id: bytes
    pack: bytes
    offset: int
    length: int
    size: int
    type: int
    codec: int


@dataclass(slots=True)
class Fragment:
    """What one fragment holds. ``rows`` and ``bases`` are encoded and sorted; ``progress`` is opaque here."""

    rows: list[bytes] = field(default_factory=list)
    bases: list[bytes] = field(default_factory=list)
    progress: bytes = b""


def encode_row(pack: bytes, entry: Entry) -> bytes:
    """The 64-byte row of one chunk in one pack."""
    packed = entry.size << 8 | entry.type << 4 | entry.codec
    return _ROW.pack(entry.id, pack, entry.offset, entry.length, packed)


def decode_row(row: bytes | memoryview) -> Location:
    """The location a row stands for."""
    chunk, pack, offset, length, packed = _ROW.unpack(row)
    return Location(chunk, pack, offset, length, packed >> 8, packed >> 4 & 15, packed & 15)


def encode_base(pack: bytes, entry: Entry) -> bytes:
    """The 88-byte row that tells the base of one delta copy: id, pack, offset, base."""
    return entry.id + pack + entry.offset.to_bytes(4, "big") + entry.base


def base_key(location: Location) -> bytes:
    """The 56 bytes a base row of this copy starts with."""
    return location.id + location.pack + location.offset.to_bytes(4, "big")


def encode_fragment(fragment: Fragment) -> bytes:
    """The payload to seal."""
    rows, bases = sorted(fragment.rows), sorted(fragment.bases)
    header = _HEADER.pack(MAGIC, VERSION, len(rows), len(bases), len(fragment.progress))
    return header + b"".join(rows) + b"".join(bases) + fragment.progress


def split_fragment(payload: bytes, where: str) -> tuple[memoryview, memoryview, bytes]:
    """(rows, bases, progress) of an opened fragment."""
    if len(payload) < _HEADER.size or payload[:4] != MAGIC:
        raise Damaged("an index fragment cannot be read", where=where, hint="holdfast check --repair-index")
    _, version, rows, bases, progress = _HEADER.unpack_from(payload)
    if version != VERSION:
        what = "an index fragment has an unknown version: it was altered, or a newer holdfast wrote it"
        raise Damaged(what, where=where)
    one = _HEADER.size + rows * ROW_SIZE
    two = one + bases * BASE_ROW_SIZE
    if len(payload) != two + progress:
        raise Damaged("an index fragment is truncated", where=where, hint="holdfast check --repair-index")
    view = memoryview(payload)
    return view[_HEADER.size : one], view[one:two], payload[two:]
