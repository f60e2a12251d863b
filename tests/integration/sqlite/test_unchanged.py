"""A database that provably did not change is kept without reading it; every doubt means reading."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest
from tests.integration.sqlite.doubles import Taken, bank, take
from tests.integration.sqlite.test_capture import CRASH_IN_LOG, crash

from holdfast.model.snapshot import Segment


def settle() -> None:
    """Let the clock's grain pass."""
    time.sleep(2.1)


@pytest.fixture(params=["delete", "wal", "log"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database nobody has written to for a while; once with commits in its log only."""
    path = tmp_path / "bank.db"
    bank(path, "delete" if request.param == "delete" else "wal")
    if request.param == "log":
        crash(CRASH_IN_LOG, path)
    settle()
    return path


def test_an_unchanged_database_is_not_read(path: Path) -> None:
    """The second snapshot refers to the first one's segments and knows the same rows; so does the third."""
    first = take(path)
    second = take(path, first)
    third = take(path, second)
    assert first.read > 0 and second.read == third.read == 0
    assert third.image == first.image
    assert third.only_item.rows == 1000
    assert third.only_item.notes == first.only_item.notes


def test_any_commit_is_seen(path: Path) -> None:
    """One changed cell, in a file of the same size."""
    first = take(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE account SET balance = balance + 1 WHERE id = 3")
    connection.commit()
    second = take(path, first)
    connection.close()
    assert second.read > 0
    assert second.query(path.parent, "SELECT balance FROM account WHERE id = 3") != first.query(
        path.parent, "SELECT balance FROM account WHERE id = 3"
    )


def test_a_young_file_proves_nothing(tmp_path: Path) -> None:
    """Written within the clock's grain: read again."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    first = take(path)
    assert take(path, first).read > 0


def test_bytes_changed_behind_sqlite_with_the_times_set_back_are_read(tmp_path: Path) -> None:
    """The change time cannot be set back."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    settle()
    first = take(path)
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert take(path, first).read > 0


def test_the_sample_finds_a_lying_file_system(tmp_path: Path) -> None:
    """Equal stamps, other bytes: an alarm, and everything is read."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    settle()
    first = take(path)
    segment = first.only_item.segments[0]
    first.only_item.segments[0] = Segment(segment.key, segment.rows, segment.size, [], b"another digest")
    second = take(path, first)
    assert second.read > 0
    assert "differ although nothing told of a change" in second.learned.warnings[0]


def test_a_damaged_or_missing_past_is_never_kept(tmp_path: Path) -> None:
    """A snapshot that was damaged, or lost segments, is no reason not to read."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    settle()
    damaged = take(path)
    damaged.notes["integrity"] = "damaged"
    assert take(path, damaged).read > 0
    hollow: Taken = take(path)
    hollow.only_item.segments.clear()
    assert take(path, hollow).read > 0
