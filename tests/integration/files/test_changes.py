"""Trees that change, vanish or refuse while they are read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.doubles_files import restore, take, troubles
from tests.integration.files.trees import age, make_rich, portrait, write

from holdfast.model.errors import SourceError, UsageError
from holdfast.sources.base import CaptureRequest
from holdfast.sources.files import FilesSource
from holdfast.sources.files.names import ROOT


def _kinds(taken) -> dict[bytes, str]:
    return {item.name: item.kind for item in taken.tree.items()}


def test_unchanged_files_are_not_opened(tmp_path: Path) -> None:
    """strace sees lstat and folders, and not one open of a file that did not change."""
    tree = tmp_path / "tree"
    make_rich(tree)
    age(tree)
    script = (
        "import sys\n"
        "from holdfast.sources.files import FilesSource\n"
        "from tests.doubles_files import take\n"
        "source = FilesSource(sys.argv[1])\n"
        "taken = take(source)\n"
        "sys.stderr.write('second pass')\n"
        "again = take(source, taken.tree)\n"
        "assert again.read == [], again.read\n"
    )
    log = tmp_path / "log"
    subprocess.run(
        ["strace", "-f", "-e", "trace=openat,open,write,getxattr,lgetxattr,listxattr,llistxattr,flistxattr",
         "-o", log, sys.executable, "-c", script, tree],
        check=True, env={**os.environ, "PYTHONPATH": f"{Path('src').resolve()}:{Path.cwd()}"}, capture_output=True,
    )
    before, _, after = log.read_text().partition("second pass")
    assert '"middle"' in before and "flistxattr" in before
    opened = [line for line in after.splitlines() if "openat(" in line and "O_NONBLOCK" in line]
    files = [line for line in opened if "O_DIRECTORY" not in line and ".holdfastignore" not in line]
    assert len(opened) > len(files) == 0
    assert "listxattr" not in after


def test_what_changed_is_read_and_the_rest_is_kept(tmp_path: Path) -> None:
    """Size, mtime, ctime, inode: each change alone is enough; a kept item is the previous one."""
    tree = tmp_path / "tree"
    make_rich(tree)
    os.chmod(tree / "a", 0o755)
    for name in ("grown", "touched", "mode", "moved-in", "same-size-and-mtime"):
        write(tree / name, b"12345")
    age(tree)
    source = FilesSource(str(tree))
    first = take(source)
    write(tree / "grown", b"123456")
    os.utime(tree / "touched")
    os.chmod(tree / "mode", 0o600)
    write(tree / "other", b"54321")
    os.utime(tree / "other", ns=(0, os.stat(tree / "moved-in").st_mtime_ns))
    os.rename(tree / "other", tree / "moved-in")
    mtime = os.stat(tree / "same-size-and-mtime").st_mtime_ns
    write(tree / "same-size-and-mtime", b"abcde")
    os.utime(tree / "same-size-and-mtime", ns=(0, mtime))
    os.unlink(tree / "new\nline")
    write(tree / "brand-new", b"n")
    second = take(source, first.tree)
    assert set(second.read) == {b"grown", b"touched", b"mode", b"moved-in", b"same-size-and-mtime", b"brand-new"}
    assert b"new\nline" not in second.tree.names()
    for name in second.kept:
        assert second.tree.item(name) == first.tree.item(name)
    plan, results = restore(source, second.tree)
    assert troubles(results) == {} and portrait(plan.target) == portrait(tree)


def test_a_file_as_young_as_the_clocks_grain_is_read_again(tmp_path: Path) -> None:
    """Its times could be equal after one more change; once it has settled it is kept."""
    tree = tmp_path / "tree"
    tree.mkdir()
    source = FilesSource(str(tree))
    write(tree / "young", b"1")
    first = take(source)
    time.sleep(0.3)
    second = take(source, first.tree)
    assert second.read == [b"young"]
    assert take(source, second.tree).read == []


def test_content_that_went_missing_in_the_repository_is_read_again(tmp_path: Path) -> None:
    """An item shown without its segments, or with less than its size, is not taken for whole."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "emptied", b"content")
    write(tree / "shortened", b"content")
    age(tree)
    source = FilesSource(str(tree))
    first = take(source)
    first.tree.item(b"emptied").segments.clear()
    first.tree.item(b"shortened").segments[0].size -= 1
    assert take(source, first.tree).read == [b"emptied", b"shortened"]


def test_hard_links_follow_when_the_first_name_goes(tmp_path: Path) -> None:
    """The content is read under the next name."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "a", b"content")
    os.link(tree / "a", tree / "b")
    os.link(tree / "a", tree / "c")
    age(tree)
    source = FilesSource(str(tree))
    first = take(source)
    assert take(source, first.tree).kept == [b"a"]
    os.unlink(tree / "a")
    second = take(source, first.tree)
    plan, results = restore(source, second.tree)
    assert troubles(results) == {} and portrait(plan.target) == portrait(tree)


def _meddling(path: Path, every_time: bool, meddle):
    """A reading of files that changes one of them right before it is opened."""
    import holdfast.sources.files.pieces as pieces

    original = pieces.read_at_once
    calls = []

    def read(name, dir_fd, stat):
        if name == os.fsencode(path.name) and (every_time or not calls):
            calls.append(1)
            meddle()
        return original(name, dir_fd, stat)

    return pieces, read


def test_a_change_that_hides_behind_equal_size_and_mtime_is_noticed(tmp_path: Path, monkeypatch) -> None:
    """ctime cannot be set back: what is saved is what the file holds in the end."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "file", b"old")
    age(tree)
    found = os.stat(tree / "file")

    def meddle() -> None:
        write(tree / "file", b"new")
        os.utime(tree / "file", ns=(0, found.st_mtime_ns))

    pieces, read = _meddling(tree / "file", every_time=False, meddle=meddle)
    monkeypatch.setattr(pieces, "read_at_once", read)
    taken = take(FilesSource(str(tree)))
    assert taken.learned.incomplete == []
    assert taken.tree.item(b"file").notes["s"][4] == os.stat(tree / "file").st_ctime_ns


@pytest.mark.parametrize("every_time", [False, True])
def test_a_file_that_changes_while_read_is_read_again_then_reported(
    tmp_path: Path, every_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once is forgiven; a file that never holds still is saved, flagged, and read again next time."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "log", b"start")
    write(tree / "still", b"x")

    def grow() -> None:
        with open(tree / "log", "ab") as file:
            file.write(b"+more")

    pieces, read = _meddling(tree / "log", every_time, grow)
    monkeypatch.setattr(pieces, "read_at_once", read)
    source = FilesSource(str(tree))
    taken = take(source)
    if not every_time:
        assert taken.learned.incomplete == []
        return
    (line,) = taken.learned.incomplete
    assert line.startswith("log: changed while")
    monkeypatch.undo()
    plan, results = restore(source, taken.tree)
    assert troubles(results)["log"][0] == "incomplete"
    assert Path(plan.target, "log").read_bytes().startswith(b"start+more")
    time.sleep(0.2)
    assert b"log" in take(source, taken.tree).read


@pytest.mark.parametrize("meddled", [1, 2])
@pytest.mark.parametrize("how", ["rewritten", "grown", "cut", "replaced", "removed"])
def test_a_big_file_that_changes_while_read_is_read_again_then_reported(
    tmp_path: Path, meddled: int, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit in memory is forgiven once as well; what is saved is then what the file holds in the end."""
    import holdfast.sources.files.pieces as pieces

    tree = tmp_path / "tree"
    tree.mkdir()
    size = 5 << 20
    write(tree / "big", b"a" * size)
    write(tree / "still", b"x")
    original, calls = pieces.spans, []

    def spans(fd, extents, buffer):
        for number, block in enumerate(original(fd, extents, buffer)):
            yield block
            if not number and len(calls) < meddled:
                calls.append(1)
                _meddle(tree / "big", how, b"%d" % len(calls))

    monkeypatch.setattr(pieces, "spans", spans)
    source = FilesSource(str(tree))
    taken = take(source)
    if meddled == 1 and how != "removed":
        assert taken.learned.incomplete == []
        assert taken.tree.item(b"big").size == os.stat(tree / "big").st_size
        plan, results = restore(source, taken.tree)
        assert troubles(results) == {}
        assert Path(plan.target, "big").read_bytes() == (tree / "big").read_bytes()
    else:
        (line,) = taken.learned.incomplete
        assert line.startswith("big: changed while")
        assert len(calls) == (1 if how == "removed" else 2)
    assert b"still" in taken.read


def _meddle(path: Path, how: str, mark: bytes) -> None:
    if how == "removed":
        path.unlink()
    elif how == "replaced":
        write(path.with_name("new"), mark * (4 << 20))
        path.with_name("new").rename(path)
    elif how == "cut":
        os.truncate(path, os.stat(path).st_size - 4096)
    elif how == "grown":
        with open(path, "ab") as file:
            file.write(mark * 4096)
    else:
        with open(path, "r+b") as file:
            file.write(mark * 4096)


@pytest.mark.parametrize("size", [100, 6 << 20])
def test_a_file_replaced_by_a_symlink_is_never_followed(tmp_path: Path, size: int, monkeypatch) -> None:
    """What is saved is the symlink, not what it points to."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tmp_path / "secret", b"s" * size)
    write(tree / "file", b"f" * size)
    import holdfast.sources.files.read as read

    original = os.open

    def swap(name, *args, **kwargs):
        if name == b"file" and not os.path.islink(tree / "file"):
            os.unlink(tree / "file")
            os.symlink(tmp_path / "secret", tree / "file")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(read.os, "open", swap)
    taken = take(FilesSource(str(tree)))
    monkeypatch.undo()
    assert _kinds(taken)[b"file"] == "symlink"
    assert taken.learned.incomplete == []


def test_a_file_replaced_by_a_fifo_does_not_stop_the_backup(tmp_path: Path, monkeypatch) -> None:
    """Opening it would wait for a writer for ever."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "file", b"f")
    import holdfast.sources.files.read as read

    original = os.open

    def swap(name, *args, **kwargs):
        if name == b"file" and os.path.isfile(tree / "file"):
            os.unlink(tree / "file")
            os.mkfifo(tree / "file")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(read.os, "open", swap)
    taken = take(FilesSource(str(tree)))
    assert _kinds(taken)[b"file"] == "fifo"


def test_what_vanishes_is_named_and_everything_else_is_saved(tmp_path: Path) -> None:
    """A file, and a whole folder with what would have been in it."""
    tree = tmp_path / "tree"
    for name in ("a", "b", "m", "z"):
        (tree / name).mkdir(parents=True)
        write(tree / name / "file", b"x")

    def on_piece(piece) -> None:
        if piece.item == b"a":
            os.unlink(tree / "b" / "file")
            os.rmdir(tree / "b")
        if piece.item == b"m":
            os.unlink(tree / "m" / "file")

    taken = take(FilesSource(str(tree)), on_piece=on_piece)
    assert [line.split(":")[0] for line in taken.learned.incomplete] == ["b", "m/file"]
    assert all("vanished" in line for line in taken.learned.incomplete)
    assert taken.tree.names() == [ROOT, b"a", b"a/file", b"m", b"z", b"z/file"]


@pytest.mark.parametrize(("deep", "found_again"), [(3, True), (120, True), (120, False)])
def test_a_folder_moved_away_under_the_reader_does_not_lead_it_astray(
    tmp_path: Path, deep: int, found_again: bool
) -> None:
    """Far below, the way back is found again by descriptor or path, else what was not read is reported."""
    tree = tmp_path / "tree"
    path = tree / "a" / Path(*["d"] * deep)
    path.mkdir(parents=True)
    write(path / "file", b"x")
    write(tree / "a" / "z-after", b"x")
    write(tree / "zz", b"x")
    (tree / "moved").mkdir()

    def on_piece(piece) -> None:
        if piece.item.startswith(b"a/") and piece.item.endswith(b"/file"):
            os.rename(tree / "a" / "d", tree / "moved" / "d")
            if not found_again:
                os.rename(tree / "a", tree / "moved" / "a")

    taken = take(FilesSource(str(tree)), on_piece=on_piece)
    assert b"zz" in taken.tree.names()
    assert (b"a/z-after" in taken.tree.names()) is found_again
    assert [line.split(":")[0] for line in taken.learned.incomplete] == ([] if found_again else ["a"])


def test_a_root_that_is_not_there_is_an_error_and_one_that_goes_is_too(tmp_path: Path) -> None:
    """No snapshot of nothing."""
    with pytest.raises(SourceError) as caught:
        take(FilesSource(str(tmp_path / "absent")))
    assert "does not exist" in str(caught.value)
    write(tmp_path / "file")
    with pytest.raises(SourceError):
        take(FilesSource(str(tmp_path / "file")))
    tree = tmp_path / "tree"
    tree.mkdir()
    with FilesSource(str(tree)).capture(CaptureRequest(source="x")) as capture:
        for lane in capture.lanes():
            list(lane)
        tree.rmdir()
        with pytest.raises(SourceError):
            capture.finish()


def test_a_tree_that_became_empty_is_saved_with_a_warning(tmp_path: Path) -> None:
    """An unmounted file system looks like that."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "file", b"x")
    source = FilesSource(str(tree))
    first = take(source)
    os.unlink(tree / "file")
    (warning,) = take(source, first.tree).learned.warnings
    assert "mounted" in warning


def test_exclusions_chosen_parts_caches_and_own_folders(tmp_path: Path) -> None:
    """What is left out is not entered, not even looked into."""
    tree = tmp_path / "tree"
    for name in ("keep", "node_modules", "repo", "cache", "state"):
        (tree / name).mkdir(parents=True)
        write(tree / name / "file.txt", b"x")
        write(tree / name / "file.log", b"x")
    write(tree / "cache" / "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n")
    write(tree / ".holdfastignore", b"# mine\n*.log\n!\n")
    source = FilesSource(
        str(tree), ("node_modules/",), exclude_caches=True, skip=(str(tree / "repo"), str(tree / "state" / "file.txt"))
    )
    taken = take(source)
    assert taken.tree.names() == [
        ROOT, b".holdfastignore", b"cache", b"cache/CACHEDIR.TAG", b"keep", b"keep/file.txt", b"state",
    ]
    assert ".holdfastignore" in taken.learned.warnings[0]
    assert take(source, only=("keep/*.txt",)).tree.names() == [ROOT, b"keep", b"keep/file.txt"]
    assert take(source, only=("keep/.",)).tree.names() == [ROOT, b"keep"]


def test_another_file_system_is_entered_unless_asked_not_to(tmp_path: Path) -> None:
    """A mount point itself is always there."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    tree = tmp_path / "tree"
    (tree / "mnt").mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "none", tree / "mnt"], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        write(tree / "mnt" / "file", b"x")
        assert b"mnt/file" in take(FilesSource(str(tree))).tree.names()
        within = FilesSource(str(tree), one_file_system=True)
        taken = take(within)
        assert taken.tree.names() == [ROOT, b"mnt"]
        _, results = restore(within, taken.tree, in_place=True, overwrite=True, exact=True)
        assert troubles(results) == {} and (tree / "mnt" / "file").exists()
    finally:
        subprocess.run(["umount", tree / "mnt"], check=True)


def test_a_socket_is_recorded_and_told_not_restored(tmp_path: Path) -> None:
    """Its program makes it again."""
    import socket

    tree = tmp_path / "tree"
    tree.mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tree / "sock"))
        source = FilesSource(str(tree))
        taken = take(source)
    assert _kinds(taken)[b"sock"] == "socket"
    plan, results = restore(source, taken.tree)
    assert "1 sockets are not restored" in plan.warnings[-1]
    assert troubles(results)["sock"][0] == "skipped"


def test_a_read_error_in_the_middle_of_a_big_file_is_no_good_content(tmp_path: Path, monkeypatch) -> None:
    """The file is marked broken, the others are saved, the next backup reads it again, a restore says so."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "a-big", os.urandom(9 << 20))
    write(tree / "small", b"x")
    age(tree)
    import holdfast.sources.files.read as read

    original = os.preadv

    def failing(fd, buffers, offset, flags=0):
        if offset >= 4 << 20:
            raise OSError(5, "Input/output error")
        return original(fd, buffers, offset, flags)

    monkeypatch.setattr(read.os, "preadv", failing)
    source = FilesSource(str(tree))
    taken = take(source)
    monkeypatch.undo()
    assert taken.learned.incomplete == ["a-big: could not be read: Input/output error"]
    assert b"small" in taken.tree.names()
    _, results = restore(source, taken.tree)
    assert troubles(results)["a-big"][0] == "incomplete"
    _, results = restore(source, taken.tree, in_place=True, overwrite=True, exact=True)
    assert os.stat(tree / "a-big").st_size == 9 << 20, "good content is not replaced by broken"
    assert take(source, taken.tree).read == [b"a-big"]


def test_a_pattern_that_matches_nothing_is_an_error_naming_what_is_there(tmp_path: Path) -> None:
    """Not a snapshot of nothing that calls itself complete; a single entry that is gone is no mistake of a person."""
    tree = tmp_path / "tree"
    tree.mkdir()
    write(tree / "file", b"x")
    source = FilesSource(str(tree))
    with pytest.raises(UsageError) as caught:
        take(source, only=("zzz",))
    assert "zzz" in caught.value.what
    assert "file" in caught.value.why
    take(source, only=("gone/.",))
    assert str(take(source).learned.source_changed_at).endswith("Z")
