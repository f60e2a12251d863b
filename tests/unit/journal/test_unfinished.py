"""Which of the runs that seem to go on were interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.contracts.journal_contract import run_of

from holdfast.journal.sqlite import SqliteJournal
from holdfast.journal.unfinished import Processes, interrupted, mark_interrupted, of_this_process
from holdfast.model.run import RunStatus
from holdfast.system import clock

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
JUST, HOURS, DAYS = (clock.stamp(NOW - timedelta(hours=each)) for each in (0.1, 2, 25))
HERE = Processes(host="here", boot="b2", started={7: "100"}.get)


def running(**changes: object) -> object:
    given = {"status": RunStatus.RUNNING, "host": "here", "boot": "b2", "pid": 7, "started": "100", **changes}
    return run_of(1, **given)


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"seen_at": DAYS}, ""),
        ({"pid": 8}, "process 8 is gone"),
        ({"started": "99"}, "process 7 is gone"),
        ({"boot": "b1"}, "the machine was restarted"),
        ({"host": "there", "pid": 8, "seen_at": JUST}, ""),
        ({"host": "there", "pid": 8, "seen_at": HOURS}, "no sign of life for 2:00:00"),
        ({"host": "there", "pid": 8, "created_at": HOURS}, ""),
        ({"host": "", "pid": 0, "created_at": DAYS, "status": RunStatus.QUEUED}, "no sign of life for 1 day, 1:00:00"),
        ({"status": RunStatus.SUCCEEDED, "pid": 8}, ""),
    ],
    ids=["it runs", "no such process", "its number was given away", "another boot", "elsewhere, heard of",
         "elsewhere, silent", "elsewhere, never told", "nobody took it for a day", "it is over"],
)  # fmt: skip
def test_the_process_decides_here_and_silence_elsewhere(changes: dict[str, object], gone: str) -> None:
    """A pure decision over process facts."""
    found = interrupted([running(**changes)], NOW, HERE)
    assert [why for _, why in found] == ([gone] if gone else [])


def test_a_run_killed_in_the_middle_is_shown_as_interrupted(tmp_path: Path) -> None:
    """It stays running in the journal, with its process; the next look ends it, with its log, once."""
    path = tmp_path / "journal.db"
    script = (
        "import sys, time; sys.path.insert(0, '.'); from pathlib import Path;"
        "from tests.contracts.journal_contract import run_of, line; from holdfast.model.run import RunStatus;"
        "from holdfast.journal.sqlite import SqliteJournal; from holdfast.journal.unfinished import of_this_process;"
        "j = SqliteJournal(Path(sys.argv[1])); r = of_this_process(run_of(1, status=RunStatus.RUNNING));"
        "r.started_at = r.created_at; j.put(r); j.write(r.id, [line(1)]); print('going', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "going\n"
    journal = SqliteJournal(path)
    journal.put(of_this_process(run_of(2, status=RunStatus.RUNNING)))
    assert mark_interrupted(journal, clock.now()) == []
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (ended,) = mark_interrupted(journal, clock.now())
    assert (ended.id, ended.status) == (run_of(1).id, RunStatus.INTERRUPTED)
    kept = journal.get(ended.id)
    assert kept == ended and kept.error is not None and kept.error.code == "interrupted"
    assert kept.ended_at is not None and kept.seconds is not None
    assert [each.text for each in journal.lines(ended.id)] == ["said", f"interrupted: process {child.pid} is gone"]
    assert mark_interrupted(journal, clock.now()) == []
    assert [run.id for run in journal.unfinished()] == [run_of(2).id]
    journal.close()
