"""Files that are replaced whole, whatever happens meanwhile."""

from __future__ import annotations

import mmap
import random
import stat
import tempfile
from pathlib import Path

import pytest
from tests.faults.traced import run_traced, unflushed

from holdfast.system import files

REPLACE = """
import sys
from holdfast.system.files import make_directories, write_atomic
make_directories(sys.argv[1] + "/new/folder")
write_atomic(sys.argv[1] + "/new/folder/state", b"second" * 1000)
sys.stdout.write("DONE")
sys.stdout.flush()
"""
ATOMIC = """
import sys
from holdfast.system.files import write_atomic
write_atomic(sys.argv[1], b"second" * 1000)
"""


def test_a_file_is_replaced_whole_and_for_its_owner(tmp_path: Path) -> None:
    """The new bytes, mode 0600, nothing left beside it."""
    path = tmp_path / "state"
    files.write_atomic(path, b"first")
    files.write_atomic(path, bytearray(b"second"))
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_replaced_file_survives_a_power_cut(tmp_path: Path) -> None:
    """Bytes before the name, the name before the return, new folders too."""
    done, calls = run_traced(REPLACE, tmp_path)
    assert done.stdout == b"DONE", done.stderr
    written = calls[: next(number for number, call in enumerate(calls) if call.text == "DONE")]
    assert any(call.name == "rename" for call in written)
    assert unflushed(written, str(tmp_path)) == []


@pytest.mark.parametrize("rule", ["write:error=ENOSPC", "fsync:error=EIO", "rename:error=EACCES", "fchmod:error=EIO"])
def test_a_failed_replacement_changes_nothing(tmp_path: Path, rule: str) -> None:
    """The old bytes stay, the half-written file goes."""
    path = tmp_path / "state"
    path.write_bytes(b"first")
    done, _ = run_traced(ATOMIC, path, inject=[f"{rule}:when=1"])
    assert done.returncode == 1
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["write", "fsync", "fchmod", "rename"])
def test_a_kill_leaves_the_old_or_the_new_file(tmp_path: Path, call: str) -> None:
    """Never a mixture, never none."""
    path = tmp_path / "state"
    for turn in (1, 2):
        path.write_bytes(b"first")
        run_traced(ATOMIC, path, inject=[f"{call}:signal=KILL:when={turn}"])
        assert path.read_bytes() in (b"first", b"second" * 1000)


@pytest.mark.parametrize("way", files.WAYS)
def test_publishing_never_replaces(tmp_path: Path, way: files.Publish) -> None:
    """Each way gives the name once; the loser's file and the winner's name stay as they are."""
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode())
    way(str(tmp_path / "one"), str(tmp_path / "name"))
    with pytest.raises(FileExistsError):
        way(str(tmp_path / "two"), str(tmp_path / "name"))
    assert (tmp_path / "name").read_bytes() == b"one"
    assert (tmp_path / "two").read_bytes() == b"two"


def test_a_link_that_was_made_by_a_repeated_request_is_ours(tmp_path: Path) -> None:
    """NFS may answer "exists" to the repetition of a request whose first answer was lost."""
    (tmp_path / "one").write_bytes(b"x")
    files.publish_by_link(str(tmp_path / "one"), str(tmp_path / "name"))
    files.publish_by_link(str(tmp_path / "one"), str(tmp_path / "name"))


def test_a_range_is_read_wherever_the_file_ends(tmp_path: Path) -> None:
    """Without moving the position."""
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    with path.open("rb") as opened:
        assert files.read_range(opened.fileno(), 2, 3) == b"234"
        assert files.read_range(opened.fileno(), 8, 5) == b"89"
        assert files.read_range(opened.fileno(), 20, 5) == b""
        assert opened.read() == b"0123456789"


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 4095, (2 << 20) + 4096])
@pytest.mark.parametrize("place", ["", "/dev/shm"])
@pytest.mark.parametrize("pages", [True, False])
def test_large_data_arrives_whole_past_the_cache_or_through_it(
    tmp_path: Path, size: int, place: str, pages: bool
) -> None:
    """From pages of its own or not, whatever the file system offers, whatever the size."""
    data = random.Random(size).randbytes(size)
    source = mmap.mmap(-1, size) if pages else bytearray(size)
    source[:] = data
    with tempfile.TemporaryDirectory(dir=place or tmp_path) as folder:
        files.create_filled(f"{folder}/large", memoryview(source), 0o600)
        assert Path(folder, "large").read_bytes() == data
