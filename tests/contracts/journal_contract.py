"""Every promise of ``holdfast.journal.base.Journal`` as a test, for any journal.

Subclass ``JournalContract`` in a module of your own, give it the ``opener`` fixture, pytest does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from holdfast.journal.base import Journal, RunQuery
from holdfast.model.run import LogLine, Phase, Run, RunError, RunStatus

Opener = Callable[[], Journal]
ODD = "nul \0, half a character \udcff, ‘quotes’ and a percent % ? sign"


def run_of(number: int, **changes: Any) -> Run:
    """A run of the source shop, ``number`` minutes after noon."""
    given = {
        "id": f"{number:032x}", "kind": "backup", "status": RunStatus.SUCCEEDED, "sources": ["shop"],
        "created_at": f"2026-11-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00.000Z",
        "seconds": 2.0, "bytes_source": 1000 + number, "bytes_new": 10, "bytes_stored": 5, "rows": 7, **changes,
    }  # fmt: skip
    return Run(**given)


def line(number: int, text: str = "said", at: str = "2026-11-01T10:00:00.000Z") -> LogLine:
    """One line of a log."""
    return LogLine(number=number, at=at, level="info", text=text)


class JournalContract:
    """One promise a test; ``opener`` is a function that opens one more client of the same, at first empty journal."""

    secrets: tuple[str, ...] = ()

    @pytest.fixture
    def opener(self) -> Opener:
        """To be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def journal(self, opener: Opener) -> Iterator[Journal]:
        """A client of an empty journal."""
        journal = opener()
        yield journal
        journal.close()

    def ask(self, journal: Journal, statement: str) -> Sequence[Any]:
        """The rows of a statement, asked by another program; to be overridden."""
        raise NotImplementedError

    def test_a_run_is_read_back_as_it_was_put(self, journal: Journal, opener: Opener) -> None:
        """Every field, by this client and by another."""
        run = run_of(
            1, who="ada", schedule="nightly", due_at="2026-11-01T00:00:00Z", started_at="2026-11-01T00:01:01Z",
            attempt=2, retry_of="f" * 32, host="h", boot="b", pid=3, started="4", snapshots=["a" * 32],
            phases=[Phase(name="read", source="shop", amount=3, total=None)], warnings=["w"],
            error=RunError(code="source", what="gone", hint="look"), more={"result": {"x": [1, None]}},
        )  # fmt: skip
        journal.put(run)
        assert journal.get(run.id) == run
        other = opener()
        assert other.get(run.id) == run
        other.close()
        assert journal.get("e" * 32) is None

    def test_a_run_that_is_over_stays_as_it_ended(self, journal: Journal) -> None:
        """A late word of a run that ended changes nothing, neither in the run nor in what is told of its sources."""
        journal.put(run_of(1, status=RunStatus.RUNNING))
        journal.put(run_of(1, status=RunStatus.FAILED))
        journal.put(run_of(1, status=RunStatus.RUNNING, sources=["other"]))
        found = journal.get(run_of(1).id)
        assert found is not None and found.status is RunStatus.FAILED
        assert not journal.runs(RunQuery(sources=["other"])).runs

    def test_a_run_taken_for_interrupted_may_be_heard_of_again(self, journal: Journal) -> None:
        """Silence is no proof of death: who speaks was not dead."""
        journal.put(run_of(1, status=RunStatus.INTERRUPTED))
        journal.put(run_of(1, status=RunStatus.SUCCEEDED))
        found = journal.get(run_of(1).id)
        assert found is not None and found.status is RunStatus.SUCCEEDED

    def test_lines_come_in_order_once_each_and_in_pages(self, journal: Journal) -> None:
        """A line that is there already is not written again."""
        run = run_of(1)
        journal.put(run)
        journal.write(run.id, [line(2, "two"), line(1, "one")])
        journal.write(run.id, [line(2, "something else"), line(3, "three")])
        assert [(each.number, each.text) for each in journal.lines(run.id)] == [(1, "one"), (2, "two"), (3, "three")]
        assert [each.number for each in journal.lines(run.id, after=1, limit=1)] == [2]
        assert journal.lines("e" * 32) == []

    def test_filters_choose_and_newest_come_first(self, journal: Journal) -> None:
        """By source (whole names), kind, status and time; several of one filter let either through."""
        journal.put(run_of(1))
        journal.put(run_of(2, sources=["my_shop", "blog"]))
        journal.put(run_of(3, sources=["myXshop"], kind="restore", status=RunStatus.FAILED))
        journal.put(run_of(4, sources=[], kind="check"))

        def found(**wanted: Any) -> list[int]:
            return [int(run.id, 16) for run in journal.runs(RunQuery(**wanted)).runs]

        assert found() == [4, 3, 2, 1]
        assert found(sources=["my_shop"]) == [2]
        assert found(sources=["blog", "shop"]) == [2, 1]
        assert found(sources=["my_sho"]) == []
        assert found(kinds=["restore", "check"]) == [4, 3]
        assert found(statuses=["failed"]) == [3]
        assert found(since="2026-11-01T00:02:00Z") == [4, 3, 2]
        assert found(since="2026-11-01T01:02:00+01:00", until="2026-11-01T00:04:00Z") == [3, 2]
        assert found(statuses=["failed"], kinds=["backup"]) == []

    def test_pages_neither_repeat_nor_miss_while_runs_are_added(self, journal: Journal) -> None:
        """Also when many were wished for at one instant."""
        for number in range(25):
            journal.put(run_of(number, created_at="2026-11-01T00:00:00.000Z"))
        seen, cursor = list[str](), None
        for step in range(20):
            page = journal.runs(RunQuery(limit=4, before=cursor))
            seen += [run.id for run in page.runs]
            journal.put(run_of(100 + step, created_at="2026-11-02T00:00:00.000Z"))
            cursor = page.next
            if cursor is None:
                break
        assert seen == [run_of(number).id for number in range(24, -1, -1)]
        assert journal.runs(RunQuery(limit=100)).next is None

    def test_unfinished_runs_are_found_oldest_first(self, journal: Journal) -> None:
        """Queued and running ones, and nothing that is over."""
        for number, status in enumerate(RunStatus):
            journal.put(run_of(number, status=status))
        assert [run.status for run in journal.unfinished()] == [RunStatus.QUEUED, RunStatus.RUNNING]

    def test_facts_are_kept_replaced_and_dropped(self, journal: Journal) -> None:
        """Found by the beginning of their key, in which no character stands for others."""
        journal.remember("alert/a_b", "1")
        journal.remember("alert/aXb", "2")
        journal.remember("alert/a_b", "3")
        journal.remember("other", "4")
        assert journal.recall("alert/") == {"alert/a_b": "3", "alert/aXb": "2"}
        assert journal.recall("alert/a_") == {"alert/a_b": "3"}
        journal.remember("alert/a_b", None)
        journal.remember("never", None)
        assert journal.recall("") == {"alert/aXb": "2", "other": "4"}

    def test_of_several_that_change_one_fact_at_once_one_succeeds(self, opener: Opener) -> None:
        """From what it was, from nothing, to nothing; what is otherwise stays."""
        clients = [opener() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            for before, after in ((None, ODD), (ODD, "second"), ("second", None)):
                assert list(pool.map(lambda each: each.swap("k", before, after), clients)).count(True) == 1  # noqa: B023
        assert clients[0].swap("k", None, None)
        assert not clients[0].swap("k", "other", "third")
        clients[0].remember("k", "1")
        assert not clients[0].swap("k", None, "2") and not clients[0].swap("k", None, None)
        assert clients[1].recall("k") == {"k": "1"}
        for each in clients:
            each.close()

    def test_any_text_is_taken(self, journal: Journal) -> None:
        """Also what is no character, as odd file names bring along: nothing fails for it."""
        journal.put(run_of(1, who=ODD, warnings=[ODD], error=RunError(code="source", what=ODD), more={"x": {ODD: 1}}))
        journal.write(run_of(1).id, [line(1, ODD)])
        journal.remember("odd", ODD)
        found = journal.get(run_of(1).id)
        assert found is not None and "quotes’ and a percent % ? sign" in found.who
        assert "percent % ? sign" in journal.lines(found.id)[0].text

    def test_many_at_once_lose_nothing(self, opener: Opener) -> None:
        """Clients in several threads, each with runs and lines of its own, and one run that all write to."""

        def work(client: int) -> None:
            journal = opener()
            for number in range(10):
                run = run_of(client * 100 + number, status=RunStatus.RUNNING)
                journal.put(run)
                journal.write(run.id, [line(1), line(2)])
                journal.write("c" * 32, [line(client * 100 + number + 1)])
                journal.put(msgspec.structs.replace(run, status=RunStatus.SUCCEEDED))
            journal.close()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        journal = opener()
        assert len(journal.runs(RunQuery(limit=1000, statuses=["succeeded"])).runs) == 60
        assert len(journal.lines("c" * 32)) == 60
        journal.close()

    def test_tidying_drops_old_lines_and_old_runs_but_never_the_last_word_on_a_source(self, journal: Journal) -> None:
        """Lines by their own time; runs by when they were wished for, unless they go on."""
        for number in range(4):
            journal.put(run_of(number))
        journal.put(run_of(4, sources=["old"]))
        journal.put(run_of(5, status=RunStatus.RUNNING))
        journal.put(run_of(3000))
        journal.write(run_of(3000).id, [line(1), line(2, at="2026-11-03T00:00:00.000Z")])
        journal.write(run_of(1).id, [line(1, at="2026-11-03T00:00:00.000Z")])
        gone = journal.tidy(log_before="2026-11-02T00:00:00+00:00", runs_before="2026-11-02T00:00:00+00:00")
        left = [int(run.id, 16) for run in journal.runs(RunQuery()).runs]
        assert left == [3000, 5, 4] and gone > 0
        assert [each.number for each in journal.lines(run_of(3000).id)] == [2]
        assert journal.lines(run_of(1).id) == []
        assert not self.ask(journal, "select * from run_sources where run = '" + run_of(1).id + "'")

    def test_it_says_where_it_is_without_a_secret(self, journal: Journal) -> None:
        """In its url and its repr."""
        assert journal.url
        for secret in self.secrets:
            assert secret not in journal.url and secret not in repr(journal)

    def test_views_answer_in_plain_sql(self, journal: Journal) -> None:
        """The views of docs/journal.md, from runs of one and of several sources."""
        journal.put(run_of(1))
        journal.put(run_of(2, seconds=4.0))
        journal.put(run_of(3, status=RunStatus.FAILED, error=RunError(code="source", what="gone"), bytes_source=None))
        told = {"blog": {"bytes_source": 50, "bytes_new": 1, "status": "succeeded"}, "shop": {"status": "failed"}}
        journal.put(
            run_of(1500, status=RunStatus.FAILED, sources=["shop", "blog"], more={"sources": told}, bytes_source=50)
        )
        journal.put(run_of(1501, status=RunStatus.RUNNING))
        rate = "select source, runs, succeeded, failed, percent from success_rate order by source"
        assert [tuple(map(_plain, row)) for row in self.ask(journal, rate)] == [
            ("blog", 1, 1, 0, 100), ("shop", 4, 2, 2, 50),
        ]  # fmt: skip
        per_day = "select day, source, percent from success_per_day order by day, source"
        assert [tuple(map(_plain, row)) for row in self.ask(journal, per_day)] == [
            ("2026-11-01", "shop", 66.7), ("2026-11-02", "blog", 100), ("2026-11-02", "shop", 0),
        ]  # fmt: skip
        size = "select day, source, runs, average, largest, new, stored from size_per_day order by day, source"
        assert [tuple(map(_plain, row)) for row in self.ask(journal, size)] == [
            ("2026-11-01", "shop", 2, 1001.5, 1002, 20, 10), ("2026-11-02", "blog", 1, 50, 50, 1, None),
        ]  # fmt: skip
        last = "select source, status, run from last_runs order by source"
        assert [tuple(row) for row in self.ask(journal, last)] == [
            ("blog", "succeeded", run_of(1500).id), ("shop", "running", run_of(1501).id),
        ]  # fmt: skip
        took = "select source, runs, fastest, average, slowest from durations where source = 'shop'"
        assert [tuple(map(_plain, row)) for row in self.ask(journal, took)] == [("shop", 2, 2, 3, 4)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) or value is None else float(value)
