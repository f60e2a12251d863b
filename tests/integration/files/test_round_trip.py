"""A tree that is saved and restored is the same tree."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.doubles_files import restore, take, troubles
from tests.integration.files.trees import make_rich, portrait

from holdfast.sources.base import RestoreRequest
from holdfast.sources.files import FilesSource
from holdfast.sources.files.names import ROOT


def test_everything_an_inode_holds_comes_back(any_place: Path) -> None:
    """Names of any bytes, links, holes, attributes, ACLs, owners, modes, nanoseconds."""
    tree = any_place / "tree"
    make_rich(tree)
    before = portrait(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    assert taken.learned.incomplete == []
    plan, results = restore(source, taken.tree)
    assert plan.target == f"{tree}-restored-test"
    assert troubles(results) == {}
    assert portrait(plan.target) == before
    assert portrait(tree) == before
    target = source.target(RestoreRequest(label="x", to=plan.target, in_place=True, overwrite=True, exact=True))
    again = target.preview(taken.tree, taken.tree)
    assert [step for step in again.steps if step.action != "leave"] == []
    assert again.steps[-1].counts["leave"] == len(taken.tree.names())


def test_verification_by_content_passes_for_a_good_restore_and_finds_one_changed_byte(tmp_path: Path) -> None:
    """Size and times being equal does not help the byte."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    target = source.target(RestoreRequest(label="v", verify="content"))
    plan = target.plan(taken.tree)
    assert troubles(target.apply(plan, taken.tree, taken.tree)) == {}
    assert troubles(target.verify(plan, taken.tree, taken.tree)) == {}
    victim = os.path.join(plan.target, "a", "b", "middle")
    times = os.stat(victim).st_mtime_ns
    with open(victim, "r+b") as file:
        file.seek(300_001)
        byte = file.read(1)
        file.seek(300_001)
        file.write(bytes([byte[0] ^ 1]))
    cap = os.getxattr(os.path.join(tree, "a/b/middle"), "security.capability") if os.geteuid() == 0 else None
    if cap:
        os.setxattr(victim, "security.capability", cap)
    os.utime(victim, ns=(times, times))
    assert troubles(target.verify(plan, taken.tree, taken.tree)) == {
        "a/b/middle": ("failed", "content differs at byte 300001")
    }
    hole = os.path.join(plan.target, "sparse")
    times = os.stat(hole).st_mtime_ns
    fd = os.open(hole, os.O_WRONLY)
    os.pwrite(fd, b"!", 2_000_000)
    os.close(fd)
    os.utime(hole, ns=(times, times))
    assert troubles(target.verify(plan, taken.tree, taken.tree))["sparse"] == (
        "failed", "content differs at byte 2000000"
    )


def test_holes_stay_holes(tmp_path: Path) -> None:
    """Only data is read, only data is written."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    assert taken.tree.item(b"all-hole").size == 0
    assert taken.tree.item(b"sparse").size <= 2 * 8192
    plan, _ = restore(source, taken.tree)
    assert os.stat(os.path.join(plan.target, "all-hole")).st_blocks == 0
    assert os.stat(os.path.join(plan.target, "sparse")).st_blocks == os.stat(tree / "sparse").st_blocks


def test_a_tree_deeper_than_paths_and_descriptors_allow_comes_back(tmp_path: Path) -> None:
    """5,000 folders inside one another: no path, no recursion, few descriptors."""
    tree = tmp_path / "tree"
    tree.mkdir()

    def deepen(root: Path) -> None:
        fd = os.open(root, os.O_RDONLY)
        for level in range(5000):
            os.mkdir("dd", dir_fd=fd)
            if level % 1000 == 999:
                os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
            inner = os.open("dd", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = inner
        os.close(fd)

    def flatten(root: Path) -> None:
        """Folders this deep are beyond rmtree: bring the inner ones up first."""
        fd = os.open(root, os.O_RDONLY)
        for number in range(6000):
            try:
                os.rename("dd/dd", f"x{number}", src_dir_fd=fd, dst_dir_fd=fd)
            except FileNotFoundError:
                break
            shutil.rmtree("dd", dir_fd=fd)
            os.rename(f"x{number}", "dd", src_dir_fd=fd, dst_dir_fd=fd)
        os.close(fd)
        shutil.rmtree(root)

    deepen(tree)
    source = FilesSource(str(tree))
    try:
        taken = take(source)
        assert taken.learned.incomplete == []
        assert len(taken.tree.names()) == 5006
        plan, results = restore(source, taken.tree)
        assert troubles(results) == {}
        assert take(FilesSource(plan.target)).tree.names() == taken.tree.names()
        flatten(Path(plan.target))
    finally:
        flatten(tree)


def test_damaged_content_costs_one_file_and_is_named(tmp_path: Path) -> None:
    """Everything else is restored, and no half of the damaged file is left."""
    tree = tmp_path / "tree"
    make_rich(tree)
    before = portrait(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    taken.tree.damaged = {s.chunk for seg in taken.tree.item(b"a/b/middle").segments for s in seg.slices}
    plan, results = restore(source, taken.tree)
    assert list(troubles(results)) == ["a/b/middle"]
    assert troubles(results)["a/b/middle"][0] == "failed"
    del before[b"a/b/middle"]
    assert portrait(plan.target) == before


def test_owners_can_be_left_to_whoever_restores(tmp_path: Path) -> None:
    """owner=False changes nobody's files into somebody else's, and drops setuid with it."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    plan, _ = restore(source, take(source).tree, owner=False, acl=False)
    stat_ = os.stat(os.path.join(plan.target, "-n"))
    assert (stat_.st_uid, stat_.st_gid) == (os.geteuid(), os.getegid())
    if os.geteuid() == 0:
        assert stat.S_IMODE(stat_.st_mode) == 0o711
    assert "system.posix_acl_access" not in os.listxattr(os.path.join(plan.target, "a-b"))


def test_a_place_that_is_taken_is_refused_and_the_default_moves_on(tmp_path: Path) -> None:
    """--to never mixes with what is there; without it the next free name is used."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    first, _ = restore(source, taken.tree)
    second, _ = restore(source, taken.tree)
    assert second.target == first.target + "-2"
    plan = source.target(RestoreRequest(label="x", to=first.target)).plan(taken.tree)
    assert "--in-place" in plan.refusals[0]
    (tmp_path / "empty").mkdir()
    into, results = restore(source, taken.tree, to=f"files:{tmp_path / 'empty'}")
    assert troubles(results) == {} and portrait(into.target) == portrait(tree)


def test_a_part_is_restored_with_the_folders_above_it(tmp_path: Path) -> None:
    """--only gives what matches, in folders that look as they did."""
    tree = tmp_path / "tree"
    make_rich(tree)
    source = FilesSource(str(tree))
    taken = take(source)
    plan, results = restore(source, taken.tree, only=("a/b/h*", "zz-hard"))
    assert troubles(results) == {}
    got, had = portrait(plan.target), portrait(tree)
    assert set(got) == {b"", b"a", b"a/b", b"a/b/hard", b"zz-hard", b"/links/0"}
    assert got[b"a/b"] == had[b"a/b"] and got[b"a/b/hard"] == had[b"a/hello"] == got[b"zz-hard"]
    refused = source.target(RestoreRequest(label="y", only=("nowhere",))).plan(taken.tree)
    assert "nowhere" in refused.refusals[0]


_name = st.binary(min_size=1, max_size=5).filter(lambda b: b"/" not in b and b"\0" not in b and b not in (b".", b".."))
_file = st.tuples(st.just("file"), st.binary(max_size=200), st.integers(0, 0o777), st.integers(0, 2**61))
_link = st.tuples(st.just("link"), st.binary(min_size=1, max_size=9).filter(lambda b: b"\0" not in b))
_hole = st.tuples(st.just("hole"), st.integers(0, 40), st.integers(0, 40))
_attr = st.tuples(st.just("attr"), st.binary(max_size=30))
_fifo = st.tuples(st.just("fifo"))
_again = st.tuples(st.just("again"), st.integers(0, 100))
_leaf = st.one_of(_file, _link, _hole, _attr, _fifo, _again)
_tree = st.recursive(
    st.dictionaries(_name, _leaf, max_size=5), lambda t: st.dictionaries(_name, st.one_of(_leaf, t), max_size=5),
    max_leaves=12,
)


def _grow(folder: bytes, content: dict, files: list[bytes]) -> None:
    os.mkdir(folder)
    for name, what in content.items():
        path = folder + b"/" + name
        if isinstance(what, dict):
            _grow(path, what, files)
            continue
        match what:
            case ("file", data, mode, mtime):
                with open(path, "wb") as file:
                    file.write(data)
                os.chmod(path, mode)
                os.utime(path, ns=(0, mtime))
                files.append(path)
            case ("link", to):
                os.symlink(to, path)
            case ("hole", start, after):
                with open(path, "wb") as file:
                    file.seek(start * 4096)
                    file.write(b"data")
                    file.truncate((start + after) * 4096 + 4)
            case ("attr", value):
                with open(path, "wb"):
                    os.setxattr(path, "user.v", value)
            case ("fifo",):
                os.mkfifo(path)
            case ("again", n) if files:
                os.link(files[n % len(files)], path)
    os.utime(folder, ns=(0, 10**18 + len(content)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_tree)
def test_any_tree_comes_back_equal_and_is_kept_next_time(tmp_path: Path, content: dict) -> None:
    """Random trees: save, restore, compare; save again: the same items, nothing read that has settled."""
    for old in tmp_path.iterdir():
        shutil.rmtree(old)
    tree = tmp_path / "tree"
    _grow(os.fsencode(tree), content, [])
    source = FilesSource(str(tree), grain=0.0)
    taken = take(source)
    assert taken.learned.incomplete == []
    plan, results = restore(source, taken.tree)
    assert troubles(results) == {}
    assert portrait(plan.target) == portrait(tree)
    second = take(source, taken.tree)
    assert second.read == []
    assert list(second.tree.items()) == list(taken.tree.items())


@pytest.mark.parametrize("width", [1, 4])
def test_large_trees_are_reported_as_counts_and_by_name_only_what_failed(tmp_path: Path, width: int) -> None:
    """The plan of a big new place does not list every file; a failed one is named all the same."""
    tree = tmp_path / "tree"
    for folder in range(24):
        os.makedirs(tree / str(folder))
        for number in range(450):
            (tree / str(folder) / str(number)).write_bytes(b"%d" % number)
    source = FilesSource(str(tree))
    taken = take(source)
    broken = taken.tree.item(b"7/77")
    taken.tree.damaged = {broken.segments[0].slices[0].chunk}
    plan, results = restore(source, taken.tree, width=width)
    assert [(step.item, step.counts["create"]) for step in plan.steps] == [(ROOT, 24 * 451 + 1)]
    assert list(troubles(results)) == ["7/77"]
    del (was := portrait(tree))[b"7/77"]
    assert portrait(plan.target) == was
