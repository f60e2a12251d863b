"""Secrets get old, are made anew with overlap, and stand nowhere but in their place."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.journal.sqlite import SqliteJournal
from holdfast.model.errors import UsageError
from holdfast.repository.keyslots import KeySlot
from holdfast.usecases.doctor_running import cron_secret
from holdfast.usecases.secret_ages import ages, end_overlap, generated, rotate_elsewhere, rotate_file


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    """One of its own."""
    found = SqliteJournal(tmp_path / "journal.db")
    yield found
    found.close()


def test_the_old_one_is_accepted_until_the_overlap_ends(tmp_path: Path, journal: SqliteJournal) -> None:
    """New first; never more than two; for its owner only."""
    path = tmp_path / "secrets" / "cron"
    first = rotate_file(path, journal)
    assert (path.read_text().split(), first.accepted) == ([first.new], 1)
    second, third = rotate_file(path, journal), rotate_file(path, journal)
    assert path.read_text().split() == [third.new, second.new]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert end_overlap(path) and path.read_text().split() == [third.new]
    assert not end_overlap(path)
    assert not list(path.parent.glob(".*"))


def test_no_secret_reaches_the_journal(tmp_path: Path, journal: SqliteJournal) -> None:
    """Only when it was made."""
    made = rotate_file(tmp_path / "cron", journal).new
    assert made not in str(journal.recall(""))
    assert "secret/cron" in journal.recall("")


def test_where_it_cannot_be_written_it_is_only_shown(journal: SqliteJournal) -> None:
    """With how many are accepted then."""
    assert rotate_elsewhere("old", "CRON_SECRET", journal).accepted == 2
    assert rotate_elsewhere("", "CRON_SECRET", journal).accepted == 1


def test_an_overlap_of_nothing_cannot_end(tmp_path: Path) -> None:
    """Told, not made."""
    with pytest.raises(UsageError, match="no secret"):
        end_overlap(tmp_path / "cron")


def test_generated_secrets_are_long_different_and_survive_a_shell() -> None:
    """As the doctor asks of them."""
    made = {generated() for _ in range(50)}
    assert len(made) == 50 and min(map(len, made)) >= 43
    assert all(cron_secret("env:X", lambda one=one: one, usual=True).level == "ok" for one in made)  # type: ignore[misc]


def test_ages_come_from_slots_files_and_the_journal(tmp_path: Path, journal: SqliteJournal) -> None:
    """The journal's word on CRON_SECRET goes before the file's; recovery keys do not get old."""
    path = tmp_path / "password"
    path.write_text("x")
    os.utime(path, (time.time() - 9 * 86400,) * 2)
    slots = [
        KeySlot(id="1" * 32, kind="passphrase", label="ops", created_at="2026-01-01T00:00:00Z"),
        KeySlot(id="2" * 32, kind="recovery", label="", created_at="2026-01-01T00:00:00Z"),
    ]
    rotate_elsewhere("", "CRON_SECRET", journal)
    found = {each.name: each for each in ages(slots, {"the password of shop": path, "CRON_SECRET": path}, journal)}
    assert found.keys() == {"the passphrase 'ops'", "CRON_SECRET", "the password of shop"}
    assert "key remove 11111111" in found["the passphrase 'ops'"].mend
    assert found["CRON_SECRET"].made_at > found["the password of shop"].made_at
