"""Undo takes back what a restore did, and not one byte more."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.faults.world import World, cheap, room  # noqa: F401

from holdfast.model.errors import UsageError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.sources.base import RestoreRequest
from holdfast.sources.files.restore import target as files_target
from holdfast.sources.files.source import FilesSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.restore import RestoreOrder, RestoreResult, restore
from holdfast.usecases.undo import UndoOrder, undo


@pytest.fixture
def world(room: Path, cheap: None) -> World:  # noqa: F811
    return World(room).create()


@pytest.fixture
def tree(world: World) -> Path:
    """A folder with a few files, backed up once."""
    tree = world.root / "tree"
    (tree / "d").mkdir(parents=True)
    for name in "abc":
        (tree / "d" / name).write_text(name * 100)
    with world.opened() as repository:
        backup(repository, BackupRequest(sources={"media": FilesSource(str(tree))}))
    return tree


def bring_back(repository: Repository, tree: Path, **options: object) -> RestoreResult:
    entry = next(entry for entry in repository.snapshots() if not entry.info.partial)
    request = RestoreRequest(label="x", in_place=True, **options)  # type: ignore[arg-type]
    return restore(repository, RestoreOrder(entry=entry, source=FilesSource(str(tree)), request=request))


def take_back(repository: Repository, tree: Path, run: str) -> RestoreResult:
    return undo(repository, UndoOrder(run=run, source=lambda _info: FilesSource(str(tree))))


def names(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))


def undo_info(repository: Repository) -> SnapshotInfo:
    return next(entry.info for entry in repository.snapshots() if entry.info.undo is not None)


@pytest.mark.parametrize("listed", [10_000, 2])
@pytest.mark.parametrize("emptied", [True, False])
def test_undo_of_a_restore_into_nothing_leaves_what_was_written_since(
    world: World, tree: Path, monkeypatch: pytest.MonkeyPatch, listed: int, emptied: bool
) -> None:
    """Files the application made after the restore stay, however short the plan was; what was restored goes."""
    monkeypatch.setattr(files_target, "LISTED", listed)
    shutil.rmtree(tree)
    if emptied:
        tree.mkdir()
    with world.opened() as repository:
        done = bring_back(repository, tree)
    assert names(tree) == ["d", "d/a", "d/b", "d/c"]
    (tree / "d" / "new").write_text("precious")
    (tree / "top").write_text("precious")
    with world.opened() as repository:
        take_back(repository, tree, done.run)
    assert names(tree) == ["d", "d/new", "top"]


def test_undo_removes_only_what_the_restore_was_asked_for(world: World, tree: Path) -> None:
    """A restore of one file into a missing folder is undone by removing that file and its folder."""
    shutil.rmtree(tree)
    with world.opened() as repository:
        done = bring_back(repository, tree, only=("d/a",))
    (tree / "d" / "b").write_text("made by the application")
    with world.opened() as repository:
        take_back(repository, tree, done.run)
    assert names(tree) == ["d", "d/b"]


def test_undo_sets_back_what_was_overwritten_and_leaves_the_rest(world: World, tree: Path) -> None:
    """What stood there is there again, what was made is gone, what came since stays."""
    (tree / "d" / "a").write_text("changed")
    (tree / "d" / "b").unlink()
    with world.opened() as repository:
        done = bring_back(repository, tree, overwrite=True)
    (tree / "d" / "since").write_text("precious")
    with world.opened() as repository:
        take_back(repository, tree, done.run)
    assert (tree / "d" / "a").read_text() == "changed"
    assert names(tree) == ["d", "d/a", "d/c", "d/since"]


def test_long_lists_stay_out_of_the_log_and_survive_a_prune(
    world: World, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an undo needs lies in the manifest: the log does not carry it, and prune keeps it."""
    monkeypatch.setattr("holdfast.usecases.restore._FEW_PATTERNS", 10)
    (tree / "d" / "a").write_text("changed")
    (tree / "d" / "b").unlink()
    with world.opened() as repository:
        done = bring_back(repository, tree, overwrite=True)
        assert undo_info(repository).undo == {"to": None, "only": []}
    world.prune()
    with world.opened() as repository:
        take_back(repository, tree, done.run)
    assert (tree / "d" / "a").read_text() == "changed"
    assert names(tree) == ["d", "d/a", "d/c"]


@pytest.mark.parametrize("digits", ["", "a", "abc"])
def test_too_few_digits_name_no_run(world: World, tree: Path, digits: str) -> None:
    """The only restore there is stays as it is when next to nothing was given to name it."""
    shutil.rmtree(tree)
    with world.opened() as repository:
        done = bring_back(repository, tree)
        for given in {digits, done.run[: len(digits)]}:
            with pytest.raises(UsageError, match="too little"):
                take_back(repository, tree, given)
    assert names(tree) == ["d", "d/a", "d/b", "d/c"]
