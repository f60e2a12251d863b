"""Every kind of SQLite database comes out of a capture as it is, and is described truly."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.sqlite.doubles import bank, bring_back, take

from holdfast.model.errors import SourceError, UsageError
from holdfast.sources.base import CaptureRequest
from holdfast.sources.sqlite import SqliteSource
from holdfast.sources.sqlite.settings import SEGMENT, Settings

PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
CRASH_IN_LOG = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA wal_autocheckpoint=0")
c.execute("UPDATE account SET balance = balance + 1")
os._exit(0)
"""
CRASH_WITH_JOURNAL = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA cache_size=5")
c.execute("BEGIN")
c.execute("UPDATE account SET balance = 0, filler = randomblob(900)")
os._exit(0)
"""


def crash(code: str, path: Path) -> None:
    """Run code that dies with the database open."""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_every_page_size_is_kept_to_the_byte(tmp_path: Path, page_size: int, mode: str) -> None:
    """The image of a quiet database is the file."""
    path = tmp_path / "bank.db"
    bank(path, mode, page_size=page_size)
    taken = take(path)
    assert taken.image == path.read_bytes()
    assert taken.only_item.notes["page_size"] == page_size


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_what_is_only_in_the_log_is_captured(tmp_path: Path, page_size: int) -> None:
    """An application died before its checkpoint: its commits are in the image, the log stays as it was."""
    path = tmp_path / "bank.db"
    bank(path, "wal", page_size=page_size)
    before = path.read_bytes()
    crash(CRASH_IN_LOG, path)
    log = Path(f"{path}-wal").read_bytes()
    taken = take(path)
    assert taken.notes["via"] == "file and log"
    assert taken.query(tmp_path, "SELECT sum(balance) FROM account") == [(101_000,)]
    assert taken.query(tmp_path, "PRAGMA integrity_check") == [("ok",)]
    assert path.read_bytes() == before
    assert Path(f"{path}-wal").read_bytes() == log


def test_a_hot_journal_is_rolled_back_before_the_capture(tmp_path: Path) -> None:
    """An application died amid a transaction: the image is the state before it, as SQLite itself recovers it."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    crash(CRASH_WITH_JOURNAL, path)
    assert Path(f"{path}-journal").stat().st_size > 0
    taken = take(path)
    assert taken.query(tmp_path, "SELECT sum(balance) FROM account") == [(100_000,)]
    assert taken.notes["integrity"] == "ok"


def test_tables_of_every_kind_survive_and_are_listed(tmp_path: Path) -> None:
    """FTS5, contentless FTS5, WITHOUT ROWID, STRICT, generated columns, views, triggers, autoincrement."""
    path = tmp_path / "zoo.db"
    connection = sqlite3.connect(path)
    connection.executescript("""
        PRAGMA auto_vacuum=INCREMENTAL; PRAGMA user_version=7; PRAGMA application_id=4711; VACUUM;
        CREATE VIRTUAL TABLE notes USING fts5(title, body);
        CREATE VIRTUAL TABLE bare USING fts5(body, content='');
        CREATE TABLE pair(a TEXT, b TEXT, c ANY, PRIMARY KEY(a, b)) WITHOUT ROWID;
        CREATE TABLE tight(id INTEGER PRIMARY KEY AUTOINCREMENT, n INT, twice INT AS (n * 2) STORED) STRICT;
        CREATE VIEW many AS SELECT * FROM tight WHERE n > 1;
        CREATE TRIGGER count_up AFTER INSERT ON pair BEGIN INSERT INTO tight(n) VALUES(1); END;
        INSERT INTO notes VALUES('hello', 'the quick brown fox');
        INSERT INTO bare(rowid, body) VALUES(1, 'a lazy dog');
        INSERT INTO pair VALUES('x', 'y', x'00ff'), ('x', 'z', 1.5), ('odd "name', '', NULL);
        CREATE TABLE "we""ird
        name"(x); INSERT INTO "we""ird
        name" VALUES(1);
    """)
    connection.close()
    taken = take(path)
    notes = taken.only_item.notes
    assert notes is not None
    rows = {table["name"]: table["rows"] for table in notes["tables"]}
    assert rows["pair"] == 3 and rows["tight"] == 3 and rows["notes"] is None and rows["bare"] is None
    assert 1 in rows.values() and len(rows) == 5
    assert taken.only_item.rows == 7
    assert (notes["user_version"], notes["application_id"], notes["auto_vacuum"]) == (7, 4711, 2)
    bring_back(path, taken, to=str(tmp_path / "back.db"))
    back = sqlite3.connect(tmp_path / "back.db")
    assert back.execute("SELECT title FROM notes WHERE notes MATCH 'brown'").fetchall() == [("hello",)]
    assert back.execute("SELECT rowid FROM bare WHERE bare MATCH 'lazy'").fetchall() == [(1,)]
    back.execute("INSERT INTO bare(bare) VALUES('integrity-check')")
    back.close()


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    """Zero bytes: one item without segments, restored as such."""
    path = tmp_path / "empty.db"
    path.touch()
    taken = take(path)
    assert taken.only_item.size == 0 and not taken.only_item.segments
    assert taken.learned.incomplete == []
    _, results = bring_back(path, taken, to=str(tmp_path / "back.db"))
    assert [each.status for each in results] == ["ok", "ok"]
    assert (tmp_path / "back.db").read_bytes() == b""


def test_a_missing_database_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    """Never create what should be saved."""
    path = tmp_path / "missing.db"
    with pytest.raises(SourceError, match="does not exist"):
        take(path)
    assert SqliteSource(path).examine()[0].level == "fail"
    assert list(tmp_path.iterdir()) == []


def test_no_side_file_is_left_behind(tmp_path: Path) -> None:
    """A capture of a closed database leaves the folder as it was: a root-owned -shm would lock the owner out."""
    for mode in ("wal", "delete"):
        path = tmp_path / f"{mode}.db"
        bank(path, mode)
        before = {each.name: each.stat().st_mtime_ns for each in tmp_path.iterdir()}
        take(path)
        SqliteSource(path).examine()
        assert {each.name: each.stat().st_mtime_ns for each in tmp_path.iterdir()} == before


def test_a_flipped_byte_is_reported_and_marks_the_snapshot_incomplete(tmp_path: Path) -> None:
    """A damaged source never passes as a good snapshot, and its bytes are kept all the same."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    data = bytearray(path.read_bytes())
    for at in range(20 * 4096, 21 * 4096):
        data[at] ^= 0xFF
    path.write_bytes(data)
    taken = take(path)
    assert len(taken.learned.unsound) == 1
    assert "bank.db: the database is damaged in the source" in taken.learned.unsound[0]
    assert taken.image == bytes(data)
    plan, results = bring_back(path, taken, to=str(tmp_path / "back.db"))
    assert "damaged when it was captured" in plan.warnings[0]
    assert results[0].detail == "damaged already when it was captured"
    assert (tmp_path / "back.db").read_bytes() == bytes(data)


def test_a_truncated_database_is_reported(tmp_path: Path) -> None:
    """Half of the pages are gone: incomplete."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "damaged" in take(path).learned.unsound[0]


def test_a_damaged_schema_is_reported(tmp_path: Path) -> None:
    """Page 1 is garbage behind a good header: nothing raises, everything is kept, the snapshot is incomplete."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    data = bytearray(path.read_bytes())
    data[100:4096] = os.urandom(3996)
    path.write_bytes(data)
    taken = take(path)
    assert "damaged" in taken.learned.unsound[0]
    assert taken.image == bytes(data)


def test_what_sqlite_cannot_read_is_kept_as_bytes_and_said(tmp_path: Path) -> None:
    """No good snapshot, the second time neither, unless it is said to be encrypted; not when it was readable before."""
    path = tmp_path / "secret.db"
    path.write_bytes(os.urandom(100_000))
    taken = take(path)
    assert taken.image == path.read_bytes()
    assert "not a readable SQLite database" in taken.learned.unsound[0]
    assert "encrypted = true" in take(path, taken).learned.unsound[0], "a stamp that is as before makes nothing good"
    encrypted = take(path, settings=Settings(encrypted=True)).learned
    assert (encrypted.incomplete, encrypted.unsound, len(encrypted.warnings)) == ([], [], 1)
    bring_back(path, taken, to=str(tmp_path / "back.db"))
    assert (tmp_path / "back.db").read_bytes() == path.read_bytes()

    path.unlink()
    bank(path, "delete")
    readable = take(path)
    path.write_bytes(os.urandom(100_000))
    assert "readable SQLite database in the previous snapshot" in take(path, readable).learned.unsound[0]
    Path(f"{path}-wal").write_bytes(b"x" * 100)
    assert "-wal" in take(path).learned.incomplete[0]


@pytest.mark.parametrize("missing", ["collation", "function", "module"])
def test_parts_only_the_application_can_read_do_not_mark_a_database_damaged(tmp_path: Path, missing: str) -> None:
    """Own collations, functions in indexes, and extensions are a warning at most."""
    path = tmp_path / "app.db"
    connection = sqlite3.connect(path)
    connection.create_collation("german", lambda a, b: (a > b) - (a < b))
    connection.create_function("fold", 1, str.lower, deterministic=True)
    connection.execute("CREATE TABLE t(x TEXT)")
    connection.execute("INSERT INTO t VALUES('b'), ('a')")
    if missing == "collation":
        connection.execute("CREATE INDEX i ON t(x COLLATE german)")
    elif missing == "function":
        connection.execute("CREATE INDEX i ON t(fold(x))")
    else:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "INSERT INTO sqlite_schema VALUES('table','v','v',0,'CREATE VIRTUAL TABLE v USING unheard_of(a)')"
        )
    connection.commit()
    connection.close()
    taken = take(path)
    assert taken.learned.incomplete == []
    assert taken.image == path.read_bytes()


@pytest.mark.parametrize(
    "name",
    [b"with space", b"quo'te\".db", b"100%41.db", b"a?mode=memory", b"#hash", b"new\nline", b"-rf", b"\xff\xfe.db"],
)
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_hostile_file_names(tmp_path: Path, name: bytes, mode: str) -> None:
    """A name is bytes: nothing in it is an option, an escape or a query."""
    plain = tmp_path / "plain.db"
    bank(plain, mode)
    path = os.path.join(os.fsencode(tmp_path), name)
    os.rename(plain, path)
    taken = take(path)
    assert taken.only_item.name == name
    with open(path, "rb") as file:
        assert taken.image == file.read()
    plan, results = bring_back(path, taken)
    assert {each.status for each in results} == {"ok"}
    assert plan.target.startswith("sqlite:")
    assert len(os.listdir(tmp_path)) == 2


def test_a_symbolic_link_is_followed_to_the_database_and_its_log(tmp_path: Path) -> None:
    """SQLite keeps the log beside the real file."""
    real = tmp_path / "real"
    real.mkdir()
    bank(real / "bank.db", "wal")
    (tmp_path / "link.db").symlink_to(real / "bank.db")
    crash(CRASH_IN_LOG, tmp_path / "link.db")
    taken = take(tmp_path / "link.db")
    assert taken.notes["via"] == "file and log"
    assert taken.query(tmp_path, "SELECT sum(balance) FROM account") == [(101_000,)]


def test_segments_are_cut_at_the_same_offsets_and_have_bases(tmp_path: Path) -> None:
    """16 MiB each; the earlier segment at that offset is the base, also for one that has grown."""
    path = tmp_path / "big.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t(x)")
    connection.execute("INSERT INTO t VALUES(zeroblob(20000000))")
    connection.commit()
    first = take(path)
    assert first.only_item.segments[0].key == f"0-{SEGMENT}"
    connection.execute("INSERT INTO t VALUES(zeroblob(1000000))")
    connection.commit()
    connection.close()
    bases = []
    with SqliteSource(path).capture(CaptureRequest(source="db", previous=first)) as image:
        for lane in image.lanes():
            for piece in lane:
                assert piece.blocks is not None and piece.result is not None
                bases.append((piece.order, piece.key, piece.base.key if piece.base else None))
                for _ in piece.blocks:
                    pass
                piece.result()
    (_, one, base_one), (_, two, base_two) = sorted(bases)
    assert (one, base_one) == (f"0-{SEGMENT}", f"0-{SEGMENT}")
    assert base_two == first.only_item.segments[1].key != two


def test_large_databases_get_the_quick_check_and_no_counts(tmp_path: Path) -> None:
    """Limits are settings; what ANALYZE once found is kept as an estimate, apart from counted rows."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    connection = sqlite3.connect(path)
    connection.execute("ANALYZE")
    connection.close()
    taken = take(path, settings=Settings(full_check_limit=0, count_limit=0))
    notes = taken.only_item.notes
    assert notes is not None and notes["check"] == "quick_check"
    account = next(table for table in notes["tables"] if table["name"] == "account")
    assert (account["rows"], account["estimate"]) == (None, 1000)
    assert taken.only_item.rows == 0


def test_patterns_choose_the_database_by_file_name(tmp_path: Path) -> None:
    """Its whole name, a pattern, or what it is."""
    path = tmp_path / "bank.db"
    bank(path, "delete")
    assert take(path, only=("bank*",)).only_item.rows == 1000
    assert take(path, only=("database",)).only_item.rows == 1000


def make_gigabyte(path: Path) -> None:
    """A sound database of more than 1 GiB in few, large rows: its lock-byte page lies at 1 GiB."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size=65536")
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, x)")
    for _ in range(5):
        connection.execute("INSERT INTO t(x) VALUES(zeroblob(220000000))")
    connection.execute("INSERT INTO t(x) VALUES('behind the lock-byte page')")
    connection.close()


def test_a_database_of_more_than_a_gigabyte(tmp_path: Path) -> None:
    """The lock-byte page is copied like any other: sizes and digests are the file's."""
    path = tmp_path / "large.db"
    make_gigabyte(path)
    assert path.stat().st_size > 1 << 30
    found = {}
    with SqliteSource(path).capture(CaptureRequest(source="db", width=1)) as image:
        (lane,) = image.lanes()
        for piece in lane:
            assert piece.blocks is not None and piece.result is not None
            size = sum(len(block) for block in piece.blocks)
            found[piece.key] = (size, piece.result().stamp)
        assert image.finish().incomplete == []
    assert sum(size for size, _ in found.values()) == path.stat().st_size
    around = next(key for key in found if int(key.split("-")[0]) == 1 << 30)
    for key in (around, list(found)[-1]):
        begin, end = (int(each) for each in key.split("-"))
        with path.open("rb") as file:
            file.seek(begin)
            assert hashlib.sha256(file.read(end - begin)).digest() == found[key][1]


def test_tables_cannot_be_chosen_for_a_backup(tmp_path: Path) -> None:
    """A pattern that names something else is refused in words."""
    path = tmp_path / "bank.db"
    bank(path, "wal")
    with pytest.raises(UsageError, match="no database matches account"):
        take(path, only=("account",))


def test_an_emptied_database_is_no_complete_snapshot(tmp_path: Path) -> None:
    """Told every time until there is something again; a database that was always empty is one."""
    path = tmp_path / "bank.db"
    path.touch()
    assert take(path, take(path)).learned.unsound == []
    bank(path, "wal")
    taken = take(path)
    os.truncate(path, 0)
    for _ in range(3):
        taken = take(path, taken)
        assert taken.learned.unsound == ["bank.db: the database is empty now, it had 2 tables before"]
    path.unlink()
    bank(path, "wal")
    assert take(path, taken).learned.unsound == []
