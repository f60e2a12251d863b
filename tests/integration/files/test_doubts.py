"""What a restore over a living tree says about what it leaves, and how sure it is of that."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles_files import KeptTree, restore, take, troubles
from tests.integration.files.trees import portrait, write

from holdfast.model.plans import Action
from holdfast.model.snapshot import Segment
from holdfast.sources.base import Previewing, RestoreRequest
from holdfast.sources.files import FilesSource
from holdfast.sources.files.restore.temporary import is_leftover, temporary_name


class Counted(KeptTree):
    """Tells how often content was asked for."""

    def __init__(self, tree: KeptTree) -> None:
        super().__init__(list(tree.items()), tree.notes, tree.store)
        self.asked = 0

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        self.asked += 1
        return super().blocks(segment)


class Deadly(KeptTree):
    """The process is killed when the last of the files is written."""

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        data = next(super().blocks(segment))
        if data == b"deadly":
            yield data[:3]
            os.kill(os.getpid(), signal.SIGKILL)
        yield data


def _swap(path: Path, content: bytes) -> None:
    """Other content under the same size and mtime."""
    stat = os.stat(path)
    assert stat.st_size == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _tree(tmp_path: Path, **files: bytes) -> tuple[Path, FilesSource]:
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    for name, content in files.items():
        write(tree / "folder" / name, content)
    return tree, FilesSource(str(tree), grain=0)


def test_a_plain_restore_in_place_tells_what_differs_and_is_left(tmp_path: Path) -> None:
    """A file that differs is left, and the whole does not pass for equal to the snapshot; what is missing is added."""
    tree, source = _tree(tmp_path, changed=b"then", hidden=b"then", mode=b"x", same=b"same", lost=b"lost")
    os.symlink("there", tree / "link")
    taken = take(source)
    write(tree / "folder" / "changed", b"another one now")
    _swap(tree / "folder" / "hidden", b"else")
    os.chmod(tree / "folder" / "mode", 0o600)
    os.unlink(tree / "link")
    os.symlink("elsewhere", tree / "link")
    os.unlink(tree / "folder" / "lost")
    plan, results = restore(source, taken.tree, in_place=True)
    told = troubles(results)
    assert set(told) == {"folder/changed", "folder/hidden", "folder/mode", "link"}
    assert {status for status, _ in told.values()} == {"incomplete"}
    assert told["folder/hidden"][1] == "differs (content) and is left: --overwrite replaces it"
    assert "size" in told["folder/changed"][1] and "symlink target" in told["link"][1]
    assert {step.item for step in plan.steps if step.action is Action.LEAVE and step.kind != "tree"} == {
        name.encode() for name in told
    }
    assert plan.touched() == ()
    assert (tree / "folder" / "hidden").read_bytes() == b"else"
    assert (tree / "folder" / "lost").read_bytes() == b"lost"


def test_a_plain_restore_that_only_adds_is_without_trouble(tmp_path: Path) -> None:
    """The times of a folder move when something in it goes; that is no difference to tell."""
    tree, source = _tree(tmp_path, lost=b"lost", same=b"same")
    taken = take(source)
    os.unlink(tree / "folder" / "lost")
    assert troubles(restore(source, taken.tree, in_place=True)[1]) == {}


def test_other_content_under_the_same_size_and_mtime_is_overwritten(tmp_path: Path) -> None:
    """Anybody may set an mtime; a file is left only when it is the inode that was saved, or holds the same bytes."""
    tree, source = _tree(tmp_path, hidden=b"then", touched=b"same", same=b"same")
    taken = take(source)
    _swap(tree / "folder" / "hidden", b"else")
    _swap(tree / "folder" / "touched", b"same")
    kept = [os.stat(tree / "folder" / name).st_ino for name in ("touched", "same")]
    plan, results = restore(source, taken.tree, in_place=True, overwrite=True)
    assert [(step.item, step.detail) for step in plan.touched()] == [(b"folder/hidden", "content")]
    assert troubles(results) == {}
    assert (tree / "folder" / "hidden").read_bytes() == b"then"
    assert [os.stat(tree / "folder" / name).st_ino for name in ("touched", "same")] == kept


def test_a_plan_made_without_content_compares_when_it_is_carried_out(tmp_path: Path) -> None:
    """Whoever plans without reading gets the same end."""
    tree, source = _tree(tmp_path, hidden=b"then", touched=b"same")
    taken = take(source)
    _swap(tree / "folder" / "hidden", b"else")
    _swap(tree / "folder" / "touched", b"same")
    kept = os.stat(tree / "folder" / "touched").st_ino
    target = source.target(RestoreRequest(label="r", in_place=True, overwrite=True))
    assert isinstance(target, Previewing)
    assert troubles(target.apply(target.plan(taken.tree), taken.tree, taken.tree)) == {}
    assert (tree / "folder" / "hidden").read_bytes() == b"then"
    assert os.stat(tree / "folder" / "touched").st_ino == kept


def test_files_that_nobody_touched_are_not_read_to_be_left(tmp_path: Path) -> None:
    """Inode and ctime of the saved file are proof enough; with doubts it is read once."""
    tree, source = _tree(tmp_path, one=b"1", two=b"2", three=b"3")
    counted = Counted(take(source).tree)
    restore(source, counted, in_place=True, overwrite=True)
    assert counted.asked == 0
    _swap(tree / "folder" / "one", b"1")
    restore(source, counted, in_place=True, overwrite=True)
    assert counted.asked == 1


def test_damage_in_the_repository_leaves_the_file_and_is_told(tmp_path: Path) -> None:
    """What cannot be compared is not equal, and is not replaced by nothing either."""
    tree, source = _tree(tmp_path, doubted=b"then")
    taken = take(source)
    _swap(tree / "folder" / "doubted", b"else")
    taken.tree.damaged.add(taken.tree.item(b"folder/doubted").segments[0].slices[0].chunk)
    assert "could not be compared" in troubles(restore(source, taken.tree, in_place=True)[1])["folder/doubted"][1]
    _, results = restore(source, taken.tree, in_place=True, overwrite=True)
    assert troubles(results)["folder/doubted"][0] == "failed"
    assert (tree / "folder" / "doubted").read_bytes() == b"else"


@pytest.mark.parametrize("options", [{}, {"in_place": True}, {"in_place": True, "overwrite": True, "exact": True}])
def test_one_pattern_that_fits_nothing_refuses_the_restore(tmp_path: Path, options: dict) -> None:
    """One mistyped name must not pass for a restore of all that were named."""
    tree, source = _tree(tmp_path, a=b"a", b=b"b")
    taken = take(source)
    write(tree / "folder" / "new", b"new")
    for good in (("folder/a",), ("folder", "folder/a"), ("*",)):
        target = source.target(RestoreRequest(label="r", only=(*good, "nosuch", "*.nope"), **options))
        assert target.plan(taken.tree).refusals == ("nothing in the snapshot matches nosuch, *.nope",)
    for only in (("folder", "folder/a"), (f"{tree}/folder/a", "./folder/b"), ("fold*", "*/b", "gone/.")):
        assert source.target(RestoreRequest(label="r", only=only, **options)).plan(taken.tree).refusals == ()


def test_what_only_the_target_holds_may_be_named_for_deletion(tmp_path: Path) -> None:
    """--exact --only new: the snapshot does not know it, and that is the point."""
    tree, source = _tree(tmp_path, a=b"a")
    taken = take(source)
    write(tree / "folder" / "new", b"new")
    restore(source, taken.tree, in_place=True, overwrite=True, exact=True, only=("folder/a", "folder/new"))
    assert os.listdir(tree / "folder") == ["a"]


def test_a_killed_restore_leaves_nothing_that_the_next_one_does_not_remove(tmp_path: Path) -> None:
    """Half-made files of a dead process go; plan and undo never list them as somebody's."""
    tree, source = _tree(tmp_path, one=b"1", two=b"deadly")
    os.utime(tree / "folder", ns=(0, 10**18))
    was = portrait(tree)
    taken = take(source)
    for name in ("one", "two"):
        write(tree / "folder" / name, b"changed")
    child = os.fork()
    if not child:
        try:
            kept = taken.tree
            restore(source, Deadly(list(kept.items()), kept.notes, kept.store), in_place=True, overwrite=True)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    left = [name for name in os.listdir(tree / "folder") if name.startswith(".holdfast-")]
    assert left
    plan, results = restore(source, taken.tree, in_place=True, overwrite=True, exact=True)
    assert troubles(results) == {}
    assert portrait(tree) == was
    assert {step.item for step in plan.touched()} == {b"folder", b"folder/one", b"folder/two"}
    assert f"{len(left)} half-made" in plan.warnings[-1]


def test_an_undo_removes_a_created_folder_with_what_a_killed_restore_left_in_it(tmp_path: Path) -> None:
    """Nothing of the user's is in it."""
    tree, source = _tree(tmp_path, one=b"1")
    before = take(source, only=("nothing/.",))
    (tree / "made").mkdir()
    write(tree / "made" / "file", b"1")
    write(tree / "made" / os.fsdecode(_name_of(_dead_process())), b"half")
    _, results = restore(
        source, before.tree, in_place=True, overwrite=True, undo_created=(b"made", b"made/file"),
    )
    assert troubles(results) == {}
    assert not (tree / "made").exists()


def test_what_a_living_process_or_another_machine_makes_is_left_alone(tmp_path: Path) -> None:
    """Only a name of this machine whose process is gone is a leftover."""
    tree, source = _tree(tmp_path, one=b"1")
    taken = take(source)
    living, elsewhere = _name_of(os.getppid()), b".holdfast-00000000-1-00000000-1"
    ours, strange = temporary_name(), b".holdfast-notes"
    for name in (living, elsewhere, ours, strange):
        assert not is_leftover(name)
        write(tree / "folder" / os.fsdecode(name), b"")
    restore(source, taken.tree, in_place=True, overwrite=True)
    assert len(os.listdir(tree / "folder")) == 5
    assert is_leftover(_name_of(_dead_process()))


def _dead_process() -> int:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def _name_of(process: int) -> bytes:
    """A temporary name as that process would give one."""
    machine = temporary_name().split(b"-")[1]
    return b".holdfast-%s-%d-0badcafe-7" % (machine, process)
