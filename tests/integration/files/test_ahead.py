"""A first backup from a slow disk asks for small files before their turn, and for nothing it has no business with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.doubles_files import take
from tests.integration.files.trees import write

from holdfast.sources.files import FilesSource

Asked = Callable[[], set[str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The names of the files that the system was asked to bring."""
    names: list[str] = []
    original = os.posix_fadvise

    def advise(fd: int, offset: int, length: int, advice: int) -> None:
        if advice == os.POSIX_FADV_WILLNEED:
            names.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        original(fd, offset, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", advise)
    return lambda: set(names)


def _tree(folder: Path) -> Path:
    tree = folder / "tree"
    (tree / "sub").mkdir(parents=True)
    for number in range(100):
        write(tree / f"file-{number:03}", b"content %d" % number)
        write(tree / "sub" / f"deep-{number:03}", b"content %d" % number)
    write(tree / "secret.tmp", b"left out")
    write(tree / "large", b"l" * (5 << 20))
    write(tree / "nothing", b"")
    os.symlink("file-001", tree / "file-001-link")
    os.mkfifo(tree / "file-002-pipe")
    return tree


def _forget(tree: Path) -> None:
    """Make the kernel drop the content of every file."""
    os.sync()
    for path in [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if path.name.endswith("050"):
                os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT)
                pytest.skip("this file system keeps everything in memory")
        except BlockingIOError:
            pass
        finally:
            os.close(fd)


def test_files_on_disk_are_asked_for_before_their_turn(tmp_path_factory: pytest.TempPathFactory, asked: Asked) -> None:
    """Each small file of a folder but those read at once; nothing excluded, large, empty or that is no file."""
    tree = _tree(tmp_path_factory.mktemp("on-disk"))
    _forget(tree)
    taken = take(FilesSource(str(tree), ("*.tmp",)))
    assert taken.learned.incomplete == []
    names = asked()
    assert len(names) > 150
    assert all(name.startswith(("file-", "deep-")) for name in names)
    assert not {"file-001-link", "file-002-pipe", "secret.tmp"} & names
    for name, content in ((b"sub/deep-077", b"content 77"), (b"file-000", b"content 0")):
        (segment,) = taken.tree.item(name).segments
        assert b"".join(taken.tree.blocks(segment)) == content


def test_what_is_in_memory_is_not_asked_for(tmp_path: Path, asked: Asked) -> None:
    """It would cost time and bring nothing."""
    take(FilesSource(str(_tree(tmp_path))))
    assert asked() == set()


def test_later_backups_ask_for_nothing(tmp_path_factory: pytest.TempPathFactory, asked: Asked) -> None:
    """Unchanged files are not opened, so nothing that lies beside a changed one is."""
    tree = _tree(tmp_path_factory.mktemp("on-disk"))
    source = FilesSource(str(tree), grain=0)
    first = take(source).tree
    write(tree / "file-010", b"changed")
    _forget(tree)
    before = asked()
    assert take(source, first).read == [b"file-010"]
    assert asked() == before
