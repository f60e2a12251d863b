"""The shelf gives back what was put there, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast.crypto.keys import Keyring
from holdfast.crypto.seal import ObjectSealer
from holdfast.repository.shelf import Shelf

KEYRING = Keyring.derive(b"m" * 32, b"r" * 16)
OTHER = Keyring.derive(b"n" * 32, b"r" * 16)


def _shelf(folder: Path, keyring: Keyring = KEYRING, limit: int = 1 << 20) -> Shelf:
    return Shelf(keyring, ObjectSealer(keyring), folder, limit)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Not there at first."""
    return tmp_path / "cache" / "shelf"


def _age(folder: Path, seconds: int) -> None:
    for path in folder.iterdir():
        facts = path.stat()
        os.utime(path, (facts.st_atime - seconds, facts.st_mtime - seconds))


def test_what_was_put_is_got_by_every_client_with_the_keys(folder: Path) -> None:
    """Another process finds it too, an unknown name is None."""
    _shelf(folder).put("index/of chunk", b"payload")
    assert _shelf(folder).get("index/of chunk") == b"payload"
    assert _shelf(folder).get("another") is None


def test_nothing_on_disk_tells_names_or_content(folder: Path) -> None:
    """Both are sealed; only the owner may read the files."""
    _shelf(folder).put("secret-table", b"secret content")
    (path,) = folder.iterdir()
    assert "secret" not in path.name and b"secret" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0 and folder.stat().st_mode & 0o077 == 0


def test_corrupt_truncated_swapped_or_foreign_content_is_forgotten(folder: Path) -> None:
    """It counts as never put, and is put anew."""
    shelf = _shelf(folder)
    shelf.put("a", b"content of a")
    (path,) = folder.iterdir()
    good = path.read_bytes()
    shelf.put("b", b"content of b")
    (other,) = set(folder.iterdir()) - {path}
    foreign = ObjectSealer(OTHER).seal("shelf", "a", b"evil")
    for bad in (good[:-1], good[:10], b"", bytes([*good[:-1], good[-1] ^ 1]), other.read_bytes(), foreign):
        path.write_bytes(bad)
        assert shelf.get("a") is None
        assert not path.exists()
        shelf.put("a", b"content of a")
        assert shelf.get("a") == b"content of a"


def test_the_longest_unused_goes_first_when_it_is_full(folder: Path) -> None:
    """Reading counts as use; the limit holds."""
    shelf = _shelf(folder, limit=50_000)
    for name in ("first", "second", "third"):
        shelf.put(name, bytes(15_000))
        _age(folder, 100)
    assert shelf.get("first") is not None
    shelf.put("fourth", bytes(15_000))
    assert shelf.get("second") is None
    assert shelf.get("first") is not None and shelf.get("fourth") is not None
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 50_000


def test_what_is_larger_than_the_shelf_is_not_kept(folder: Path) -> None:
    """It would push everything else out."""
    shelf = _shelf(folder, limit=1000)
    shelf.put("large", bytes(1001))
    assert shelf.get("large") is None


def test_a_shelf_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "taken").write_text("")
    shelf = _shelf(tmp_path / "taken" / "shelf")
    shelf.put("a", b"content")
    assert shelf.get("a") is None


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    """Half-written files do not stay for ever, fresh ones are another's work."""
    _shelf(folder).put("a", b"content")
    (folder / "old.tmp").write_bytes(b"half")
    _age(folder, 2 * 3600)
    (folder / "new.tmp").write_bytes(b"half")
    _shelf(folder).put("b", b"content")
    assert not (folder / "old.tmp").exists() and (folder / "new.tmp").exists()
