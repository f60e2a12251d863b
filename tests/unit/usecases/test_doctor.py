"""The doctor sees what a first user gets wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.model.errors import SourceError
from holdfast.repository.keyslots import KeySlot
from holdfast.sources.base import Source
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases import backup, doctor


def test_a_secret_that_others_can_read_is_a_warning_with_the_command(tmp_path: Path) -> None:
    """And one that is missing is a failure."""
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(0o644)
    line = doctor.secret_file(path)
    assert (line.level, line.mend) == ("warn", f"chmod 600 {path}")
    path.chmod(0o600)
    assert doctor.secret_file(path).level == "ok"
    assert doctor.secret_file(tmp_path / "missing").level == "fail"


def test_a_folder_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    """With the variable that moves it."""
    (tmp_path / "file").write_text("x")
    line = doctor.folder("cache", tmp_path / "file" / "cache", "HOLDFAST_CACHE_DIR")
    assert line.level == "fail"
    assert "HOLDFAST_CACHE_DIR" in line.mend
    assert doctor.folder("cache", tmp_path / "new" / "cache", "X").level == "ok"


def test_a_repository_without_recovery_key_is_a_failure() -> None:
    """A lost passphrase would be the end."""
    passphrase = KeySlot(id="1" * 32, kind="passphrase", label="", created_at="2026-11-20T00:00:00Z")
    recovery = KeySlot(id="2" * 32, kind="recovery", label="", created_at="2026-11-20T00:00:00Z")
    assert doctor.keys([passphrase]).level == "fail"
    assert doctor.keys([passphrase, recovery]).level == "ok"


@pytest.mark.parametrize(
    ("repository", "warned"),
    [("postgresql://a@db/x?table=t", True), ("postgresql://a@other/x?table=t", False), ("/srv/backups", False)],
)
def test_a_repository_on_the_server_it_protects_is_a_warning(repository: str, warned: bool) -> None:
    """Losing one loses both."""
    found = list(doctor.apart(repository, {"shop": "postgresql://b@db:5432/shop", "media": "files:/srv"}))
    assert bool(found) is warned


def test_a_source_that_raises_is_one_failed_line() -> None:
    """Not the end of the examination."""

    def build() -> Source:
        raise SourceError("it is not there", hint="look for it")

    (line,) = doctor.source("shop", build)
    assert (line.area, line.level, line.mend) == ("source shop", "fail", "look for it")


def test_a_store_is_tried_for_real() -> None:
    """It refuses to overwrite, its clock is ours, and nothing is left behind."""
    storage = MemoryStorage()
    lines = list(doctor.store(storage))
    assert {line.level for line in lines} == {"ok"}
    assert list(storage.list("")) == []


@pytest.mark.parametrize(("free", "level"), [(2 << 30, "ok"), (200 << 20, "warn"), ((64 << 20) - 1, "fail")])
def test_a_store_without_room_for_a_backup_is_a_failure(free: int, level: str) -> None:
    """Because every backup is refused there."""

    class Full(MemoryStorage):
        def free_space(self) -> int:
            return free

    line = next(iter(doctor.store(Full("full"))))
    assert line.level == level


def test_the_doctor_and_the_backup_agree_on_what_is_too_little() -> None:
    """One refuses below what the other calls a failure."""
    assert doctor.LEAST_ROOM == backup.LEAST_ROOM
