"""``holdfast daemon`` and ``serve`` as processes: killed, stopped, several on one repository."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.program import PROGRAM, Site

from holdfast.journal.base import RunQuery
from holdfast.journal.sqlite import SqliteJournal
from holdfast.model.run import Run

_QUIET = '\n[running]\ncheck_every = "0s"\nprune_every = "0s"\n'
_SLOW = _QUIET + 'bandwidth = "200KiB"\n'


class Keeper:
    """A site with a schedule, and daemons on it."""

    def __init__(self, folder: Path) -> None:
        self.site = Site(folder)
        self.site.fill(rows=200, files=3)
        made = self.site.run("init", "--repository", "./backups", "--source", f"notes=sqlite:{self.site.database}")
        assert made.status == 0, made
        self.file = folder / "holdfast.toml"
        self.original = self.file.read_text()
        self.schedule('[{ name = "often", every = "1h" }]')

    def schedule(self, schedules: str, more: str = _QUIET) -> None:
        """Give the source these schedules."""
        text = self.original.replace("[sources.notes]", f"[sources.notes]\nschedules = {schedules}")
        self.file.write_text(text + more)

    def much(self) -> None:
        """More data than a slow line carries in a few seconds."""
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.site.database)) as database, database:
            database.executemany("INSERT INTO notes (text, picture) VALUES (?, ?)",
                                 (("big", os.urandom(60_000)) for _ in range(100)))  # fmt: skip

    @contextlib.contextmanager
    def running(self, *arguments: str, state: str = "") -> Iterator[subprocess.Popen[str]]:
        """One process, ended at the end; ``state``: its own folder, as on another machine."""
        environ = dict(self.site.environ)
        if state:
            own = self.site.folder / state
            environ |= {"HOLDFAST_STATE_DIR": str(own), "HOLDFAST_CACHE_DIR": str(own / "cache")}
        process = subprocess.Popen(
            [PROGRAM, *arguments], cwd=self.site.folder, env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=_as_in_a_terminal,  # noqa: PLW1509
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def runs(self, kind: str = "backup", state: str = "") -> list[Run]:
        """What the journal tells, oldest first."""
        base = self.site.folder / state if state else self.site.folder / "home"
        (path,) = base.rglob("journal.db")
        with contextlib.closing(SqliteJournal(path)) as journal:
            return list(reversed(journal.runs(RunQuery(kinds=(kind,), limit=500)).runs))

    def snapshots(self) -> list[dict[str, Any]]:
        """What is in the repository."""
        found: list[dict[str, Any]] = self.site.ok("list")
        return found


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """A site of its own."""
    return Keeper(tmp_path / "site")


def _as_in_a_terminal() -> None:
    """Whoever runs the tests under nohup has SIGHUP ignored, and so would their children."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _until(what: Callable[[], Any], seconds: float = 40) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(ValueError):  # the journal is not there yet
            if found := what():
                return found
        time.sleep(0.1)
    raise AssertionError("it did not come to pass in time")


def _begun(keeper: Keeper) -> list[Run]:
    return [run for run in keeper.runs() if run.status.value == "running" and run.phases]


def test_a_daemon_keeps_its_schedule_and_ends_when_told(keeper: Keeper) -> None:
    """It says what runs by itself, does it, and SIGTERM is a good end."""
    with keeper.running("daemon") as daemon:
        _until(lambda: [run for run in keeper.runs() if run.status.over])
        daemon.send_signal(signal.SIGTERM)
        told, _ = daemon.communicate(timeout=30)
        assert daemon.returncode == 0, told
    assert "notes often: every hour, next" in told
    (run,) = keeper.runs()
    assert (run.status.value, run.trigger, run.schedule) == ("succeeded", "schedule", "notes/often")
    assert [each["trigger"] for each in keeper.snapshots()] == ["schedule"]


def test_kill_9_leaves_no_run_running_and_the_appointment_is_kept_after_all(keeper: Keeper) -> None:
    """After the restart the run is told as interrupted, and tried again at once."""
    keeper.much()
    keeper.schedule('[{ name = "often", every = "1h" }]', _SLOW)
    with keeper.running("daemon") as daemon:
        _until(lambda: _begun(keeper))
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    assert keeper.runs()[0].status.value == "running"
    keeper.schedule('[{ name = "often", every = "1h" }]')
    with keeper.running("daemon"):
        _until(lambda: [run for run in keeper.runs() if run.status.value == "succeeded"])
    first, second = keeper.runs()
    assert first.status.value == "interrupted"
    assert first.error is not None
    assert "is gone" in first.error.why
    assert (second.attempt, second.retry_of, second.due_at) == (2, first.id, first.due_at)
    assert keeper.site.run("check", "--read-data=100%").status == 0


def test_killed_at_any_moment_it_comes_back(keeper: Keeper) -> None:
    """Killed again and again, earlier or later each time: one good snapshot in the end, and no run without an end."""
    keeper.much()
    keeper.schedule('[{ name = "often", every = "1h" }]', _SLOW)
    for number, delay in enumerate((0.0, 0.4, 0.8, 1.6)):
        with keeper.running("daemon") as daemon:
            _until(lambda: len(keeper.runs()) > number)  # noqa: B023 - asked within this turn
            time.sleep(delay)
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
    keeper.schedule('[{ name = "often", every = "1h" }]')
    with keeper.running("daemon"):
        _until(lambda: [run for run in keeper.runs() if run.status.value == "succeeded"])
        _until(lambda: all(run.status.over for run in keeper.runs()))
    statuses = [run.status.value for run in keeper.runs()]
    assert statuses == ["interrupted"] * 4 + ["succeeded"]
    assert [run.attempt for run in keeper.runs()] == [1, 2, 3, 4, 5]
    assert len(keeper.snapshots()) == 1
    assert keeper.site.run("check", "--read-data=100%").status == 0


def test_sigterm_waits_for_what_runs(keeper: Keeper) -> None:
    """Within the grace a backup ends well, and nothing new is begun."""
    keeper.much()
    keeper.schedule('[{ name = "often", every = "1h" }]', _QUIET + 'bandwidth = "2MiB"\n')
    with keeper.running("daemon", "--grace", "60s") as daemon:
        _until(lambda: _begun(keeper))
        daemon.send_signal(signal.SIGTERM)
        told, _ = daemon.communicate(timeout=90)
        assert daemon.returncode == 0, told
    assert "1 run goes on" in told
    assert [run.status.value for run in keeper.runs()] == ["succeeded"]


def test_sigterm_interrupts_cleanly_what_takes_longer(keeper: Keeper) -> None:
    """After the grace the run stops, says so, and what it stored is not lost for the next one."""
    keeper.much()
    keeper.schedule('[{ name = "often", every = "1h" }]', _SLOW)
    with keeper.running("daemon", "--grace", "1s") as daemon:
        _until(lambda: _begun(keeper))
        daemon.send_signal(signal.SIGTERM)
        told, _ = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, told
    (run,) = keeper.runs()
    assert run.status.value == "interrupted"
    assert run.ended_at
    assert keeper.snapshots() == []
    assert keeper.site.run("check").status == 0


def test_a_second_signal_interrupts_what_the_first_would_wait_for(keeper: Keeper) -> None:
    """Cleanly and soon, though the grace is an hour; the first is that of a terminal that went away."""
    pytest.importorskip("uvicorn", reason="not proven: the server is not installed")
    keeper.much()
    keeper.schedule('[{ name = "often", every = "1h" }]', _SLOW)
    with keeper.running("serve", "--grace", "1h", "--listen", "127.0.0.1:0") as process:
        _until(lambda: _begun(keeper))
        process.send_signal(signal.SIGHUP)
        assert _until(lambda: process.stdout and "stopping: 1 run goes on" in process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
        assert (process.returncode, "stopping now" in told, "Traceback" in told) == (130, True, False), told
    (run,) = keeper.runs()
    assert (run.status.value, bool(run.ended_at)) == ("interrupted", True)
    assert keeper.snapshots() == []
    assert keeper.site.run("check").status == 0


def test_three_daemons_on_one_repository_keep_an_appointment_once(keeper: Keeper) -> None:
    """Three processes with nothing in common but the repository."""
    states = ("one", "two", "three")

    def told() -> list[str]:
        return [run.status.value for state in states for run in keeper.runs(state=state)]

    with contextlib.ExitStack() as stack:
        for state in states:
            stack.enter_context(keeper.running("daemon", state=state))
        _until(lambda: "succeeded" in told())
        _until(lambda: "running" not in told())
        time.sleep(2)
    assert told().count("succeeded") == 1
    assert set(told()) <= {"succeeded", "skipped"}
    assert len(keeper.snapshots()) == 1


def test_serve_keeps_schedules_too_and_ends_when_told(keeper: Keeper) -> None:
    """API, dashboard and scheduler in one process."""
    pytest.importorskip("uvicorn", reason="not proven: the server is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with keeper.running("serve", "--listen", f"127.0.0.1:{port}") as server:
        _until(lambda: [run for run in keeper.runs() if run.status.over])

        def healthy() -> bool:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                return bool(answer.status == 200)
            return False

        _until(healthy)
        server.send_signal(signal.SIGTERM)
        told, _ = server.communicate(timeout=40)
        assert server.returncode == 0, told
    assert [(run.status.value, run.error) for run in keeper.runs()] == [("succeeded", None)]


def test_a_daemon_whose_passphrase_is_wrong_says_so_at_once(keeper: Keeper) -> None:
    """Nobody finds out weeks later that nothing ever ran."""
    done = keeper.site.run("daemon", HOLDFAST_PASSPHRASE="not the passphrase at all")
    assert done.status == 12
    done = keeper.site.run("daemon", HOLDFAST_PASSPHRASE=None)
    assert done.status == 2


def test_if_due_takes_a_backup_or_skips_with_the_age(keeper: Keeper) -> None:
    """The first is always due; then only what is old enough; a skip is status 75."""
    first = keeper.site.run("backup", "--if-due", "--json")
    assert first.status == 0
    assert first.document["due"] == [{"source": "notes", "due": True, "every_seconds": 3600.0, "age_seconds": None}]
    again = keeper.site.run("backup", "--if-due", "--json")
    assert again.status == 75
    assert again.document["skipped"] == ["notes"]
    assert again.document["snapshots"] == []
    assert 0 < again.document["due"][0]["age_seconds"] < 120
    told = keeper.site.run("backup", "--if-due", "--every", "24h")
    assert told.status == 75
    assert "notes: skipped, the newest good snapshot is" in told.err
    time.sleep(1)
    assert keeper.site.run("backup", "--if-due", "--every", "1s").status == 0
    assert len(keeper.snapshots()) == 2


def test_if_due_goes_on_from_what_another_tool_noted(keeper: Keeper) -> None:
    """The old settings row says when it was done last."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert keeper.site.run("backup", "--if-due", "--every", "24h", "--last", now).status == 75
    assert keeper.site.run("backup", "--if-due", "--every", "24h", "--last", "2026-01-01T00:00:00Z").status == 0
    assert keeper.site.run("backup", "--last", now).status == 2
