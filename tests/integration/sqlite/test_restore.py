"""A database comes back equal to the byte, into a new place or in place, and nothing is lost on the way."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.integration.sqlite.doubles import Taken, bank, bring_back, take
from tests.integration.sqlite.test_capture import CRASH_IN_LOG, crash

from holdfast.model.errors import TargetError
from holdfast.model.plans import Action
from holdfast.sources.base import RestoreRequest
from holdfast.sources.sqlite import SqliteSource
from holdfast.sources.sqlite.settings import Settings

QUICK = Settings(wait=0.5)
MODES = ["wal", "delete"]


def total(path: Path) -> int:
    """The sum of all balances."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT sum(balance) FROM account").fetchone()[0])
    finally:
        connection.close()


def spend(path: Path) -> None:
    """Change every account."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE account SET balance = balance - 1")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("mode", MODES)
def test_the_default_is_a_new_file_beside(tmp_path: Path, mode: str) -> None:
    """The source stays, the name tells which snapshot it is, the file's mode comes along, tables are counted."""
    path = tmp_path / "bank.db"
    bank(path, mode)
    path.chmod(0o640)
    taken = take(path)
    spend(path)
    plan, results = bring_back(path, taken)
    back = tmp_path / "bank-restored-then.db"
    assert plan.steps[0].action is Action.CREATE
    assert back.read_bytes() == taken.image
    assert back.stat().st_mode & 0o777 == 0o640
    assert total(back) == 100_000 and total(path) == 99_000
    assert {each.name: (each.rows, each.status) for each in results} == {
        "bank.db": (1000, "ok"), "bank.db:account": (1000, "ok"), "bank.db:log": (0, "ok")}  # fmt: skip
    bring_back(path, taken)
    assert (tmp_path / "bank-restored-then-2.db").exists()
    assert not [each for each in os.listdir(tmp_path) if "holdfast" in each]


def test_a_place_that_exists_is_refused(tmp_path: Path) -> None:
    """--to never replaces; the source itself is no exception."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path)
    spend(path)
    for to in (str(path), f"sqlite:{path}"):
        plan = SqliteSource(path).target(RestoreRequest(label="x", to=to)).plan(taken)
        assert "there is a file of this name" in plan.refusals[0]
        with pytest.raises(TargetError, match="refused"):
            bring_back(path, taken, to=to)
    assert total(path) == 99_000


def test_a_folder_as_place_takes_the_file_by_its_name(tmp_path: Path) -> None:
    """Missing folders are made."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path)
    (tmp_path / "there").mkdir()
    bring_back(path, taken, to=str(tmp_path / "there"))
    bring_back(path, taken, to=str(tmp_path / "new" / "deep" / "b.db"))
    assert total(tmp_path / "there" / "bank.db") == total(tmp_path / "new" / "deep" / "b.db") == 100_000


def test_a_stale_log_is_never_applied_to_restored_pages(tmp_path: Path) -> None:
    """The file is gone, its log is still there: refused in a new place, set aside in place."""
    path = tmp_path / "bank.db"
    bank(path, "wal")
    taken = take(path)
    crash(CRASH_IN_LOG, path)
    log = Path(f"{path}-wal").read_bytes()
    path.unlink()
    plan = SqliteSource(path).target(RestoreRequest(label="x", to=str(path))).plan(taken)
    assert "left over" in plan.refusals[0]
    plan, results = bring_back(path, taken, in_place=True)
    assert plan.warnings and "set aside" in results[0].detail
    assert total(path) == 100_000
    assert path.read_bytes() == taken.image
    assert Path(f"{path}-wal.before-then").read_bytes() == log


@pytest.mark.parametrize("mode", MODES)
def test_in_place_leaves_what_differs_unless_told(tmp_path: Path, mode: str) -> None:
    """Equal: nothing to do. Different: left alone without --overwrite, replaced with it, then equal again."""
    path = tmp_path / "bank.db"
    bank(path, mode)
    taken = take(path)
    plan, _ = bring_back(path, taken, in_place=True, overwrite=True)
    assert (plan.steps[0].action, plan.steps[0].detail) == (Action.LEAVE, "already as in the snapshot")
    spend(path)
    plan, results = bring_back(path, taken, in_place=True)
    assert plan.steps[0].detail == "differs; --overwrite replaces it"
    assert [each.status for each in results] == ["incomplete"] and total(path) == 99_000
    inode = path.stat().st_ino
    plan, results = bring_back(path, taken, in_place=True, exact=True)
    assert plan.steps[0].action is Action.OVERWRITE
    assert {each.status for each in results} == {"ok"} and total(path) == 100_000
    assert path.stat().st_ino == inode
    plan, _ = bring_back(path, taken, in_place=True, overwrite=True)
    assert plan.steps[0].action is Action.LEAVE


@pytest.mark.parametrize("mode", MODES)
def test_connections_of_the_application_keep_working(tmp_path: Path, mode: str) -> None:
    """Open connections see the restored content in their next transaction, and can write on."""
    path = tmp_path / "bank.db"
    bank(path, mode)
    taken = take(path)
    application = sqlite3.connect(path, isolation_level=None)
    application.execute("ALTER TABLE account ADD COLUMN later TEXT")
    application.execute("UPDATE account SET balance = 0, later = 'x'")
    bring_back(path, taken, in_place=True, overwrite=True)
    assert application.execute("SELECT sum(balance) FROM account").fetchone() == (100_000,)
    assert len(application.execute("SELECT * FROM account LIMIT 1").fetchone()) == 3
    application.execute("UPDATE account SET balance = balance + 1")
    assert application.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    application.close()
    assert total(path) == 101_000


@pytest.mark.parametrize(("then", "now"), [("wal", "delete"), ("delete", "wal")])
def test_another_journal_mode_is_no_hindrance(tmp_path: Path, then: str, now: str) -> None:
    """The application changed the mode since: contents are equal again, and sound."""
    path = tmp_path / "bank.db"
    bank(path, then)
    taken = take(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode={now}")
    connection.close()
    spend(path)
    _, results = bring_back(path, taken, in_place=True, overwrite=True)
    assert {each.status for each in results} == {"ok"}
    assert total(path) == 100_000


@pytest.mark.parametrize("mode", MODES)
def test_another_page_size_is_restored_too(tmp_path: Path, mode: str) -> None:
    """In log mode only while nobody else has the database open, which is said."""
    path = tmp_path / "bank.db"
    bank(path, mode, page_size=4096)
    taken = take(path)
    path.unlink()
    bank(path, mode, page_size=8192)
    spend(path)
    if mode == "wal":
        application = sqlite3.connect(path)
        application.execute("SELECT count(*) FROM account").fetchone()
        with pytest.raises(TargetError, match=r"another page size|in use"):
            bring_back(path, taken, QUICK, in_place=True, overwrite=True)
        application.close()
        assert total(path) == 99_000
    bring_back(path, taken, in_place=True, overwrite=True)
    assert total(path) == 100_000
    assert take(path).only_item.notes["page_size"] == 4096


def test_a_busy_database_is_waited_for_with_a_bound(tmp_path: Path) -> None:
    """Somebody holds the write lock, or a read lock that the replacement needs: an error, nothing changed."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path)
    spend(path)
    application = sqlite3.connect(path, isolation_level=None, timeout=0)
    for begin in ("BEGIN IMMEDIATE", "BEGIN"):
        application.execute(begin)
        application.execute("SELECT count(*) FROM account").fetchone()
        with pytest.raises(TargetError) as caught:
            bring_back(path, taken, QUICK, in_place=True, overwrite=True)
        assert caught.value.retryable
        application.execute("ROLLBACK")
    application.close()
    assert total(path) == 99_000


@pytest.mark.parametrize("mode", MODES)
def test_nobody_writes_between_the_pre_restore_snapshot_and_the_restore(tmp_path: Path, mode: str) -> None:
    """While held, other writers wait; a write that slips in at the handover stops the restore."""
    path = tmp_path / "bank.db"
    bank(path, mode)
    taken = take(path)
    spend(path)
    target = SqliteSource(path).target(RestoreRequest(label="x", in_place=True, overwrite=True))
    plan = target.plan(taken)
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with target.hold(plan):
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("UPDATE account SET balance = 5")
        lock = target._lock
        assert lock is not None
        let_go = lock.let_go

        def slip_in() -> None:
            let_go()
            other.execute("UPDATE account SET balance = 7")

        lock.let_go = slip_in  # type: ignore[method-assign]
        with pytest.raises(TargetError, match="written to after the pre-restore snapshot"):
            target.apply(plan, taken, taken)
    other.close()
    assert total(path) == 7000


def test_a_file_that_is_no_database_is_replaced_whole(tmp_path: Path) -> None:
    """Garbage with a stale log beside: pages replaced by rename, mode kept, the log set aside."""
    path = tmp_path / "bank.db"
    bank(path, "wal")
    taken = take(path)
    crash(CRASH_IN_LOG, path)
    path.write_bytes(os.urandom(50_000))
    path.chmod(0o604)
    _, results = bring_back(path, taken, in_place=True, overwrite=True)
    assert {each.status for each in results} == {"ok"}
    assert path.read_bytes() == taken.image
    assert path.stat().st_mode & 0o777 == 0o604
    assert total(path) == 100_000


def test_a_damaged_database_is_repaired_in_place(tmp_path: Path) -> None:
    """It still opens, pages in its middle are garbage."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path)
    data = bytearray(path.read_bytes())
    data[40_000:80_000] = os.urandom(40_000)
    path.write_bytes(data)
    _, results = bring_back(path, taken, in_place=True, overwrite=True)
    assert {each.status for each in results} == {"ok"}
    assert take(path).learned.incomplete == [] and total(path) == 100_000


def test_undo_removes_what_a_restore_created(tmp_path: Path) -> None:
    """The file and its side files; a second undo finds nothing to do."""
    path = tmp_path / "bank.db"
    bank(path, "wal")
    taken = take(path)
    path.unlink()
    bring_back(path, taken, in_place=True)
    crash(CRASH_IN_LOG, path)
    plan, results = bring_back(path, Taken(), in_place=True, undo_created=(b"bank.db",))
    assert plan.steps[0].action is Action.DELETE
    assert [each.status for each in results] == ["ok"]
    assert os.listdir(tmp_path) == []
    plan, _ = bring_back(path, Taken(), in_place=True, undo_created=(b"bank.db",))
    assert plan.steps[0].action is Action.LEAVE


def test_content_verification_finds_one_changed_byte(tmp_path: Path) -> None:
    """The byte and its page are named."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path)
    target = SqliteSource(path).target(RestoreRequest(label="x"))
    plan = target.plan(taken)
    with target.hold(plan):
        target.apply(plan, taken, taken)
    assert [each.status for each in target.verify(plan, taken, taken)] == ["ok"]
    back = tmp_path / "bank-restored-x.db"
    with back.open("r+b") as file:
        file.seek(100_000)
        byte = file.read(1)
        file.seek(100_000)
        file.write(bytes([byte[0] ^ 1]))
    (result,) = target.verify(plan, taken, taken)
    assert (result.status, result.detail) == ("failed", "byte 100000 differs (page 25)")


def test_wrong_bytes_are_not_put_in_place(tmp_path: Path) -> None:
    """Content that is not what the manifest tells leaves everything as it was, and no temporary file."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path)
    spend(path)
    (key,) = taken.stored
    taken.stored[key] = b"\0" * len(taken.stored[key])
    with pytest.raises(TargetError, match="not those the manifest tells"):
        bring_back(path, taken, in_place=True, overwrite=True)
    assert total(path) == 99_000 and os.listdir(tmp_path) == ["bank.db"]


def test_patterns_that_match_nothing_are_refused(tmp_path: Path) -> None:
    """--only with another name is told, not reported as a restore."""
    path = tmp_path / "bank.db"
    bank(path, MODES[0])
    plan = SqliteSource(path).target(RestoreRequest(label="x", only=("account",))).plan(take(path))
    told = "nothing in the snapshot matches account: only whole databases can be restored, it holds bank.db"
    assert (plan.steps, plan.refusals) == ((), (told,))
    for wanted in (("bank.db", "acount"), ("database", "acount")):
        plan = SqliteSource(path).target(RestoreRequest(label="x", only=wanted)).plan(take(path))
        assert plan.refusals == ("nothing in the snapshot matches acount",)
        assert take(path, only=wanted).learned.warnings == ["no database matches acount"]


@pytest.mark.parametrize("mode", MODES)
def test_a_restore_killed_at_any_time_leaves_the_old_or_the_new_content(tmp_path: Path, mode: str) -> None:
    """kill -9 amid the replacement of a live database: the next opener finds one of both, whole."""
    path = tmp_path / "bank.db"
    bank(path, mode, accounts=20_000)
    old = tmp_path / "old.db"
    bank(old, mode, accounts=20_000)
    spend(old)
    before, after = 2_000_000, 1_980_000
    code = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "import sqlite3\n"
        "from holdfast.sources.sqlite.replacing import Lock, replace_content\n"
        "place, new = sys.argv[1].encode(), sys.argv[2].encode()\n"
        "lock = Lock(place, 5)\n"
        "print('go', flush=True)\n"
        "replace_content(place, new, lock, 5).close()\n"
    )
    source = str(Path(__file__).resolve().parents[3] / "src")
    seen = set()
    for delay in (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 1.0):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(old), source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found = total(path)
        assert found in (before, after)
        seen.add(found)
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    assert after in seen


@pytest.mark.parametrize("mode", MODES)
def test_a_restore_under_load_either_happens_or_does_not(tmp_path: Path, mode: str) -> None:
    """Writers that never stop: each restore succeeds as a whole or says that somebody wrote."""
    path = tmp_path / "bank.db"
    bank(path, mode)
    taken = take(path)
    spend(path)
    stop = threading.Event()

    def write() -> None:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        while not stop.is_set():
            connection.execute("UPDATE account SET balance = balance + 1 WHERE id = 1")
            time.sleep(0.02)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    outcomes = []
    try:
        for _ in range(3):
            try:
                _, results = bring_back(path, taken, in_place=True, overwrite=True)
                outcomes.append(results[0].status)
            except TargetError as error:
                outcomes.append("moved" if error.retryable else "broken")
    finally:
        stop.set()
        writer.join()
    assert outcomes[0] in ("ok", "moved")
    assert set(outcomes) <= {"ok", "moved", "skipped"}  # skipped: nobody wrote since the one before
    assert take(path).learned.incomplete == []


def test_a_full_disk_is_seen_before_writing(tmp_path: Path) -> None:
    """A size that cannot fit is refused in the plan."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path)
    taken.only_item.size = 1 << 60
    plan = SqliteSource(path).target(RestoreRequest(label="x")).plan(taken)
    assert "not enough room" in plan.refusals[0]


def test_rows_that_were_not_counted_are_not_told_as_none(tmp_path: Path) -> None:
    """A database too large to count says that nobody knows, planned and done."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    taken = take(path, settings=Settings(wait=0.5, count_limit=1))
    plan, results = bring_back(path, taken, to=str(tmp_path / "new.db"))
    assert [step.rows for step in plan.steps] == [None]
    assert results[0].rows is None
    assert total(tmp_path / "new.db") == 100_000
