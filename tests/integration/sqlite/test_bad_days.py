"""What goes wrong while a database is captured is loud, counts for nothing, and leaves nothing behind."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.sqlite.doubles import bank, bring_back, take

from holdfast.model.errors import SourceError, UsageError
from holdfast.sources.base import CaptureRequest
from holdfast.sources.sqlite import SqliteSource, holding, walindex
from holdfast.sources.sqlite.copying import copy_whole
from holdfast.sources.sqlite.reader import Reader
from holdfast.sources.sqlite.scratch import has_room, scratch_folder
from holdfast.sources.sqlite.settings import Settings


class Overtaken:
    """A connection that loses the race: somebody commits just before each of its first transactions."""

    def __init__(self, own: sqlite3.Connection, other: sqlite3.Connection, times: int) -> None:
        self.own, self.other, self.times, self.begun = own, other, times, 0

    def execute(self, sql: str) -> Any:
        if sql == "BEGIN":
            self.begun += 1
            if self.begun <= self.times:
                self.other.execute("UPDATE account SET balance = balance + 1 WHERE id < 300")
        return self.own.execute(sql)


def test_a_commit_between_looking_and_locking_means_looking_again(tmp_path: Path) -> None:
    """The mark that is believed is the one the transaction sees, however often others were faster."""
    path = tmp_path / "bank.db"
    bank(path, "wal")
    own, other = (sqlite3.connect(path, isolation_level=None) for _ in range(2))
    other.execute("PRAGMA wal_autocheckpoint=0")
    own.execute("PRAGMA schema_version").fetchone()
    shm = os.open(f"{path}-shm", os.O_RDONLY)
    overtaken = Overtaken(own, other, times=3)
    mark, backfill = holding._begin_at_mark(overtaken, shm)  # type: ignore[arg-type]
    assert overtaken.begun == 4
    assert mark == walindex.read_mark(shm) and mark is not None and mark.frames > backfill
    assert own.execute("SELECT sum(balance) FROM account").fetchone() == (100_000 + 3 * 300,)
    own.close()
    other.close()
    os.close(shm)


def test_a_reader_that_dies_fails_the_capture(tmp_path: Path) -> None:
    """kill -9 of the reading process amid a segment: an error, not a short image."""
    path = tmp_path / "bank.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t(x)")
    connection.execute("INSERT INTO t VALUES(zeroblob(12000000))")
    connection.commit()
    connection.close()
    with SqliteSource(path).capture(CaptureRequest(source="db", width=1)) as image:
        (lane,) = image.lanes()
        piece = next(lane)
        assert piece.blocks is not None
        blocks = iter(piece.blocks)
        next(blocks)
        image._reader._child.kill()  # type: ignore[attr-defined]
        with pytest.raises(SourceError):
            for _ in blocks:
                pass


def test_pages_that_cannot_be_read_fail_the_capture(tmp_path: Path) -> None:
    """A lane that breaks is never taken for the end of the data."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    with Reader(os.fsencode(path), wait=1) as reader:
        reader.serve()
        reader._lanes[0].shutdown(2)
        with pytest.raises(SourceError, match="could not be read"):
            list(reader.blocks(0, 0, reader.size))


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No copy, no process, no descriptor; what a killed run left is swept by the next one."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = tmp_path / "bank.db"
    bank(path, "delete")
    settings = Settings(scratch=scratch)
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "import os, pathlib\n"
        "from holdfast.sources.sqlite.scratch import scratch_folder\n"
        "with scratch_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'copy').write_bytes(b'x'); os._exit(9)\n"
    )
    source = str(Path(__file__).resolve().parents[3] / "src")
    subprocess.run([sys.executable, "-c", code, str(scratch), source], check=False)
    assert len(os.listdir(scratch)) == 1
    take(path, settings=settings)
    with pytest.raises(ZeroDivisionError):
        _give_up_amid(SqliteSource(path, settings))
    assert os.listdir(scratch) == []
    before = len(os.listdir("/proc/self/fd"))
    take(path, settings=settings)
    assert len(os.listdir("/proc/self/fd")) == before


def _give_up_amid(source: SqliteSource) -> None:
    with source.capture(CaptureRequest(source="db")) as image:
        next(image.lanes()[0])
        raise ZeroDivisionError


def test_a_running_capture_keeps_its_copy_when_another_begins(tmp_path: Path) -> None:
    """Sweeping takes only what nobody uses."""
    with scratch_folder(tmp_path) as one:
        (one / "copy").write_bytes(b"x")
        with scratch_folder(tmp_path) as two:
            assert (one / "copy").exists() and one != two
    assert os.listdir(tmp_path) == []
    assert not has_room(tmp_path, 1 << 60)


def test_a_lock_that_is_ignored_is_noticed(tmp_path: Path) -> None:
    """A program that writes without SQLite's locks while they are held: nothing of the attempt counts."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    source = SqliteSource(path, Settings(scratch=tmp_path / "missing"))
    time.sleep(0.02)
    with source.capture(CaptureRequest(source="db", width=1)) as image:
        for piece in image.lanes()[0]:
            assert piece.blocks is not None and piece.result is not None
            list(piece.blocks)
            with path.open("r+b") as file:
                file.seek(5000)
                file.write(b"torn")
            piece.result()
        with pytest.raises(SourceError, match="changed under its lock"):
            image.finish()


def test_a_whole_file_is_copied_or_it_is_an_error(tmp_path: Path) -> None:
    """Size and bytes; an existing copy is never written over."""
    data = os.urandom(3_000_001)
    (tmp_path / "one").write_bytes(data)
    fd = os.open(tmp_path / "one", os.O_RDONLY)
    copy = os.fsencode(tmp_path / "two")
    os.close(copy_whole(fd, copy))
    assert (tmp_path / "two").read_bytes() == data
    with pytest.raises(FileExistsError):
        copy_whole(fd, copy)
    os.close(fd)


def test_a_folder_or_another_kind_of_target_is_refused_in_words(tmp_path: Path) -> None:
    """A source is one file; a database goes into a file."""
    with pytest.raises(SourceError, match="not a file"):
        take(tmp_path)
    path = tmp_path / "bank.db"
    bank(path, "delete")
    with pytest.raises(UsageError, match="restored into a file"):
        bring_back(path, take(path), to="postgresql://localhost/shop")


def test_doctor_tells_what_a_database_is(tmp_path: Path) -> None:
    """Journal mode, no room for a copy, something that is no database, a damaged one."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    (fine,) = SqliteSource(path).examine()
    assert fine.level == "ok" and "rollback journal" in fine.what
    _, tight = SqliteSource(path, Settings(scratch=tmp_path / "missing")).examine()
    assert tight.level == "warn" and "no room for a copy" in tight.what
    data = path.read_bytes()
    path.write_bytes(data[:20_000])
    assert SqliteSource(path).examine()[0].level == "fail"
    path.write_bytes(os.urandom(5000))
    assert "not a readable SQLite database" in SqliteSource(path).examine()[0].what
