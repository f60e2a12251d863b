"""Work in threads: keys never overlap, lanes have their width, what is stopped says so."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.journal.sqlite import SqliteJournal
from holdfast.model.errors import HoldfastError, Interrupted, RepositoryBusy, SourceError, StorageError
from holdfast.model.events import Advanced, PhaseStarted, Reporter
from holdfast.model.run import Run, RunStatus
from holdfast.service.live import Live
from holdfast.service.recording import Outcome, may_help
from holdfast.service.work import BACKUP, Order, Work
from holdfast.wiring.build import App
from holdfast.wiring.load import for_repository
from holdfast.wiring.surroundings import Surroundings


class Bench:
    """Work with a journal of its own, and pieces of it that wait for a word."""

    def __init__(self, folder: Path) -> None:
        self.journal = SqliteJournal(folder / "journal.db")
        around = Surroundings(environ={"HOME": str(folder)}, folder=folder)
        self.work = Work(for_repository(str(folder / "r"), around), self.journal, Live(), width=1)
        self.go = threading.Event()
        self.running = threading.Semaphore(0)
        self.at_once, self.most = 0, 0

    def order(self, key: str = "", lane: str = BACKUP) -> Order:
        """One that runs until ``go``, telling of itself."""

        def do(_app: App, report: Reporter, _run: Run) -> Outcome:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.running.release()
            report(PhaseStarted(source="shop", phase="copy", total=None, unit="bytes"))
            try:
                while not self.go.wait(0.02):
                    report(Advanced(source="shop", phase="copy", amount=1))
            finally:
                self.at_once -= 1
            return Outcome(numbers={"rows": 7})

        return Order(kind="backup", work=do, key=key, lane=lane, sources=("shop",))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Nothing of it goes on after the test."""
    made = Bench(tmp_path)
    yield made
    made.go.set()
    made.work.close(10)
    made.journal.close()


def test_of_a_key_one_waits_or_runs(bench: Bench) -> None:
    """The second is refused and names the first; when that is over the key is free."""
    first = bench.work.start(bench.order("backup:shop"))
    with pytest.raises(RepositoryBusy) as caught:
        bench.work.start(bench.order("backup:shop"))
    assert first.id in caught.value.why
    bench.go.set()
    assert bench.work.wait(first.id, 10).status is RunStatus.SUCCEEDED
    again = bench.work.start(bench.order("backup:shop"))
    assert bench.work.wait(again.id, 10).rows == 7


def test_backups_go_on_as_many_at_once_as_allowed_and_people_do_not_wait_for_them(bench: Bench) -> None:
    """Three backups one after the other; an order of a person beside the first."""
    backups = [bench.work.start(bench.order(f"backup:{number}")) for number in range(3)]
    bench.running.acquire()
    deed = bench.work.start(Order(kind="check", work=lambda _app, _report, _run: Outcome(), key="check"))
    assert bench.work.wait(deed.id, 10).status is RunStatus.SUCCEEDED
    assert [bench.journal.get(run.id).status.value for run in backups] == ["running", "queued", "queued"]
    bench.go.set()
    for run in backups:
        assert bench.work.wait(run.id, 10).status is RunStatus.SUCCEEDED
    assert bench.most == 1


def test_a_run_that_is_asked_to_stop_ends_as_interrupted(bench: Bench) -> None:
    """At the next word it says; one that has not begun at once."""
    running, waiting = (bench.work.start(bench.order(f"backup:{number}")) for number in range(2))
    bench.running.acquire()
    assert bench.work.interrupt(waiting.id)
    assert bench.work.interrupt(running.id)
    for run in (running, waiting):
        found = bench.work.wait(run.id, 10)
        assert found.status is RunStatus.INTERRUPTED
        assert found.error.code == "interrupted"
        assert bench.journal.get(run.id).ended_at
    assert not bench.work.interrupt(running.id)


def test_closing_waits_then_interrupts_and_leaves_nothing_unfinished(bench: Bench) -> None:
    """What only waited is not begun; nothing new is taken."""
    runs = [bench.work.start(bench.order(f"backup:{number}")) for number in range(3)]
    bench.running.acquire()
    began = time.monotonic()
    bench.work.close(0.3)
    assert 0.3 <= time.monotonic() - began < 10
    assert {bench.journal.get(run.id).status for run in runs} == {RunStatus.INTERRUPTED}
    assert bench.journal.unfinished() == []
    with pytest.raises(Interrupted):
        bench.work.start(bench.order())


def test_closing_within_the_grace_lets_what_runs_end_well(bench: Bench) -> None:
    """The backup that was nearly done is done."""
    run = bench.work.start(bench.order())
    bench.running.acquire()
    threading.Timer(0.2, bench.go.set).start()
    bench.work.close(10)
    assert bench.journal.get(run.id).status is RunStatus.SUCCEEDED


def test_whatever_a_piece_raises_its_run_ends(bench: Bench) -> None:
    """An error with its hint, a defect without its secrets."""

    def fail(_app: App, _report: Reporter, _run: Run) -> Outcome:
        raise SourceError("the server ended the connection", hint="look at its log", retryable=True)

    def break_(_app: App, _report: Reporter, _run: Run) -> Outcome:
        raise ZeroDivisionError("by zero")

    for work, code, retryable in ((fail, "source", True), (break_, "defect", False)):
        run = bench.work.start(Order(kind="backup", work=work))
        found = bench.work.wait(run.id, 10)
        assert (found.status, found.error.code, found.error.retryable) == (RunStatus.FAILED, code, retryable)


def test_those_who_asked_hear_of_each_end(bench: Bench) -> None:
    """Once for each run, also of what never began."""
    heard: list[str] = []
    bench.work.on_over.append(lambda run: heard.append(run.id))
    runs = [bench.work.start(bench.order(f"backup:{number}")) for number in range(2)]
    bench.running.acquire()
    bench.work.interrupt(runs[1].id)
    bench.go.set()
    with contextlib.suppress(HoldfastError):
        bench.work.wait(runs[0].id, 10)
    assert sorted(heard) == sorted(run.id for run in runs)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (StorageError("x", retryable=True), True), (StorageError("x"), False), (SourceError("x"), False),
        (RepositoryBusy("x"), True), (ConnectionResetError(), True), (TimeoutError(), True), (ValueError(), False),
    ],
)  # fmt: skip
def test_what_may_pass_is_told_apart_from_what_does_not(error: BaseException, again: bool) -> None:
    """Only the former is tried again before the next appointment."""
    assert may_help(error) is again
