"""A restore begins only when what it changes is saved, and its result is not lost to what comes after it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.world import RowsSource, World, cheap, room, rows  # noqa: F401

from holdfast.model.errors import TargetError
from holdfast.model.events import Reporter, Warned
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.repository.repository import Repository
from holdfast.sources.base import CaptureNotes, RestoreRequest, Source
from holdfast.sources.sqlite.source import SqliteSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.restore import RestoreOrder, RestoreResult, restore
from holdfast.usecases.undo import UndoOrder, undo


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room).create()


class Lossy(RowsSource):
    """A source of which something cannot be read."""

    def finish(self) -> CaptureNotes:
        return CaptureNotes(incomplete=["t: Input/output error; its content is not in this snapshot"])


class Overwriting:
    """A target that overwrites one table, and tells whether it did; ``touched`` is what stands there."""

    def __init__(self, touched: Source) -> None:
        self.touched = touched
        self.applied = False

    def plan(self, _manifest: object) -> RestorePlan:
        step = RestoreStep(item=b"t", kind="table", action=Action.REPLACE)
        return RestorePlan(target="there", in_place=True, steps=(step,))

    @contextlib.contextmanager
    def hold(self, _plan: object) -> Iterator[None]:
        yield

    def touched_source(self, _plan: object) -> tuple[Source, tuple[str, ...]]:
        return self.touched, ("t",)

    def apply(self, _plan: object, _manifest: object, _content: object) -> list[ItemResult]:
        self.applied = True
        return [ItemResult(name="t", action="replace", rows=1, status="ok")]

    def verify(self, *_: object) -> list[ItemResult]:
        return []


def overwrite(repository: Repository, target: Overwriting, **options: object) -> RestoreResult:
    source = RowsSource({})
    source.target = lambda _request: target  # type: ignore[method-assign]
    request = RestoreRequest(label="x", in_place=True)
    order = RestoreOrder(entry=repository.snapshots()[0], source=source, request=request, **options)  # type: ignore[arg-type]
    return restore(repository, order)


def test_what_cannot_be_saved_whole_is_not_overwritten(world: World) -> None:
    """The snapshot for undo misses content: the restore refuses, names what, and changes nothing."""
    world.back_up("one", {"t": [rows(1)]})
    target = Overwriting(Lossy({}))  # type: ignore[arg-type]
    with world.opened() as repository:
        with pytest.raises(TargetError) as caught:
            overwrite(repository, target)
        assert [entry.info.name for entry in repository.snapshots()] == ["one"]
    assert not target.applied
    assert "Input/output error" in caught.value.why
    assert "--to" in caught.value.hint


class Telling(Overwriting):
    """A target that warns when it plans and while it writes."""

    def __init__(self, touched: Source, report: Reporter) -> None:
        super().__init__(touched)
        self.report = report

    def plan(self, manifest: object) -> RestorePlan:
        return replace(super().plan(manifest), warnings=("planned otherwise",))

    def apply(self, *_: object) -> list[ItemResult]:
        self.report(Warned(source="app", text="objects of role ann now belong to bob"))
        return super().apply(*_)


class Told(RowsSource):
    """A source whose target is told apart by the request it was made from."""

    def target(self, request: object) -> Telling:
        assert isinstance(request, RestoreRequest)
        return Telling(self, request.report)


def test_what_could_not_be_kept_is_in_the_result(world: World) -> None:
    """What the snapshot lacks, what the plan warns of and what is reported on the way, each once."""
    whole = Told({"t": [rows(1)]})
    with world.opened() as repository:
        made = backup(repository, BackupRequest(sources={"app": Lossy({"t": [rows(1)]})}, name="then"))
        entry = next(entry for entry in repository.snapshots() if entry.info.id == made.snapshots[0].id)
        request = RestoreRequest(label="then", in_place=True)
        result = restore(repository, RestoreOrder(entry=entry, source=whole, request=request))
    assert "is incomplete: t: Input/output error" in result.warnings[0]
    assert result.warnings[1:] == ["planned otherwise", "objects of role ann now belong to bob"]


def test_a_dry_run_writes_nothing(world: World) -> None:
    """Not one object is written or deleted by a restore that is only planned, and none of its snapshots is needed."""
    world.back_up("one", {"t": [rows(1)]})
    before = world.objects()
    target = Overwriting(RowsSource({}))  # type: ignore[arg-type]
    with world.opened() as repository:
        number = repository.log.state.number
        assert [item.status for item in overwrite(repository, target, dry_run=True).items] == ["planned"]
        assert repository.log.state.number == number
    assert world.objects() == before
    assert not target.applied


def test_a_damaged_database_is_restored_over_and_can_be_had_back(world: World) -> None:
    """Every byte of a corrupt database is saved first, so it does not stand in the way of the restore that mends it."""
    path = world.root / "bank.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT)")
    connection.executemany("INSERT INTO account VALUES (?, ?)", ((n, f"name {n}" * 20) for n in range(3000)))
    connection.commit()
    connection.close()
    good = path.read_bytes()
    source = SqliteSource(path)
    with world.opened() as repository:
        backup(repository, BackupRequest(sources={"bank": source}))
    bad = bytearray(good)
    bad[4096 * 5 : 4096 * 9] = b"\xff" * 4096 * 4
    path.write_bytes(bad)
    with world.opened() as repository:
        request = RestoreRequest(label="x", in_place=True, overwrite=True)
        done = restore(repository, RestoreOrder(entry=repository.snapshots()[0], source=source, request=request))
        assert done.verified
        saved = next(entry.info for entry in repository.snapshots() if entry.info.id == done.undo)
    assert path.read_bytes()[4096:] == good[4096:]  # the first page counts the changes
    assert saved.status == "incomplete"
    assert "damaged" in saved.warnings[0]
    with world.opened() as repository:
        undo(repository, UndoOrder(run=done.run, source=lambda _info: source))
    assert path.read_bytes()[4096:] == bytes(bad)[4096:]
