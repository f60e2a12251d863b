"""Manifests that lie and targets that were prepared: nothing outside the folder is ever touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.doubles_files import KeptTree, restore, take, troubles
from tests.integration.files.trees import portrait, write

from holdfast.model.errors import TargetError
from holdfast.model.snapshot import Item, Segment, Slice
from holdfast.sources.base import RestoreRequest
from holdfast.sources.files import FilesSource
from holdfast.sources.files.names import ROOT


def _item(name: bytes, kind: str = "file", **notes) -> Item:
    mode = {"file": 0o100644, "dir": 0o040755, "symlink": 0o120777}[kind]
    segments = [Segment("", 0, 4, [Slice(b"0", 0, 4)])] if kind == "file" else []
    return Item(name, kind, 0, 0, segments, {"s": [mode, 0, 0, 1, 1, 1, 1, 4], **notes})


def _lie(*items: Item) -> KeptTree:
    return KeptTree([_item(ROOT, "dir"), *items], {}, {b"0": b"evil"})


@pytest.mark.parametrize(
    "name", [b"/etc/evil", b"../evil", b"a/../../evil", b"..", b"", b"a//evil", b"a\0b", b"a/./b"]
)
@pytest.mark.parametrize("options", [{}, {"in_place": True, "overwrite": True, "exact": True}])
def test_a_name_that_leads_out_is_refused_and_told(tmp_path: Path, name: bytes, options: dict) -> None:
    """The others are restored; the result names the refused one."""
    tree = tmp_path / "tree"
    tree.mkdir()
    source = FilesSource(str(tree))
    manifest = _lie(_item(b"good"), _item(name))
    plan, results = restore(source, manifest, **options)
    assert [status for status, _ in troubles(results).values()] == ["failed"]
    assert Path(plan.target, "good").read_bytes() == b"evil"
    assert not [path for path in tmp_path.rglob("*") if path.name in ("evil", "b")]


@pytest.mark.parametrize("options", [{}, {"in_place": True, "overwrite": True, "exact": True}])
def test_a_symlink_out_of_the_manifest_is_not_a_way_to_write_elsewhere(tmp_path: Path, options: dict) -> None:
    """First a link, then a file "below" it, twice the same name, a hard link to the outside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "target", b"mine")
    (tmp_path / "tree").mkdir()
    before = portrait(outside, ino=True)
    source = FilesSource(str(tmp_path / "tree"))
    manifest = _lie(
        _item(b"door", "symlink", l=os.fsencode(outside)),
        _item(b"door/evil"),
        _item(b"door/target"),
        _item(b"twice", "symlink", l=os.fsencode(outside / "target")),
        _item(b"twice"),
        _item(b"hard", h=b"door/target"),
        _item(b"hard-up", h=b"../outside/target"),
    )
    _, results = restore(source, manifest, **options)
    assert portrait(outside, ino=True) == before
    assert {"door/evil", "door/target", "twice", "hard", "hard-up"} & set(troubles(results)) >= {
        "door/evil", "door/target", "hard-up"
    }


def test_a_symlink_planted_in_the_target_is_replaced_or_blocked_never_followed(tmp_path: Path) -> None:
    """A folder of the snapshot was exchanged for a link to somewhere precious."""
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    write(outside / "file", b"precious")
    write(outside / "sub" / "x", b"precious")
    before = portrait(outside, ino=True)
    tree = tmp_path / "tree"
    (tree / "data" / "sub").mkdir(parents=True)
    write(tree / "data" / "file", b"saved")
    source = FilesSource(str(tree))
    taken = take(source)
    os.rename(tree / "data", tmp_path / "away")
    os.symlink(outside, tree / "data")
    for options in ({"in_place": True}, {"in_place": True, "overwrite": True, "exact": True}):
        restore(source, taken.tree, **options)
        assert portrait(outside, ino=True) == before
    assert (tree / "data" / "file").read_bytes() == b"saved" and not (tree / "data").is_symlink()


def test_a_folder_exchanged_for_a_symlink_between_plan_and_restore_is_not_followed(tmp_path: Path) -> None:
    """Deletions and writes go through descriptors of real folders."""
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "extra", b"precious")
    write(outside / "file", b"precious")
    before = portrait(outside, ino=True)
    tree = tmp_path / "tree"
    (tree / "data").mkdir(parents=True)
    write(tree / "data" / "file", b"saved")
    source = FilesSource(str(tree))
    taken = take(source)
    write(tree / "data" / "file", b"changed")
    write(tree / "data" / "extra", b"x")
    target = source.target(RestoreRequest(label="x", in_place=True, overwrite=True, exact=True))
    plan = target.plan(taken.tree)
    os.rename(tree / "data", tmp_path / "away")
    os.symlink(outside, tree / "data")
    results = target.apply(plan, taken.tree, taken.tree)
    assert portrait(outside, ino=True) == before
    assert {"data/file", "data/extra"} <= set(troubles(results))


def test_the_repository_is_never_restored_over(tmp_path: Path) -> None:
    """A target inside holdfast's own folders is refused."""
    tree = tmp_path / "tree"
    (tree / "repo").mkdir(parents=True)
    source = FilesSource(str(tree), skip=(str(tree / "repo"),))
    taken = take(source)
    plan = source.target(RestoreRequest(label="x", to=str(tree / "repo" / "inside"))).plan(taken.tree)
    assert "folder of holdfast itself" in plan.refusals[0]
    with pytest.raises(TargetError):
        source.target(RestoreRequest(label="x")).apply(plan, taken.tree, taken.tree)


@pytest.mark.parametrize("where", ["/", "", "/proc"])
def test_exact_never_empties_what_the_source_lies_in_or_a_whole_disk(tmp_path: Path, where: str) -> None:
    """A folder given by mistake: its other content is not what somebody wants deleted. The source itself may be."""
    tree = tmp_path / "deep" / "tree"
    tree.mkdir(parents=True)
    write(tree / "file", b"saved")
    source = FilesSource(str(tree))
    taken = take(source)
    place = where or str(tmp_path)
    plan = source.target(RestoreRequest(label="x", to=place, in_place=True, exact=True)).plan(taken.tree)
    assert "--exact would delete everything else in it" in plan.refusals[0]
    itself = RestoreRequest(label="x", to=str(tree), in_place=True, exact=True)
    assert not source.target(itself).plan(taken.tree).refusals


def test_a_full_disk_stops_the_restore_with_words(tmp_path: Path, monkeypatch) -> None:
    """One clear error instead of one for each file."""
    import holdfast.sources.files.restore.write as write_

    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(300):
        write(tree / str(number), b"x")
    source = FilesSource(str(tree))
    taken = take(source)

    def full(_fd, _data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write_.os, "write", full)
    target = source.target(RestoreRequest(label="x"))
    plan = target.plan(taken.tree)
    with pytest.raises(TargetError) as caught:
        target.apply(plan, taken.tree, taken.tree)
    monkeypatch.undo()
    assert "No space left" in str(caught.value) and "make room" in str(caught.value)


def test_content_shorter_than_promised_is_a_failure(tmp_path: Path) -> None:
    """Sizes are compared as they are written."""
    (tmp_path / "tree").mkdir()
    source = FilesSource(str(tmp_path / "tree"))
    manifest = _lie(_item(b"short"), _item(b"good"))
    manifest.item(b"short").segments[0].size = 9
    manifest.item(b"short").notes["s"][7] = 9
    plan, results = restore(source, manifest)
    assert troubles(results)["short"][0] == "failed"
    assert os.listdir(plan.target) == ["good"]
