"""Images are cut at fixed offsets, and digests ignore what equal databases may differ in."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from holdfast.sources.sqlite import header
from holdfast.sources.sqlite.segments import Digest, segment_key, segment_range, segment_ranges
from holdfast.sources.sqlite.settings import SEGMENT


def test_ranges_cover_an_image_without_gaps() -> None:
    """The last one is shorter; keys name ranges."""
    assert segment_ranges(0) == []
    assert segment_ranges(SEGMENT) == [(0, SEGMENT)]
    assert segment_ranges(SEGMENT + 512) == [(0, SEGMENT), (SEGMENT, SEGMENT + 512)]
    assert segment_range(segment_key(5, 17)) == (5, 17)


def test_a_digest_is_blind_to_counters_and_to_nothing_else(tmp_path: Path) -> None:
    """Each header byte is tried: only journal mode, counters and library version are ignored."""
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t(x)")
    connection.close()
    page = path.read_bytes()[:4096]

    def digest(data: bytes, offset: int = 0) -> bytes:
        one = Digest(offset)
        one.add(data[:2000])
        one.add(data[2000:])
        return one.value()

    blind = {at for at in range(16, 200) if digest(page) == digest(page[:at] + bytes([page[at] ^ 1]) + page[at + 1 :])}
    assert blind == {18, 19, *range(24, 28), *range(40, 44), *range(92, 100)}
    assert digest(page) != digest(page, offset=SEGMENT)


def test_a_header_tells_page_size_and_mode(tmp_path: Path) -> None:
    """65536 does not fit the field and is written as 1."""
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA page_size=65536")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t(x)")
    connection.close()
    parsed = header.parse(path.read_bytes()[:100])
    assert parsed is not None and parsed.page_size == 65536 and parsed.wal and parsed.page_count == 2
    assert header.parse(b"not a database" * 10) is None
    assert header.parse(b"") is None
