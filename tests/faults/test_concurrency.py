"""Real processes on one local store at once: what was reported as saved is there, whoever else was at work."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from tests.faults.scripted_storage import Scripted
from tests.faults.world import (
    EAGER,
    Rows,
    RowsSource,
    World,
    cheap,
    content,
    require_tidy,
    require_whole,
    room,
    rows,
    touched,
)

from holdfast.model.errors import HoldfastError, RepositoryBusy, SessionExpired, UsageError
from holdfast.repository import guards
from holdfast.repository import records as rec
from holdfast.storage.local import LocalStorage
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.check import CheckRequest, check
from holdfast.usecases.protection import protected
from holdfast.usecases.prune import PruneRequest, prune

__all__ = ["cheap", "room"]

SECONDS = float(os.environ.get("HOLDFAST_LONG", "0")) or 8.0
"""How long the thrashing goes on; HOLDFAST_LONG asks for more."""


def fork(action: Callable[[], None], log: Path) -> int:
    """Run ``action`` in a child of its own; a failure is written to ``log``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        action()
        code = 0
    except BaseException as error:
        import traceback

        log.write_text("".join(traceback.format_exception(error)))
    finally:
        os._exit(code)


def wait_for(pids: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def test_two_writers_of_the_same_new_chunks_both_keep_their_word(room: Path) -> None:
    """Both snapshots restore; the chunks both stored become one copy with the next prune."""
    world = World(room / "w").create()
    data: Rows = {f"t{n}": [rows(n), rows(n + 9)] for n in range(4)}
    pids = [fork(lambda name=name: world.back_up(name, data, name) and None, room / name) for name in ("a", "b")]
    assert wait_for(pids) == [0, 0], [p.read_text() for p in room.glob("[ab]") if p.is_file()]
    require_whole(world, {"a": data, "b": data})
    world.prune()
    world.prune()
    require_tidy(world)
    require_whole(world, {"a": data, "b": data})


def test_two_inits_at_once_make_one_repository(room: Path) -> None:
    """One of them makes it, the others say that it is there; the winner's secrets open it."""
    for number in range(6):
        world = World(room / f"w{number}")

        def make(world: World = world, number: int = number) -> None:
            with contextlib.suppress(UsageError):
                (room / f"key{number}-{os.getpid()}").write_text(world.create().recovery_key)

        assert wait_for([fork(make, room / f"failure{n}") for n in range(4)]) == [0] * 4, [
            path.read_text() for path in room.glob("failure*")
        ]
        (winner,) = room.glob(f"key{number}-*")
        world.open().close()
        world.open(secret=winner.read_text()).close()
        world.back_up("one", {"t": [rows(1)]})
        require_whole(world)


def _writer(world: World, seed: int, until: float, journal: Path) -> None:
    rng = Random(seed)
    data: Rows = {f"t{n}": [rows(seed * 100 + n, 8_000)] for n in range(3)}
    number = 0
    while time.time() < until:
        number += 1
        name = f"w{seed}-{number}"
        victim = rng.choice(sorted(data))
        data = {**data, victim: [touched(data[victim][0], number) + rows(number, 600)]}
        with world.opened(f"writer{seed}") as repository:
            result = backup(repository, BackupRequest(sources={"app": RowsSource(data)}, name=name))
            assert not result.failures, result.failures
            with journal.open("a") as file:
                file.write(json.dumps({"name": name, "data": {k: v[0].decode() for k, v in data.items()}}) + "\n")
            old = [e for e in repository.snapshots() if (e.info.name or "").startswith(f"w{seed}-")][:-3]
            if old:
                repository.forget([entry.info.id for entry in old])


def _pruner(world: World, until: float) -> None:
    while time.time() < until:
        with contextlib.suppress(RepositoryBusy):
            world.prune(EAGER, "pruner")


def _restorer(world: World, until: float) -> None:
    rounds = 0
    while time.time() < until:
        with world.opened("restorer") as repository:
            for entry in repository.snapshots()[-2:]:
                warnings_heard: list[object] = []
                try:
                    with protected(repository, "restore", warnings_heard.append, [entry.info.id]) as reader:
                        assert content(repository, entry, reader)
                        rounds += 1
                except HoldfastError as error:
                    if "forgotten" not in error.what:
                        raise
    assert rounds


def _checker(world: World, until: float) -> None:
    while time.time() < until:
        with world.opened("checker") as repository:
            result = check(repository, CheckRequest(read_data=1))
            assert result.ok, result.findings


def test_writers_pruners_a_restorer_and_a_checker_at_once(room: Path) -> None:
    """For some seconds everybody works as fast as they can: nobody fails, and all that is listed restores."""
    world = World(room / "w").create()
    world.back_up("first", {"t": [rows(1)]})
    until = time.time() + SECONDS
    actions: list[Callable[[], None]] = [
        lambda: _writer(world, 1, until, room / "journal1"), lambda: _writer(world, 2, until, room / "journal2"),
        lambda: _pruner(world, until), lambda: _pruner(world, until), lambda: _restorer(world, until),
        lambda: _checker(world, until),
    ]  # fmt: skip
    codes = wait_for([fork(action, room / f"failure{n}") for n, action in enumerate(actions)])
    assert codes == [0] * len(actions), [path.read_text() for path in room.glob("failure*")]
    told = [json.loads(line) for n in (1, 2) for line in (room / f"journal{n}").read_text().splitlines()]
    promised = {entry["name"]: {k: [v.encode()] for k, v in entry["data"].items()} for entry in told}
    with world.opened() as repository:
        listed = [entry.info.name or "" for entry in repository.snapshots()]
    assert len(told) > 3
    require_whole(world, {name: promised.get(name) or world.model[name] for name in listed})
    world.prune()
    world.prune()
    require_tidy(world)


@contextlib.contextmanager
def stopped_writer(world: World, data: Rows, script: str, failure: Path) -> Iterator[int]:
    """A writer that has stopped itself (SIGSTOP) at the call the script names."""

    def write() -> None:
        twin = World(world.root)
        twin.store = lambda: Scripted(LocalStorage(world.repo), script)
        twin.back_up("stopped", data, "writer")

    pid = fork(write, failure)
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), failure.read_text() if failure.exists() else status
    yield pid
    os.kill(pid, signal.SIGKILL) if pid in _children() else None


def _children() -> set[int]:
    found = set()
    with contextlib.suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            found.update(int(pid) for pid in (task / "children").read_text().split())
    return found


@pytest.mark.parametrize("script", [
    "put_new@log/*#2:stop-before", "put_new@index/*:stop-before", "put_new@index/*:stop-after",
    "put_new@packs/*#1:stop-after", "put_new@packs/*#2:stop-before",
])  # fmt: skip
def test_a_writer_stopped_across_expire_condemn_and_sweep_cannot_commit(room: Path, script: str) -> None:
    """It wakes up and fails with SessionExpired; nothing that is listed is damaged, and a prune tidies up after it."""
    world = World(room / "w").create()
    world.back_up("one", {"t": [rows(1), rows(2)]}, "client")
    world.back_up("two", {"u": [rows(3)]}, "client")
    data: Rows = {"t": [rows(1), rows(2)], "x": [rows(7)]}
    with stopped_writer(world, data, script, room / "failure") as pid:
        with world.opened("pruner") as repository:
            (session,) = repository.log.state.open
            body = rec.Expire(session=session, reason="by the test")
            repository.log.append(body, lambda state: guards.require(guards.may_close(state, session)))
        world.forget("one", client="pruner")
        world.back_up("later", {"v": [rows(9)]}, "pruner")  # nobody goes on from the stopped one's work any more
        world.prune(EAGER, "pruner")
        world.prune(EAGER, "pruner")
        os.kill(pid, signal.SIGCONT)
        assert wait_for([pid]) == [1]
    assert SessionExpired.__name__ in (room / "failure").read_text()
    require_whole(world)
    world.prune()
    world.prune()
    require_tidy(world)
    world.back_up("stopped", data, "writer")
    require_whole(world)


def test_a_stopped_writer_that_nobody_declared_dead_keeps_what_it_relies_on(room: Path) -> None:
    """Its process lives, so prune waits with the sweep; it wakes up, commits, and its snapshot is whole."""
    world = World(room / "w").create()
    data: Rows = {"t": [rows(1), rows(2)]}
    world.back_up("one", data, "client")
    with stopped_writer(world, data, "put_new@log/*#2:stop-before", room / "failure") as pid:
        world.forget("one", client="pruner")
        world.prune(EAGER, "pruner")
        world.prune(EAGER, "pruner")
        os.kill(pid, signal.SIGCONT)
        assert wait_for([pid]) == [0], (room / "failure").read_text()
    require_whole(world, {"stopped": data})
    world.prune()
    require_tidy(world)
    require_whole(world, {"stopped": data})


def test_two_prunes_at_once_free_the_same_once(room: Path) -> None:
    """Both come to an end, or one says that the other was faster; nothing is lost and nothing is left."""
    world = World(room / "w").create()
    for n in range(4):
        world.back_up(f"s{n}", {"t": [rows(n), rows(50)]}, "client")
    world.forget("s0", "s1", client="client")

    def tidy() -> None:
        with contextlib.suppress(RepositoryBusy):
            world.prune(EAGER)

    assert wait_for([fork(tidy, room / f"failure{n}") for n in range(3)]) == [0, 0, 0], [
        path.read_text() for path in room.glob("failure*")
    ]
    require_whole(world)
    world.prune()
    world.prune()
    require_tidy(world)


def test_forgetting_is_regretted_until_it_is_swept(room: Path) -> None:
    """unforget brings a snapshot back before and after condemn; once its packs are swept it is refused."""
    world = World(room / "w").create()
    data: Rows = {"t": [rows(1), rows(2)]}
    world.back_up("one", data, "client")
    world.back_up("two", {"u": [rows(3)]}, "client")
    with world.opened() as repository:
        one = next(e.info.id for e in repository.snapshots() if e.info.name == "one")
        with repository.begin("backup"):  # an open session: prune may condemn, and must wait with the sweep
            repository.forget([one])
            with world.opened() as other:
                prune(other, PruneRequest(policy=EAGER))
                assert other.log.state.condemned
                other.unforget([one])
    require_whole(world)
    world.prune()
    require_tidy(world)
    require_whole(world)
    world.forget("one")
    world.prune()
    with world.opened() as repository, pytest.raises(HoldfastError, match="cannot be brought back"):
        repository.unforget([one])
    require_whole(world)
