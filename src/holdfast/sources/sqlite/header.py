"""The first hundred bytes of a database file (https://www.sqlite.org/fileformat2.html, section 1.3)."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = 100
_MAGIC = b"SQLite format 3\x00"
_VOLATILE = (slice(18, 20), slice(24, 28), slice(40, 44), slice(92, 100))


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the header tells. ``wal``: commits go to a write-ahead log beside the file."""

    page_size: int
    wal: bool
    change_counter: int
    page_count: int


def parse(raw: bytes) -> Header | None:
    """The header, or None when these bytes do not begin a plain SQLite database."""
    if len(raw) < SIZE or not raw.startswith(_MAGIC):
        return None
    page_size = int.from_bytes(raw[16:18], "big")
    return Header(
        page_size=65536 if page_size == 1 else page_size,
        wal=raw[19] == 2,
        change_counter=int.from_bytes(raw[24:28], "big"),
        page_count=int.from_bytes(raw[28:32], "big"),
    )


def steady(first: bytes) -> bytes:
    """The first block with the fields zeroed that differ between equal databases.

    Those are journal mode, change counter, schema cookie, version-valid-for and library version: replacing a
    database through SQLite's backup interface sets them anew.
    """
    if not first.startswith(_MAGIC):
        return first
    block = bytearray(first)
    for field in _VOLATILE:
        block[field] = bytes(len(block[field]))
    return bytes(block)
