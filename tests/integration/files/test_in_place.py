"""Restoring over a living tree: what is added, replaced, deleted, left alone; and back again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.doubles_files import KeptTree, restore, take, troubles
from tests.integration.files.trees import make_rich, portrait, write

from holdfast.model.plans import Action
from holdfast.sources.base import RestoreRequest
from holdfast.sources.files import FilesSource


def _actions(plan) -> dict[bytes, str]:
    return {step.item: step.action.value for step in plan.steps if step.kind != "tree"}


def _plan(source: FilesSource, tree: KeptTree, **options):
    return source.target(RestoreRequest(label="p", in_place=True, **options)).preview(tree, tree)


def _damage(tree: Path) -> None:
    """A bad day: lost, changed, replaced, added."""
    os.chmod(tree / "a", 0o755)
    shutil.rmtree(tree / "a" / "b")
    write(tree / "a" / "hello", b"HELLO, this is longer")
    os.unlink(tree / "link")
    write(tree / "link", b"a file where a link was")
    os.chmod(tree / "a-b", 0o600)
    os.setxattr(tree / "sparse", "user.extra", b"e")
    os.unlink(tree / "pipe")
    os.makedirs(tree / "pipe" / "full")
    write(tree / "pipe" / "full" / "of", b"things")
    shutil.rmtree(os.fsencode(tree) + b"/d\xe9")
    os.symlink("/tmp", os.fsencode(tree) + b"/d\xe9")
    os.makedirs(tree / "extra" / "deep")
    write(tree / "extra" / "deep" / "file", b"new")
    write(tree / "extra.log", b"new")


def test_in_place_adds_what_is_missing_and_touches_nothing_else(tmp_path: Path) -> None:
    """Changed files stay changed; nothing is followed, nothing deleted."""
    tree = tmp_path / "tree"
    make_rich(tree)
    was = portrait(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    _damage(tree)
    now = portrait(tree)
    plan, results = restore(source, taken.tree, in_place=True)
    actions = _actions(plan)
    assert actions[b"a/b"] == actions[b"a/b/big"] == "create"
    assert actions[b"d\xe9/\x80"] == "blocked"
    assert plan.touched() == ()
    after = portrait(tree)
    for name, value in now.items():
        if not name.startswith(b"/") and name not in (b"", b"a"):
            assert after[name] == value
    assert after[b"a/b/big"] == was[b"a/b/big"] and after[b"a/b"][:4] == was[b"a/b"][:4]
    assert after[b"a/b/hard"][4] == b"hello", "a link whose first name differs now gets the content it had"
    assert not os.path.exists("/tmp/\\x80")
    assert {name for name, (status, _) in troubles(results).items() if status == "failed"} == {"d\\xe9/\\x80"}


def test_overwrite_replaces_what_differs_and_exact_makes_the_tree_what_it_was(tmp_path: Path) -> None:
    """Overwrite leaves what the snapshot does not know; exact does not."""
    tree = tmp_path / "tree"
    make_rich(tree)
    was = portrait(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    _damage(tree)
    plan, results = restore(source, taken.tree, in_place=True, overwrite=True)
    assert _actions(plan)[b"pipe"] == "blocked" and "--exact" in troubles(results)["pipe"][1]
    after = portrait(tree)
    assert {name for name in after if after[name] != was.get(name)} == {
        b"extra", b"extra/deep", b"extra/deep/file", b"extra.log", b"pipe", b"pipe/full", b"pipe/full/of"
    }
    plan, results = restore(source, taken.tree, in_place=True, overwrite=True, exact=True)
    assert troubles(results) == {}
    assert portrait(tree) == was
    assert _actions(plan) == {
        b"pipe": "delete", b"pipe/full": "delete", b"pipe/full/of": "delete", b"extra": "delete",
        b"extra/deep": "delete", b"extra/deep/file": "delete", b"extra.log": "delete",
    }


def test_undo_brings_back_what_a_restore_changed(tmp_path: Path) -> None:
    """The pre-restore snapshot holds exactly what the plan touches; with it the tree is as it was before."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    _damage(tree)
    write(tree / "untouched", b"by anyone")
    damaged = portrait(tree)
    target = source.target(RestoreRequest(label="r", in_place=True, overwrite=True, exact=True, only=("*",)))
    plan = target.preview(taken.tree, taken.tree)
    touched, patterns = target.touched_source(plan)
    before = take(touched, only=patterns)
    assert b"a/zero" not in before.tree.names()
    with target.hold(plan):
        assert troubles(target.apply(plan, taken.tree, taken.tree)) == {}
    created = tuple(step.item for step in plan.steps if step.action is Action.CREATE)
    undo = source.target(RestoreRequest(
        label="u", in_place=True, overwrite=True, exact=True, only=patterns, undo_created=created
    ))
    back = undo.preview(before.tree, before.tree)
    assert not back.refusals
    assert troubles(undo.apply(back, before.tree, before.tree)) == {}
    assert portrait(tree) == damaged


def test_undo_sets_the_times_of_folders_back(tmp_path: Path) -> None:
    """A folder that was not touched itself moved its times when something was added to it."""
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    write(tree / "folder" / "file", b"x")
    os.utime(tree / "folder", ns=(0, 10**18))
    source = FilesSource(str(tree))
    taken = take(source)
    os.unlink(tree / "folder" / "file")
    os.utime(tree / "folder", ns=(0, 10**18))
    before = portrait(tree)
    target = source.target(RestoreRequest(label="r", in_place=True))
    plan = target.preview(taken.tree, taken.tree)
    touched, patterns = target.touched_source(plan)
    saved = take(touched, only=patterns)
    target.apply(plan, taken.tree, taken.tree)
    assert portrait(tree) != before
    restore(
        source, saved.tree, in_place=True, overwrite=True, exact=True, only=patterns, undo_created=(b"folder/file",)
    )
    assert portrait(tree) == before


def test_undo_of_created_folders_keeps_what_somebody_put_there_since(tmp_path: Path) -> None:
    """Only what the restore made is taken away."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    os.chmod(tree / "a", 0o755)
    shutil.rmtree(tree / "a" / "b")
    target = source.target(RestoreRequest(label="r", in_place=True))
    plan = target.preview(taken.tree, taken.tree)
    touched, patterns = target.touched_source(plan)
    before = take(touched, only=patterns)
    target.apply(plan, taken.tree, taken.tree)
    write(tree / "a" / "b" / "mine", b"precious")
    created = tuple(step.item for step in plan.steps if step.action is Action.CREATE)
    _, results = restore(
        source, before.tree, in_place=True, overwrite=True, exact=True, only=patterns, undo_created=created
    )
    assert (tree / "a" / "b" / "mine").read_bytes() == b"precious"
    assert os.listdir(tree / "a" / "b") == ["mine"]
    assert troubles(results)["a/b"] == ("incomplete", "kept: other things are in it")


def test_exact_spares_what_a_backup_leaves_out(tmp_path: Path) -> None:
    """Excluded then or now, caches, holdfast's own, with the folders around them; the rest goes."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "file", b"x")
    then = FilesSource(str(tree), ("*.then",))
    taken = take(then)
    for name in ("gone/deep", "kept/inner", "repo", "cache"):
        (tree / name).mkdir(parents=True)
        write(tree / name / "file", b"x")
    write(tree / "a.then")
    write(tree / "kept" / "inner" / "b.now")
    write(tree / "cache" / "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55")
    now = FilesSource(str(tree), ("*.now",), exclude_caches=True, skip=(str(tree / "repo"),))
    plan, results = restore(now, taken.tree, in_place=True, overwrite=True, exact=True)
    assert troubles(results) == {}
    assert {step.item for step in plan.steps if step.action is Action.DELETE} == {
        b"gone", b"gone/deep", b"gone/deep/file", b"kept/inner/file"
    }
    left = sorted(os.path.relpath(os.path.join(d, f), tree) for d, _, files in os.walk(tree) for f in files)
    assert left == ["a.then", "cache/CACHEDIR.TAG", "cache/file", "file", "kept/inner/b.now", "repo/file"]


def test_only_limits_overwriting_and_deleting_too(tmp_path: Path) -> None:
    """What does not match is neither replaced nor deleted."""
    tree = tmp_path / "tree"
    for name in ("a", "b"):
        (tree / name).mkdir(parents=True)
        write(tree / name / "file", b"old")
    source = FilesSource(str(tree))
    taken = take(source)
    for name in ("a", "b"):
        write(tree / name / "file", b"newer")
        write(tree / name / "extra", b"x")
    _, results = restore(source, taken.tree, in_place=True, overwrite=True, exact=True, only=("a",))
    assert troubles(results) == {}
    assert os.listdir(tree / "a") == ["file"] and (tree / "a" / "file").read_bytes() == b"old"
    assert sorted(os.listdir(tree / "b")) == ["extra", "file"] and (tree / "b" / "file").read_bytes() == b"newer"


def test_content_that_rotted_under_unchanged_times_is_found_and_replaced(tmp_path: Path) -> None:
    """--verify=content compares bytes before it decides to leave a file that nobody touched."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "rotten", b"evil")
    write(tree / "fine", b"fine")
    source = FilesSource(str(tree), grain=0)
    taken = take(source)
    fine = os.stat(tree / "fine").st_ino
    taken.tree.store[taken.tree.item(b"rotten").segments[0].slices[0].chunk] = b"good"
    assert _actions(_plan(source, taken.tree, overwrite=True)) == {}
    _, results = restore(source, taken.tree, in_place=True, overwrite=True, verify="content")
    assert troubles(results) == {}
    assert (tree / "rotten").read_bytes() == b"good"
    assert os.stat(tree / "fine").st_ino == fine


def test_planning_writes_nothing(tmp_path: Path) -> None:
    """A dry run is only that."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    _damage(tree)
    before = portrait(tree, ino=True)
    for options in ({}, {"overwrite": True}, {"overwrite": True, "exact": True}):
        assert _plan(source, taken.tree, **options).steps
    source.target(RestoreRequest(label="x")).plan(taken.tree)
    assert portrait(tree, ino=True) == before
    assert os.listdir(tmp_path) == ["tree"]


def test_a_lost_tree_comes_back_in_place(tmp_path: Path) -> None:
    """The folder itself is gone: everything is made where it was."""
    tree = tmp_path / "tree"
    make_rich(tree)
    was = portrait(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    shutil.rmtree(tree)
    plan, results = restore(source, taken.tree, in_place=True)
    assert troubles(results) == {} and portrait(tree) == was
    assert source.target(RestoreRequest(label="z", in_place=True)).touched_source(plan) is None


def test_a_failed_overwrite_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """Damaged content never costs what stands there, and leaves no temporary file."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "file", b"saved")
    source = FilesSource(str(tree))
    taken = take(source)
    write(tree / "file", b"newer content")
    taken.tree.damaged = set(taken.tree.store)
    _, results = restore(source, taken.tree, in_place=True, overwrite=True)
    assert troubles(results)["file"][0] == "failed"
    assert os.listdir(tree) == ["file"] and (tree / "file").read_bytes() == b"newer content"


def test_undo_takes_away_folders_deeper_than_a_path_may_be_long(tmp_path: Path) -> None:
    """Everything the restore made goes, not only what a path reaches."""
    tree = tmp_path / "tree"
    tree.mkdir()
    source = FilesSource(str(tree))
    names, fd = [], os.open(tree, os.O_RDONLY)
    for level in range(300):
        part = f"L{level:03}-{'x' * 20}"
        names.append(part)
        os.mkdir(part, dir_fd=fd)
        inner = os.open(part, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    created = tuple("/".join(names[:end]).encode() for end in range(len(names), 0, -1))
    before = take(source, only=("./.",))
    _, results = restore(
        source, before.tree, in_place=True, overwrite=True, only=("./.",), undo_created=created
    )
    assert troubles(results) == {}
    assert os.listdir(tree) == []
