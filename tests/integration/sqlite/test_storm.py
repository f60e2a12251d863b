"""A database that is written to all the time is captured as it was at one instant, and its writers go on."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.sqlite.doubles import bank, take

from holdfast.model.errors import SourceError
from holdfast.sources.base import CaptureRequest
from holdfast.sources.sqlite import SqliteSource
from holdfast.sources.sqlite.opening import open_reader
from holdfast.sources.sqlite.settings import Settings

WRITER = """
import random, sqlite3, sys, os, time
path, number, checkpoint = sys.argv[1], int(sys.argv[2]), sys.argv[3]
random.seed(number)
c = sqlite3.connect(path, timeout=5, isolation_level=None)
c.execute("PRAGMA synchronous=OFF")
if number == 0:
    c.execute("PRAGMA cache_size=10")  # spills pages of unfinished transactions
done = 0
parent = os.getppid()
while os.getppid() == parent:
    try:
        c.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        continue  # SQLite's locks are not fair among writers
    for _ in range(random.choice((1, 3, 60))):
        a, b, amount = random.randrange(1000), random.randrange(1000), random.randrange(50)
        c.execute("UPDATE account SET balance=balance-? WHERE id=?", (amount, a))
        c.execute("UPDATE account SET balance=balance+?, filler=randomblob(?) WHERE id=?", (amount, 100 + b, b))
        c.execute("INSERT INTO log(source,target,amount) VALUES(?,?,?)", (a, b, amount))
    if random.random() < 0.2:
        c.execute("DELETE FROM log WHERE id % 3 = ?", (number % 3,))
    c.execute("ROLLBACK" if random.random() < 0.1 else "COMMIT")
    done += 1
    if number == 0 or random.random() < 0.5:
        time.sleep(random.random() / 500)  # a writer that never pauses can keep the others out for minutes
    if random.random() < 0.1 and checkpoint != "none":
        try:
            c.execute(f"PRAGMA wal_checkpoint({checkpoint})").fetchall()
        except sqlite3.OperationalError:
            pass
    if done == 1:
        print(done, flush=True)
"""


@contextlib.contextmanager
def storm(path: Path, writers: int = 3, checkpoint: str = "none") -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that commit, roll back and checkpoint without a pause."""
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number), checkpoint], stdout=subprocess.PIPE)
        for number in range(writers)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        yield running
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.mark.parametrize(
    ("mode", "checkpoint", "rounds"),
    [("wal", "none", 6), ("wal", "TRUNCATE", 6), ("wal", "RESTART", 5), ("delete", "none", 4), ("persist", "none", 2)],
)
def test_every_image_of_a_storm_is_one_committed_state(
    tmp_path: Path, mode: str, checkpoint: str, rounds: int
) -> None:
    """Balances add up, indexes fit, and history only grows older to newer, however the log is checkpointed."""
    path = tmp_path / "bank.db"
    bank(path, mode)
    ways = set()
    with storm(path, checkpoint=checkpoint) as writers:
        for _ in range(rounds):
            taken = take(path)
            ways.add(taken.notes["via"])
            assert taken.query(tmp_path, "SELECT sum(balance) FROM account") == [(100_000,)]
            assert taken.query(tmp_path, "PRAGMA integrity_check") == [("ok",)]
            assert taken.notes["integrity"] == "ok"
            assert not taken.learned.incomplete
        assert all(process.poll() is None for process in writers)
    assert ways <= ({"file", "file and log"} if mode == "wal" else {"copy"})


def test_sqlite_itself_copies_a_log_that_must_not_be_read(tmp_path: Path) -> None:
    """Where the log's index cannot be trusted, the image still is one committed state."""
    path = tmp_path / "bank.db"
    bank(path, "wal")
    with storm(path), open_reader(os.fsencode(path), width=1, wait=30) as reader:
        reader.copy(tmp_path / "copy", by_backup=True)
        reader.serve()
        image = b"".join(bytes(block) for block in reader.blocks(0, 0, reader.size))
    (tmp_path / "image").write_bytes(image)
    connection = sqlite3.connect(tmp_path / "image")
    assert connection.execute("SELECT sum(balance) FROM account").fetchall() == [(100_000,)]
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_writers_of_a_log_never_wait_for_a_capture(tmp_path: Path) -> None:
    """In log mode a commit goes through while the state is held."""
    path = tmp_path / "bank.db"
    bank(path, "wal")
    writer = sqlite3.connect(path, timeout=0)
    with SqliteSource(path).capture(CaptureRequest(source="db")):
        writer.execute("UPDATE account SET balance=balance")
        writer.commit()
    writer.close()


def test_writers_of_a_journal_wait_only_for_the_copy(tmp_path: Path) -> None:
    """In rollback mode the lock is gone before the first byte is handed to the backup."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    writer = sqlite3.connect(path, timeout=0)
    with SqliteSource(path).capture(CaptureRequest(source="db")):
        writer.execute("UPDATE account SET balance=balance")
        writer.commit()
    writer.close()


def test_without_room_for_a_copy_writers_wait_and_it_is_said(tmp_path: Path) -> None:
    """No scratch folder: the image is right all the same, the lock is held, a warning tells."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    with storm(path):
        taken = take(path, settings=Settings(scratch=tmp_path / "missing"))
    assert taken.notes["via"] == "file"
    assert "no room for a copy" in taken.learned.warnings[0]
    assert taken.query(tmp_path, "SELECT sum(balance) FROM account") == [(100_000,)]


def test_a_reader_that_stays_does_not_hold_a_capture_up(tmp_path: Path) -> None:
    """A long report running in the application changes nothing."""
    for mode in ("wal", "delete"):
        path = tmp_path / f"{mode}.db"
        bank(path, mode)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM account").fetchone()
        assert take(path).only_item.rows == 1000
        reader.close()


def test_a_database_locked_for_too_long_is_told_with_the_holder(tmp_path: Path) -> None:
    """An exclusive transaction: waited for with a bound, then an error that names the process; never a torn copy."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    code = (
        "import sqlite3,sys,time; c=sqlite3.connect(sys.argv[1],isolation_level=None); c.execute('BEGIN EXCLUSIVE');"
        "print('held',flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        started = time.monotonic()
        with pytest.raises(SourceError) as caught:
            take(path, settings=Settings(wait=0.5))
        assert time.monotonic() - started < 10
        assert caught.value.retryable
        assert "stayed locked for 0.5 seconds" in caught.value.what
        assert str(process.pid) in caught.value.why
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
