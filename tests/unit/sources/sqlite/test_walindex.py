"""The write-ahead log's index is read exactly as the format describes, or not believed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from holdfast.sources.sqlite.walindex import ForeignLogError, Overlay, read_backfill, read_mark


@pytest.fixture
def log(tmp_path: Path) -> sqlite3.Connection:
    """A database whose last commits are in its log."""
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE t(x)")
    connection.execute("PRAGMA wal_checkpoint")
    connection.execute("INSERT INTO t VALUES(1)")
    return connection


def test_the_mark_moves_with_each_commit_and_the_backfill_with_checkpoints(
    log: sqlite3.Connection, tmp_path: Path
) -> None:
    """Frame counts, identity and page size are SQLite's."""
    shm = os.open(tmp_path / "a.db-shm", os.O_RDONLY)
    first = read_mark(shm)
    assert first is not None and first.page_size == 4096
    assert read_mark(shm) == first
    log.execute("INSERT INTO t VALUES(2)")
    second = read_mark(shm)
    assert second is not None and second.frames == first.frames + 1 and second.identity != first.identity
    assert read_backfill(shm) < second.frames
    log.execute("PRAGMA wal_checkpoint")
    assert read_backfill(shm) == second.frames
    log.close()


def test_an_index_with_any_flipped_byte_is_not_believed(log: sqlite3.Connection, tmp_path: Path) -> None:
    """Both copies must agree and their checksum must fit."""
    raw = (tmp_path / "a.db-shm").read_bytes()
    log.close()
    copy = tmp_path / "copy"
    for at in range(96):
        bad = bytearray(raw)
        bad[at] ^= 0x10
        copy.write_bytes(bad)
        fd = os.open(copy, os.O_RDONLY)
        assert read_mark(fd) is None
        os.close(fd)
    both = bytearray(raw)
    both[17] ^= 1
    both[65] ^= 1
    copy.write_bytes(both)
    fd = os.open(copy, os.O_RDONLY)
    assert read_mark(fd) is None
    os.close(fd)


def test_a_log_of_another_life_is_refused(log: sqlite3.Connection, tmp_path: Path) -> None:
    """Salts that differ, in the header or in any frame, mean that the log must not be read."""
    shm = os.open(tmp_path / "a.db-shm", os.O_RDONLY)
    log.execute("INSERT INTO t VALUES(2)")
    mark = read_mark(shm)
    assert mark is not None
    good = (tmp_path / "a.db-wal").read_bytes()
    log.close()
    copy = tmp_path / "copy"
    for at in (16, 32 + 8, 32 + 4120 + 12):
        bad = bytearray(good)
        bad[at] ^= 1
        copy.write_bytes(bad)
        fd = os.open(copy, os.O_RDONLY)
        with pytest.raises(ForeignLogError):
            Overlay(fd, mark, 2)
        os.close(fd)
    copy.write_bytes(good)
    fd = os.open(copy, os.O_RDWR)
    overlay = Overlay(fd, mark, 2)
    assert [page for page, _ in overlay.pieces(0, 8192)] == [4096]
    assert overlay.still_valid()
    os.pwrite(fd, b"x", 20)
    assert not overlay.still_valid()
    os.close(fd)
    os.close(shm)
