"""Claims: of several daemons one keeps an appointment, and one that died is followed by another."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from tests.faults.world import World
from tests.unit.repository.opened import cheap, memory, repository, room, world  # noqa: F401

from holdfast.model.errors import StorageError
from holdfast.repository import claims
from holdfast.repository.claims import Claims, Ending
from holdfast.repository.repository import Repository
from holdfast.storage.base import Traits
from holdfast.storage.memory import MemoryStorage
from holdfast.system import clock
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.prune import PruneRequest, prune

DUE = datetime(2026, 11, 21, 4, 20, tzinfo=UTC)
JOB = "shop/nightly"


@pytest.fixture(autouse=True)
def later() -> Iterator[None]:
    """Appointments of these tests have come, whatever the day."""
    with time_machine.travel(DUE + timedelta(days=1), tick=True):
        yield


@pytest.fixture
def mine(repository: Repository) -> Claims:  # noqa: F811
    """The claims of this process."""
    return Claims(repository.vault)


class _Elsewhere:
    """This process while it passes for one of another machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, mine: Claims) -> None:
        self._monkeypatch, self._claims = monkeypatch, mine

    def take(self, due: datetime = DUE) -> int:
        with self._monkeypatch.context() as patch:
            patch.setattr(clock, "host", lambda: "another machine")
            patch.setattr(clock, "boot", lambda: "another boot")
            attempt = self._claims.take(JOB, due, "their run").attempt
        claims._going.clear()
        return attempt

    def end(self, ending: Ending, attempt: int = 1) -> None:
        self._claims.end(JOB, DUE, attempt, ending)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch, mine: Claims) -> _Elsewhere:
    """The claims of another machine."""
    return _Elsewhere(monkeypatch, mine)


def test_of_many_that_claim_an_appointment_one_gets_it(world: World) -> None:  # noqa: F811
    """Eight clients at once, one winner; the next appointment is free again."""

    def take(number: int) -> int:
        with world.opened() as client:
            return Claims(client.vault).take(JOB, DUE, f"run {number}").attempt

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(8))) == [0] * 7 + [1]
    with world.opened() as client:
        assert Claims(client.vault).take(JOB, DUE + timedelta(days=1), "later").attempt == 1
        assert Claims(client.vault).take("shop/other", DUE, "other").attempt == 1


def test_what_another_daemon_did_is_left_alone(mine: Claims, theirs: _Elsewhere) -> None:
    """Done is done, also when it failed for good: the next appointment is the next chance."""
    assert theirs.take() == 1
    assert mine.take(JOB, DUE, "r").attempt == 0
    theirs.end(Ending(status="failed"))
    verdict = mine.take(JOB, DUE, "r")
    assert (verdict.attempt, verdict.over) == (0, True)
    assert "failed" in verdict.reason


def test_many_that_come_while_one_ends_find_it_done(world: World) -> None:  # noqa: F811
    """Whenever they look: before the claim, while it goes on, or after its end, the appointment is kept once."""

    def keep(number: int) -> int:
        with world.opened() as client:
            mine, kept = Claims(client.vault), 0
            for hour in range(20):
                due = DUE + timedelta(hours=hour)
                if attempt := mine.take(JOB, due, f"run {number}").attempt:
                    kept += 1
                    mine.end(JOB, due, attempt, Ending(status="succeeded"))
            return kept

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(keep, range(4))) == 20


def test_a_claim_whose_answer_was_lost_locks_nobody_out(
    mine: Claims, monkeypatch: pytest.MonkeyPatch, memory: MemoryStorage  # noqa: F811
) -> None:  # fmt: skip
    """The store took it and did not say so: the attempt failed, and the next one is this daemon's own."""
    put = memory.put_new

    def lost(name: str, data: bytes) -> None:
        put(name, data)
        raise StorageError("the answer did not arrive", retryable=True)

    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_new", lost)
        with pytest.raises(StorageError):
            mine.take(JOB, DUE, "first")
    assert mine.take(JOB, DUE, "second").attempt == 2
    assert mine.take(JOB, DUE, "third").attempt == 0, "this one goes on"


def test_a_claim_made_by_a_clock_that_was_ahead_counts_for_nothing(
    mine: Claims, memory: MemoryStorage, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    """The store, which has a clock of its own, dated it long before its time: when that comes it is free."""
    monkeypatch.setattr(MemoryStorage, "traits", Traits())
    due = DUE + timedelta(days=7)
    assert mine.take(JOB, due, "too early").attempt == 1
    mine.end(JOB, due, 1, Ending(status="succeeded"))
    with time_machine.travel(due, tick=True):
        assert mine.take(JOB, due, "in time").attempt == 2
        mine.end(JOB, due, 2, Ending(status="succeeded"))
        assert mine.take(JOB, due, "another").over
    mine.disbelieve(JOB, DUE + timedelta(days=1))
    assert [stat.name for stat in memory.list("claims/")] == []


def test_whether_an_attempt_goes_on_can_be_asked_of_a_job(mine: Claims, theirs: _Elsewhere) -> None:
    """Of another schedule of the same source; one that ended, failed or fell silent is in nobody's way."""
    assert mine.going(JOB) == ""
    with time_machine.travel(DUE, tick=True) as when:
        theirs.take()
        assert mine.going(JOB).endswith("does it")
        when.shift(claims.LEASE + timedelta(minutes=1))
        assert mine.going(JOB) == ""
        assert mine.take(JOB, DUE, "r").attempt == 2
        assert mine.going(JOB)
        mine.end(JOB, DUE, 2, Ending(status="failed", again=True))
        assert mine.going(JOB) == ""


def test_a_claimer_that_fell_silent_is_followed_after_the_lease(
    mine: Claims, theirs: _Elsewhere, memory: MemoryStorage  # noqa: F811
) -> None:  # fmt: skip
    """Not before: a backup that takes long is not begun twice."""
    with time_machine.travel(DUE, tick=True) as when:
        theirs.take()
        when.shift(claims.LEASE - timedelta(minutes=1))
        verdict = mine.look(JOB, DUE)
        assert (verdict.attempt, verdict.over) == (0, False)
        when.shift(timedelta(minutes=2))
        assert mine.take(JOB, DUE, "r").attempt == 2


def test_a_claimer_whose_backup_still_beats_is_waited_for(
    world: World, mine: Claims, theirs: _Elsewhere, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    """A heartbeat of its session counts as a sign of life, however old the claim is."""
    with time_machine.travel(DUE, tick=True) as when, world.opened() as client:
        theirs.take()
        with monkeypatch.context() as patch:
            patch.setattr(clock, "host", lambda: "another machine")
            patch.setattr(clock, "boot", lambda: "another boot")
            session = client.begin("backup")
        when.shift(timedelta(hours=2))
        name = f"heartbeat/{session.id}/00000000"
        client.storage.put_new(name, client.sealer.seal("heartbeat", name, b""))
        assert mine.take(JOB, DUE, "r").attempt == 0
        when.shift(claims.LEASE + timedelta(minutes=1))
        assert mine.take(JOB, DUE, "r").attempt == 2
        session.close()


def test_a_failure_that_may_pass_is_tried_again_by_its_own_daemon_first(mine: Claims, theirs: _Elsewhere) -> None:
    """Another one steps in only when nothing came of it for the time of a lease."""
    with time_machine.travel(DUE, tick=True) as when:
        theirs.take()
        theirs.end(Ending(status="failed", again=True))
        assert mine.take(JOB, DUE, "r").attempt == 0
        when.shift(claims.LEASE + timedelta(seconds=5))
        assert mine.take(JOB, DUE, "r").attempt == 2


def test_a_daemon_that_was_stopped_in_the_middle_is_followed_at_once(mine: Claims, theirs: _Elsewhere) -> None:
    """It said so itself: nobody has to wait."""
    theirs.take()
    theirs.end(Ending(status="interrupted", again=True))
    assert mine.take(JOB, DUE, "r").attempt == 2


def test_ones_own_failure_may_be_tried_again_and_again(mine: Claims) -> None:
    """Each attempt is a claim of its own."""
    for attempt in (1, 2, 3):
        assert mine.take(JOB, DUE, "r").attempt == attempt
        assert mine.take(JOB, DUE, "r").attempt == 0, "it goes on"
        mine.end(JOB, DUE, attempt, Ending(status="failed", again=attempt < 3))
    assert mine.take(JOB, DUE, "r").over


def _claim_and_die(folder: str) -> None:
    with World(folder).opened("child") as client:
        assert Claims(client.vault).take(JOB, DUE, "child").attempt == 1
        os._exit(9)


def test_a_process_of_this_machine_that_died_is_followed_at_once(room) -> None:  # noqa: F811
    """The process table says so: no lease has to end."""
    made = World(room / "w").create()
    child = multiprocessing.get_context("fork").Process(target=_claim_and_die, args=(room / "w",))
    child.start()
    child.join()
    assert child.exitcode == 9
    with made.opened() as client:
        assert Claims(client.vault).take(JOB, DUE, "r").attempt == 2


def test_old_claims_are_swept_but_the_newest_of_each_job(mine: Claims, memory: MemoryStorage) -> None:  # noqa: F811
    """A repository does not fill with them; what is needed to see that an appointment was kept stays."""
    with time_machine.travel(DUE, tick=True) as when:
        for day in range(5):
            due = DUE + timedelta(days=day)
            mine.take(JOB, due, "r")
            mine.end(JOB, due, 1, Ending(status="succeeded"))
            when.shift(timedelta(hours=23))
        assert mine.sweep() == 6
        left = sorted(stat.name.rpartition("/")[0][-16:] for stat in memory.list("claims/"))
        assert left == ["20261124t042000z"] * 2 + ["20261125t042000z"] * 2
        assert mine.take(JOB, DUE + timedelta(days=4), "r").over
        when.shift(timedelta(days=30))
        mine.sweep()
        assert mine.take(JOB, DUE + timedelta(days=4), "r").over


def test_names_of_claims_tell_nothing_of_the_application(mine: Claims, memory: MemoryStorage) -> None:  # noqa: F811
    """Who can list the store sees keyed hashes and times."""
    mine.take(JOB, DUE, "r")
    mine.end(JOB, DUE, 1, Ending(status="succeeded"))
    for stat in memory.list("claims/"):
        assert "shop" not in stat.name
        assert b"shop" not in memory.get(stat.name)


def test_a_claim_that_was_altered_holds_for_the_lease_only(mine: Claims, memory: MemoryStorage) -> None:  # noqa: F811
    """Rubbish in a claim's place delays an appointment, it never stops it."""
    with time_machine.travel(DUE, tick=True) as when:
        mine.take(JOB, DUE, "r")
        (stat,) = memory.list("claims/")
        memory.delete(stat.name)
        memory.put_new(stat.name, b"rubbish")
        assert mine.take(JOB, DUE, "r").attempt == 0
        when.shift(claims.LEASE + timedelta(seconds=5))
        assert mine.take(JOB, DUE, "r").attempt == 2


def test_check_and_prune_pass_claims_over(repository: Repository, mine: Claims) -> None:  # noqa: F811
    """They belong to a repository, and neither is harm."""
    mine.take(JOB, DUE, "r")
    assert check(repository, CheckRequest(read_data=1.0)).ok
    prune(repository, PruneRequest())
    assert mine.look(JOB, DUE).attempt == 0
