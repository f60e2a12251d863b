"""kill -9 at every call of storage: nothing that was promised is lost, and running again comes to the end."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.faults.scripted_storage import Script, Scripted
from tests.faults.world import (
    EAGER,
    Rows,
    RowsSource,
    World,
    cheap,
    require_tidy,
    require_whole,
    room,
    rows,
    run_and_die,
    touched,
)

from holdfast.flow import backup as flow_backup
from holdfast.model.errors import HoldfastError
from holdfast.sources.base import RestoreRequest
from holdfast.sources.files.source import FilesSource
from holdfast.storage.local import LocalStorage
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.restore import RestoreOrder, restore

__all__ = ["cheap", "room"]

FIRST: Rows = {"public.events": [rows(1), rows(2)], "public.users": [rows(3, 3_000)]}
SECOND: Rows = {"public.events": [touched(rows(1)), rows(2)], "public.users": [rows(3, 3_000), rows(4, 9_000)]}
THIRD: Rows = {"public.events": [touched(rows(1), 2), rows(5)], "public.users": [rows(6, 3_000)]}


def every_call(world: World, action: Callable[[World], None]) -> list[str]:
    """A script for each storage call that ``action`` makes: killed before it, and after those that change anything."""
    log = world.root.parent / "calls"
    twin = world.twin("counted")
    scripted(twin, Script(log=log))
    action(twin)
    shutil.rmtree(twin.root)
    calls = log.read_text().splitlines()
    scripts = [f"*#{number}:kill-before" for number in range(1, len(calls) + 1)]
    changing = [number for number, call in enumerate(calls, 1) if call.split()[0] in ("put_new", "delete")]
    return scripts + [f"*#{number}:kill-after" for number in changing]


def scripted(world: World, script: Script) -> None:
    world.store = lambda: Scripted(LocalStorage(world.repo), script)


def killed_everywhere(
    world: World, action: Callable[[World], None], verify: Callable[[World], None]
) -> None:
    """Kill ``action`` at each of its calls, each time on a copy of ``world``, and ``verify`` what is left."""
    scripts = every_call(world, action)
    assert len(scripts) > 10
    deaths = 0
    for number, script in enumerate(scripts):
        twin = world.twin(f"twin{number}")
        scripted(twin, Script(script))
        killed = run_and_die(lambda twin=twin: action(twin))
        deaths += killed is not None
        twin.store = None
        try:
            verify(twin)
        except BaseException as error:
            error.add_note(f"killed by {script} ({killed})")
            raise
        shutil.rmtree(twin.root)
    assert deaths > 0.7 * len(scripts), "threads may shift the last calls a little, no more"


def with_two(room: Path) -> World:
    world = World(room / "w").create()
    world.back_up("one", FIRST, "client")
    world.back_up("two", SECOND, "client")
    return world


def test_init_killed_anywhere_is_completed_by_running_it_again(room: Path) -> None:
    """After a kill the place holds a whole repository or one that init completes; then it backs up and restores."""
    (room / "w").mkdir()
    world = World(room / "w")

    def verify(twin: World) -> None:
        try:
            twin.open().close()
        except HoldfastError:
            twin.create()
        twin.back_up("one", FIRST)
        require_whole(twin)

    killed_everywhere(world, lambda twin: twin.create() and None, verify)


@pytest.mark.parametrize("client", ["client", ""], ids=["same client", "new client"])
def test_a_first_backup_killed_anywhere_leaves_nothing_half(room: Path, client: str) -> None:
    """There is no snapshot or a whole one; running again succeeds; a prune then leaves nothing over."""
    world = World(room / "w").create()

    def verify(twin: World) -> None:
        require_whole(twin, {}, maybe={"one": FIRST})
        twin.back_up("again", FIRST, client)
        require_whole(twin, maybe={"one": FIRST})
        twin.prune()
        require_tidy(twin)
        require_whole(twin, maybe={"one": FIRST})

    killed_everywhere(world, lambda twin: twin.back_up("one", FIRST, "client") and None, verify)


@pytest.mark.parametrize("client", ["client", ""], ids=["same client", "new client"])
def test_a_later_backup_killed_anywhere_harms_no_older_one(room: Path, client: str) -> None:
    """Older snapshots restore byte by byte, running again succeeds, a prune leaves nothing over."""
    world = with_two(room)

    def verify(twin: World) -> None:
        require_whole(twin, maybe={"three": THIRD})
        twin.back_up("again", THIRD, client)
        twin.prune()
        require_tidy(twin)
        require_whole(twin, maybe={"three": THIRD})

    killed_everywhere(world, lambda twin: twin.back_up("three", THIRD, "client") and None, verify)


def to_be_pruned(room: Path) -> World:
    world = with_two(room)
    world.back_up("three", THIRD, "client")
    world.forget("one", "two", client="client")
    return world


def test_a_prune_with_repacking_killed_anywhere_loses_nothing(room: Path) -> None:
    """What is alive stays readable after every kill, and the next prune frees what the killed one left."""
    world = to_be_pruned(room)

    def verify(twin: World) -> None:
        require_whole(twin)
        twin.prune()
        twin.prune()
        require_tidy(twin)
        require_whole(twin)

    killed_everywhere(world, lambda twin: twin.prune(EAGER, "client"), verify)


def test_a_prune_killed_twice_loses_nothing(room: Path) -> None:
    """Killed at one step and, when it is run again, killed at the same step or an early one: still nothing is lost."""
    world = to_be_pruned(room)
    scripts = every_call(world, lambda twin: twin.prune(EAGER, "client"))
    for number in range(0, len(scripts), 3):
        twin = world.twin(f"twin{number}")
        for script in (scripts[number], scripts[number % 17 + 3], scripts[number]):
            scripted(twin, Script(script))
            run_and_die(lambda twin=twin: twin.prune(EAGER))
        twin.store = None
        require_whole(twin)
        twin.prune()
        twin.prune()
        require_tidy(twin)
        require_whole(twin)
        shutil.rmtree(twin.root)


@pytest.mark.parametrize("secret", ["another passphrase", None], ids=["passphrase", "recovery key"])
def test_adding_a_key_killed_anywhere_keeps_every_key_that_worked(room: Path, secret: str | None) -> None:
    """The old key opens; adding the same key again works, and then it opens too."""
    world = World(room / "w").create()
    world.back_up("one", FIRST, "client")
    added = {}

    def add(twin: World) -> None:
        with twin.opened("client") as repository:
            added["key"] = repository.add_key(secret, "second")[1] or secret

    def verify(twin: World) -> None:
        require_whole(twin)
        add(twin)
        twin.open(secret=added["key"] or "").close()
        twin.open(secret=twin.recovery_key).close()

    killed_everywhere(world, add, verify)


def test_removing_a_key_killed_anywhere_leaves_the_others(room: Path) -> None:
    """The other keys open; removing again says that it is gone, or removes it; it opens no more."""
    world = World(room / "w").create()
    world.back_up("one", FIRST, "client")
    with world.opened() as repository:
        slot = repository.add_key("another passphrase", "second")[0]

    def remove(twin: World) -> None:
        with twin.opened("client") as repository:
            repository.remove_key(slot.id)

    def verify(twin: World) -> None:
        require_whole(twin)
        with contextlib.suppress(HoldfastError):
            remove(twin)
        with pytest.raises(HoldfastError):
            twin.open(secret="another passphrase")
        twin.open(secret=twin.recovery_key).close()

    killed_everywhere(world, remove, verify)


@dataclass
class Tree:
    """A folder with a few files of every size, backed up."""

    room: Path
    files: dict[str, bytes] = field(default_factory=lambda: {
        "conf/app.toml": b"port = 80\n", "media/a.bin": rows(20, 200_000), "media/b.bin": rows(21, 100), "empty": b""
    })  # fmt: skip

    def grow(self) -> FilesSource:
        for name, data in self.files.items():
            path = self.room / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return FilesSource(str(self.room / "tree"), grain=0.0)

    def equals(self, folder: Path) -> bool:
        found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return found == self.files


def test_a_restore_killed_anywhere_harms_no_repository_and_can_be_run_again(room: Path) -> None:
    """After the kill every snapshot is whole and the same restore into a new folder gives every byte."""
    tree = Tree(room)
    source = tree.grow()
    world = World(room / "w").create()
    with world.opened("client") as repository:
        backup(repository, BackupRequest(sources={"tree": source}, name="tree"))

    def bring_back(twin: World, place: str = "out") -> Path:
        with twin.opened("client") as repository:
            to = twin.root / place
            request = RestoreRequest(label="x", to=str(to))
            order = RestoreOrder(entry=repository.snapshots()[0], source=source, request=request)
            assert restore(repository, order).verified
            return to

    def verify(twin: World) -> None:
        assert tree.equals(bring_back(twin, "another"))
        twin.prune()
        require_tidy(twin)

    killed_everywhere(world, lambda twin: bring_back(twin) and None, verify)


def test_an_interrupted_first_backup_goes_on_where_it_was(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed first backup had stored is not read again: the second run reads less than everything."""
    monkeypatch.setattr(flow_backup, "_PROGRESS_SECONDS", 0.0)
    data: Rows = {f"t{n}": [rows(n), rows(n + 50)] for n in range(6)}
    total = sum(len(part) for segments in data.values() for part in segments)
    for script in ("put_new@packs/*#5:kill-after", "put_new@index/*#6:kill-after", "put_new@log/*#2:kill-before"):
        world = World(room / f"w{script[8]}{script[15:18].replace('*', '')}".replace("/", "")).create()
        scripted(world, Script(script))
        killed = run_and_die(lambda world=world: world.back_up("one", data, "client") and None)
        world.store = None
        assert killed, script
        source = world.back_up("again", data, "client")
        assert source.read < total, script
        require_whole(world)
        world.prune()
        require_tidy(world)


def test_a_source_that_stops_midway_leaves_no_snapshot_and_its_work_is_kept(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that fails never makes a snapshot; the next run goes on from what was finished."""
    monkeypatch.setattr(flow_backup, "_PROGRESS_SECONDS", 0.0)
    data: Rows = {f"t{n}": [rows(n), rows(n + 50)] for n in range(4)}
    world = World(room / "w").create()
    with world.opened() as repository, pytest.raises(InterruptedError):
        backup(repository, BackupRequest(sources={"app": RowsSource(data, stop_after=200_000)}, name="one"))
    require_whole(world, {})
    source = world.back_up("again", data)
    assert source.read < sum(len(part) for segments in data.values() for part in segments)
    require_whole(world)
    world.prune()
    require_tidy(world)
