"""The sample application is the same for the same seed, lives, breaks, and is compared to the row and byte."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from holdfast.model.errors import UsageError
from holdfast.usecases.demo import DATABASE, compare, disaster, fingerprint, generate, live_on


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sample application, as generated."""
    folder = tmp_path_factory.mktemp("demo") / "playground"
    generate(folder, 7)
    return folder


@pytest.fixture
def playground(made: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    folder = tmp_path / "playground"
    shutil.copytree(made, folder, symlinks=True)
    (folder / "media" / "front-page.jpg").unlink()
    posters = sorted((folder / "media" / "events").rglob("*.jpg"))
    os.link(posters[1], folder / "media" / "front-page.jpg")
    shutil.copystat(made / "media", folder / "media")
    return folder


def test_the_same_seed_makes_the_same_application(made: Path, tmp_path: Path) -> None:
    """To the row, byte, mode and time; another seed makes another one."""
    generate(tmp_path / "again", 7)
    assert compare(fingerprint(made), fingerprint(tmp_path / "again")) == []
    generate(tmp_path / "other", 8)
    other = {each.name for each in compare(fingerprint(made), fingerprint(tmp_path / "other"))}
    assert other >= {"users", "config/.env"}


def test_it_is_as_large_as_promised(made: Path) -> None:
    """100,000 rows with sound references, about 300 files, a symbolic and a hard link, write-ahead log."""
    mark = fingerprint(made)
    assert mark.rows == 100_000
    files = [file for file in mark.files.values() if file.kind == "file"]
    assert 300 <= len(files) <= 320
    assert min(file.size for name, file in mark.files.items() if name.startswith("media") and file.size) >= 1024
    assert max(file.size for file in files) <= 3 << 20
    assert mark.files["media/today.jpg"].kind == "link"
    assert mark.files["media/front-page.jpg"].linked
    assert mark.files["config/.env"].mode == 0o600
    connection = sqlite3.connect(made / DATABASE)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    images = connection.execute("SELECT image FROM events WHERE image IS NOT NULL").fetchall()
    assert images and all(f"media/{image}" in mark.files for (image,) in images)
    assert connection.execute("SELECT count(*) FROM events_search WHERE events_search MATCH 'beekeeping'").fetchone()[0]
    connection.close()


def test_a_full_folder_is_refused(made: Path) -> None:
    """Nothing a person has is overwritten."""
    with pytest.raises(UsageError, match="not empty"):
        generate(made, 7)


def test_a_day_changes_little_and_is_repeatable(playground: Path, tmp_path: Path) -> None:
    """Around half a percent of the rows; the same day twice gives the same state."""
    before = fingerprint(playground)
    twin = tmp_path / "twin"
    shutil.copytree(playground, twin, symlinks=True)
    told = live_on(playground, 7)
    after = fingerprint(playground)
    assert told and 400 <= after.rows - before.rows <= 600
    live_on(twin, 7)
    assert fingerprint(twin).tables == after.tables
    connection = sqlite3.connect(playground / DATABASE)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_a_disaster_is_told_and_seen(playground: Path) -> None:
    """Every part of it shows in the comparison: rows, the table, definitions, files, contents, modes."""
    before = fingerprint(playground)
    told = disaster(playground)
    assert len(told) == 4
    found = {(each.kind, each.name): each.detail for each in compare(before, fingerprint(playground))}
    assert found["table", "payments"] == "missing"
    assert "rows before" in found["table", "registrations"]
    assert ("definitions", DATABASE) in found
    assert found["file", "media/today.jpg"] == "missing"
    assert "content" in found["file", "config/app.toml"]
    assert "mode" in found["file", "config/.env"]


def test_one_changed_byte_mode_time_or_row_is_found(playground: Path) -> None:
    """Nothing is too small."""
    before = fingerprint(playground)
    path = playground / "config" / "app.toml"
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert [each.detail for each in compare(before, fingerprint(playground))] == ["other content"]
    data[5] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert [each.detail for each in compare(before, fingerprint(playground))] == ["other modified"]
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    connection = sqlite3.connect(playground / DATABASE)
    connection.execute("UPDATE users SET name = name || ' ' WHERE id = 17000")
    connection.commit()
    connection.close()
    (only,) = compare(before, fingerprint(playground))
    assert (only.kind, only.name) == ("table", "users")
