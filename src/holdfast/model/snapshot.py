"""What a snapshot is made of: items, their segments, and the slices of chunks that hold their bytes.

These structs are what manifests store (docs/format-1.md, "Manifest"); field order is part of the format.
"""

from __future__ import annotations

from typing import Any

import msgspec

Notes = dict[str, Any]
"""msgpack-able facts of one source kind, opaque to everything but that kind."""


class Slice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``length`` bytes from ``offset`` of the plain bytes of the chunk ``chunk`` (32-byte id)."""

    chunk: bytes
    offset: int
    length: int


class Segment(msgspec.Struct, array_like=True, gc=False):
    """An independently read stretch of an item.

    ``key`` names the stretch within its item ("0-512" heap blocks, "" when there is one stretch only).
    ``stamp`` is what the source compares to decide that the stretch is unchanged (fingerprint); may be empty.
    ``slices`` in order give the plain bytes, ``size`` of them in total.
    ``part`` > 0 continues the segment before it (very many slices are stored in several parts).
    """

    key: str
    rows: int
    size: int
    slices: list[Slice]
    stamp: bytes = b""
    notes: Notes | None = None
    part: int = 0


class Item(msgspec.Struct, array_like=True, gc=False):
    """One table, file, directory, database file, schema archive.

    ``name`` is bytes because file names are; tables are UTF-8 ``schema.table``.
    ``part`` > 0 continues the item before it (very large items are stored in several parts).
    """

    name: bytes
    kind: str
    rows: int
    size: int
    segments: list[Segment]
    notes: Notes | None = None
    part: int = 0

    @property
    def label(self) -> str:
        """Printable name; bytes that are not UTF-8 show as backslash escapes."""
        return self.name.decode("utf-8", "backslashreplace")


class SnapshotInfo(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Facts about one snapshot, stored in its SNAPSHOT record, so that listing reads the log alone.

    Times are ISO 8601 UTC strings. ``status`` is "complete" or "incomplete".
    ``partial`` marks a snapshot of chosen items only (``--only``, pre-restore): never "latest".
    ``undo`` is set on the snapshot a restore takes first: to (place, no password) and, when they are few, only
    (patterns of what existed and was touched). What was created, and long lists of patterns, are in the manifest.
    ``more``: facts of later versions by name; whoever does not know one keeps it as it is.
    Byte counts: ``bytes_source`` size of the data, ``bytes_read`` read from the source, ``bytes_new`` plain
    bytes not seen before, ``bytes_stored`` what the repository grew by.
    """

    id: str
    run: str
    source: str
    kind: str
    trigger: str
    status: str
    created_at: str
    rows: int | None
    item_count: int
    bytes_source: int
    bytes_read: int
    bytes_new: int
    bytes_stored: int
    seconds: float
    not_protected: list[str]
    warnings: list[str]
    name: str | None = None
    created_by: str = ""
    source_changed_at: str | None = None
    origin: str = ""
    partial: bool = False
    undo: Notes | None = None
    more: Notes | None = None

    @property
    def data_at(self) -> str:
        """Of what time the data is: what an imported backup tells of itself, else when the snapshot was made."""
        told = (self.more or {}).get("import")
        stated = told.get("created_at") if isinstance(told, dict) else None
        return str(stated) if stated else self.created_at


class SnapshotHead(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The part of a manifest the source wrote about itself: version, position, guards, definitions.

    ``config``: the text of the configuration the backup was made with, so that a bare machine has it too.
    """

    kind: str
    notes: Notes
    config: str = ""
