"""A repository in a SQLite file: durable, mode 0600, clear about what it is not."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from tests.faults.traced import run_traced

from holdfast.model.errors import ObjectMissing, StorageError, UsageError
from holdfast.storage.sqlite_table import SqliteTable

PUT = """
import sys
from holdfast.storage.sqlite_table import SqliteTable
storage = SqliteTable(sys.argv[1])
storage.put_new("log/1", b"first")
storage.put_new("packs/1", b"x" * 300_000)
sys.stdout.write("DONE")
sys.stdout.flush()
"""
TELL = """
import sys
from holdfast.model.errors import StorageError
from holdfast.storage.sqlite_table import SqliteTable
try:
    SqliteTable(sys.argv[1]).put_new("packs/2", b"x" * 300_000)
except StorageError as error:
    sys.stdout.write(type(error).__name__)
"""


def test_on_return_an_object_is_on_disk(tmp_path: Path) -> None:
    """The write-ahead log is flushed after the last byte written to it, before success is reported."""
    done, calls = run_traced(PUT, tmp_path / "store.db")
    assert done.stdout == b"DONE", done.stderr
    end = next(number for number, call in enumerate(calls) if call.text == "DONE")
    log = [call.name for call in calls[:end] if call.paths[0].endswith("store.db-wal")]
    assert "pwrite64" in log
    assert log[-1] in ("fsync", "fdatasync")


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "fsync"])
def test_a_kill_at_any_call_leaves_all_of_an_object_or_none(tmp_path: Path, call: str) -> None:
    """And the next run goes on."""
    for turn in (1, 2, 3, 5, 8, 13, 21):
        path = tmp_path / f"{turn}.db"
        run_traced(PUT, path, inject=[f"{call}:signal=KILL:when={turn}"])
        storage = SqliteTable(path)
        sizes = {each.name: each.size for each in storage.list("")}
        assert sizes.items() <= {"log/1": 5, "packs/1": 300_000}.items()
        if "log/1" not in sizes:
            storage.put_new("log/1", b"first")
        assert storage.get("log/1") == b"first"
        storage.close()


@pytest.mark.parametrize("rule", ["pwrite64:error=ENOSPC:when=3+", "pwrite64:error=ENOSPC:when=1+"])
def test_a_full_disk_is_called_that(tmp_path: Path, rule: str) -> None:
    """And nothing appears."""
    path = tmp_path / "store.db"
    SqliteTable(path).put_new("packs/1", b"x")
    done, _ = run_traced(TELL, path, inject=[rule])
    assert done.stdout == b"StorageFull", (done.stdout, done.stderr)
    assert [each.name for each in SqliteTable(path).list("")] == ["packs/1"]


def test_the_file_is_for_its_owner_and_space_comes_back(tmp_path: Path) -> None:
    """Mode 0600 with everything beside it; a deleted object's pages leave the file when it is closed."""
    path = tmp_path / "store.db"
    storage = SqliteTable(path)
    for number in range(20):
        storage.put_new(f"packs/{number}", b"x" * (1 << 20))
    for beside in tmp_path.iterdir():
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    for number in range(19):
        storage.delete(f"packs/{number}")
    storage.close()
    assert path.stat().st_size < 3 << 20
    again = SqliteTable(path)
    assert again.get("packs/19") == b"x" * (1 << 20)
    again.close()


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """Neither a file nor a table in somebody else's file."""
    path = tmp_path / "other.db"
    storage = SqliteTable(path)
    assert list(storage.list("")) == []
    storage.delete("a")
    assert not path.exists()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(ObjectMissing):
        storage.get("holdfast.json")
    assert list(storage.list("")) == []
    storage.delete("a")
    storage.close()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    other.close()


def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path) -> None:
    """And is called what it is."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"dear diary " * 1000)
    storage = SqliteTable(path)
    for call in (lambda: storage.put_new("a", b"x"), lambda: storage.get("a")):
        with pytest.raises(StorageError, match="not a SQLite database"):
            call()
    assert path.read_bytes() == b"dear diary " * 1000


@pytest.mark.parametrize("table", ["", 'x"; DROP TABLE y; --', "sqlite_master", "a b", "1a"])
def test_a_table_name_is_checked(tmp_path: Path, table: str) -> None:
    """It stands inside statements."""
    with pytest.raises(UsageError):
        SqliteTable(tmp_path / "store.db", table)
