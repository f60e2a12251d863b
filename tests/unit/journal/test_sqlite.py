"""The journal in a SQLite file: the whole contract, its versions, and what becomes of a broken one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contracts.journal_contract import JournalContract, Opener, line, run_of

from holdfast.journal.base import Journal, JournalBroken, JournalFailed, RunQuery
from holdfast.journal.schema import VERSION
from holdfast.journal.sqlite import SqliteJournal, set_aside
from holdfast.journal.tables import Execute
from holdfast.model.errors import NewerFormat
from holdfast.model.run import RunStatus


class TestSqliteJournal(JournalContract):
    """In a file that is made with its folder."""

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        """A place where nothing is yet."""
        return lambda: SqliteJournal(tmp_path / "deep" / "journal.db")

    def ask(self, journal: Journal, statement: str) -> Sequence[Any]:
        """Another connection."""
        connection = sqlite3.connect(journal.url.removeprefix("sqlite:"))
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


_FIRST = """
create table runs (
  id text primary key, kind text not null, status text not null, created_at text not null, started_at text,
  ended_at text, seconds real, trigger text not null, who text not null, sources text not null, schedule text not null,
  rows integer, bytes_source integer, bytes_read integer, bytes_new integer, bytes_stored integer,
  error_code text, error_what text, document text not null);
create table log (run text not null, number integer not null, at text not null, level text not null, text text not null,
  primary key (run, number)) without rowid;
create table facts (key text primary key, value text not null) without rowid;
"""


def test_a_journal_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its runs, lines and facts are there, also in the views that came later."""
    old = sqlite3.connect(tmp_path / "journal.db")
    old.executescript(_FIRST)
    for run in (run_of(1), run_of(2, sources=["shop", "blog"])):
        document = msgspec.json.encode(run).decode()
        values = (run.id, run.kind, run.status.value, run.created_at, None, None, 2.0, "manual", "")
        values = (*values, " ".join(run.sources), "", 7, 1, 1, 1, 1, None, None, document)
        old.execute(f"insert into runs values ({', '.join('?' * 19)})", values)
    old.execute("insert into log values (?, 1, '', 'info', 'said')", (run_of(1).id,))
    old.execute("insert into facts values ('k', 'v')")
    old.commit()
    old.close()
    journal = SqliteJournal(tmp_path / "journal.db")
    assert [run.id for run in journal.runs(RunQuery(sources=["blog"])).runs] == [run_of(2).id]
    assert journal.lines(run_of(1).id)[0].text == "said" and journal.recall("") == {"k": "v"}
    journal.put(run_of(3))
    journal.close()
    again = sqlite3.connect(tmp_path / "journal.db")
    assert again.execute("pragma user_version").fetchone() == (VERSION,)
    assert again.execute("select runs from success_rate where source = 'shop'").fetchone() == (3,)
    again.close()


def test_a_journal_of_the_second_version_finds_its_runs_by_source_as_before(tmp_path: Path) -> None:
    """The times of what became of each source are filled in."""
    with contextlib.closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        for number in range(5):
            journal.put(run_of(number, sources=["shop", "blog"][: 1 + number % 2]))
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as old:
        old.executescript(
            "drop index run_sources_by_time; drop index runs_by_kind; alter table run_sources drop column created_at;"
            " pragma user_version = 2"
        )
    with contextlib.closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        first = journal.runs(RunQuery(sources=["blog"], limit=1))
        assert [run.id for run in first.runs] == [run_of(3).id]
        assert [run.id for run in journal.runs(RunQuery(sources=["blog"], before=first.next)).runs] == [run_of(1).id]
        assert len(journal.runs(RunQuery(sources=["shop", "blog"])).runs) == 5


def test_who_looks_waits_for_no_writer(tmp_path: Path) -> None:
    """A page of the dashboard is answered while a run is being written down."""
    with contextlib.closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        journal.put(run_of(1))

        def slow(execute: Execute) -> int:
            execute("delete from runs", ())
            return len(journal.runs(RunQuery()).runs)

        assert journal._file.within(slow) == 1, "as it was before the change"
        assert journal.runs(RunQuery()).runs == []


def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """It is refused with what to do, and not changed."""
    SqliteJournal(tmp_path / "journal.db").close()
    later = sqlite3.connect(tmp_path / "journal.db")
    later.execute(f"pragma user_version = {VERSION + 1}")
    later.close()
    with pytest.raises(NewerFormat, match="newer holdfast"):
        SqliteJournal(tmp_path / "journal.db")


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """Logs name what not everybody should know."""
    SqliteJournal(tmp_path / "own" / "journal.db").close()
    for path in (tmp_path / "own", tmp_path / "own" / "journal.db"):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


@pytest.mark.parametrize("damage", ["overwritten", "header", "page", "truncated"])
def test_a_broken_file_is_told_and_can_be_set_aside(tmp_path: Path, damage: str) -> None:
    """Whatever broke it: what was there is kept beside the new one."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    for number in range(200):
        journal.put(run_of(number))
    journal.close()
    data = bytearray(path.read_bytes())
    if damage == "overwritten":
        data = bytearray(b"no database at all " * 500)
    elif damage == "header":
        data[:32] = os.urandom(32)
    elif damage == "page":
        data[4096:] = os.urandom(len(data) - 4096)
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)
    with pytest.raises(JournalBroken) as caught:
        SqliteJournal(path).check()
    assert "rebuild" in caught.value.hint and str(path) in caught.value.where
    kept = set_aside(path)
    assert kept.name == "journal.db.broken" and kept.read_bytes()[:32] == bytes(data[:32])
    fresh = SqliteJournal(path)
    fresh.check()
    assert not fresh.runs(RunQuery()).runs
    fresh.close()
    assert set_aside(path) != kept and kept.exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """As JournalFailed, with the place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalFailed) as caught:
        SqliteJournal(tmp_path / "file" / "journal.db")
    assert "file" in caught.value.where


def test_many_processes_make_and_fill_one_journal(tmp_path: Path) -> None:
    """Begun at the same moment, on a file that is not there yet: nothing is lost, nobody fails."""
    script = (
        "import sys; sys.path.insert(0, '.');"
        "from pathlib import Path; from tests.contracts.journal_contract import run_of, line;"
        "from holdfast.journal.sqlite import SqliteJournal;"
        "n = int(sys.argv[2]); j = SqliteJournal(Path(sys.argv[1]));"
        "[(j.put(run_of(n * 100 + k)), j.write(run_of(n * 100 + k).id, [line(1)])) for k in range(20)]; j.close()"
    )
    path = tmp_path / "journal.db"
    children = [subprocess.Popen([sys.executable, "-c", script, str(path), str(n)]) for n in range(5)]
    assert [child.wait(60) for child in children] == [0] * 5
    journal = SqliteJournal(path)
    assert len(journal.runs(RunQuery(limit=1000)).runs) == 100
    journal.close()


def test_a_journal_locked_for_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a journal, and reading goes on meanwhile."""
    monkeypatch.setattr("holdfast.journal.sqlite._PATIENCE", 0.1)
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.put(run_of(1, status=RunStatus.RUNNING))
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(JournalFailed, match="does not answer"):
        journal.write(run_of(1).id, [line(1)])
    assert journal.get(run_of(1).id) is not None
    other.execute("rollback")
    other.close()
    journal.write(run_of(1).id, [line(1)])
    journal.close()
