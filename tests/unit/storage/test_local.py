"""A directory as a store: what the disk keeps through a power cut, a kill at any call, and a full or forbidden disk."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import pytest
from tests.faults.traced import Call, run_traced, unflushed

from holdfast.model.errors import ObjectExists, ObjectMissing
from holdfast.storage.local import LocalStorage
from holdfast.storage.registry import open_storage

PUT = """
import sys
from holdfast.storage.local import LocalStorage
storage = LocalStorage(sys.argv[1])
storage.put_new("packs/session/1", b"x" * 100_000)
storage.put_new("holdfast.json", b"y")
sys.stdout.write("DONE")
sys.stdout.flush()
"""
DELETE = """
import sys
from holdfast.storage.local import LocalStorage
storage = LocalStorage(sys.argv[1])
storage.delete("packs/session/1")
sys.stdout.write("DONE")
sys.stdout.flush()
"""
REPORT = """
import sys
from holdfast.model.errors import StorageError
from holdfast.storage.local import LocalStorage
try:
    LocalStorage(sys.argv[1]).put_new("packs/session/2", b"x" * 100_000)
except StorageError as error:
    sys.stdout.write(f"{type(error).__name__} {error.retryable} {bool(error.hint)} {error.why}")
"""


def before_done(calls: list[Call]) -> list[Call]:
    """What happened before the program said that it had succeeded."""
    return calls[: next(number for number, call in enumerate(calls) if call.text == "DONE")]


def test_on_return_an_object_survives_a_power_cut(tmp_path: Path) -> None:
    """Bytes, name, and every directory that had to be made, before success is reported."""
    root = tmp_path / "deep" / "er" / "store"
    done, calls = run_traced(PUT, root)
    assert done.stdout == b"DONE", done.stderr
    assert any(call.name == "link" for call in calls)
    assert unflushed(before_done(calls), str(tmp_path)) == []


def test_the_second_writer_into_a_folder_flushes_it_again(tmp_path: Path) -> None:
    """The folder may have been made by a neighbour who died before flushing it."""
    (tmp_path / "store" / "packs" / "session").mkdir(parents=True)
    _, calls = run_traced(PUT, tmp_path / "store")
    flushed = [call.paths[0] for call in before_done(calls) if call.name == "fsync"]
    for folder in ("store/packs/session", "store/packs", "store"):
        assert str(tmp_path / folder) in flushed


def test_on_return_a_deleted_object_stays_deleted(tmp_path: Path) -> None:
    """The name is flushed away; removing the empty folder may be undone, it holds nothing."""
    store = tmp_path / "store"
    LocalStorage(store).put_new("packs/session/1", b"x")
    _, calls = run_traced(DELETE, store)
    assert unflushed(before_done(calls), str(tmp_path)) == [f"the name {store}/packs/session"]
    assert not (store / "packs" / "session").exists()
    assert (store / "packs").exists()


def test_the_model_of_the_disk_notices_a_missing_flush(tmp_path: Path) -> None:
    """Leave out any fsync of the program: the check above must complain."""
    _, calls = run_traced(PUT, tmp_path / "store")
    calls = [call for call in before_done(calls) if "tmp+" not in call.paths[-1] or call.name != "fsync"]
    told = unflushed(calls, str(tmp_path))
    assert any("before its bytes were flushed" in each for each in told)
    for folder in ("store", "store/packs", "store/packs/session"):
        without = [call for call in calls if call.paths[-1] != str(tmp_path / folder) or call.name != "fsync"]
        assert any(each.startswith(f"the name {tmp_path / folder}/") for each in unflushed(without, str(tmp_path)))


@pytest.mark.parametrize("call", ["mkdir", "write", "fchmod", "fsync", "link", "unlink"])
def test_a_kill_at_any_call_leaves_all_of_an_object_or_none(tmp_path: Path, call: str) -> None:
    """At each occurrence of each call; and the next run writes what is missing."""
    for turn in range(1, 12):
        store = tmp_path / f"store{turn}"
        done, _ = run_traced(PUT, store, inject=[f"{call}:signal=KILL:when={turn}"])
        storage = LocalStorage(store)
        found = {each.name: each.size for each in storage.list("")}
        assert found.items() <= {"packs/session/1": 100_000, "holdfast.json": 1}.items()
        for name, body in (("packs/session/1", b"x" * 100_000), ("holdfast.json", b"y")):
            if name in found:
                with pytest.raises(ObjectExists):
                    storage.put_new(name, body)
            else:
                storage.put_new(name, body)
            assert storage.get(name) == body
        if done.returncode == 0:
            assert turn > 1, f"the program never calls {call}"
            return
        assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr


@pytest.mark.parametrize(
    ("inject", "told"),
    [
        ("write:error=ENOSPC", "StorageFull False True"), ("write:error=EDQUOT", "StorageFull False True"),
        ("fsync:error=ENOSPC", "StorageFull False True"), ("fsync:error=EIO", "StorageError False False"),
        ("link:error=ENOSPC", "StorageFull False True"), ("link:error=EROFS", "StorageError False True"),
        ("link:error=EACCES", "StorageError False True"), ("link:error=EXDEV", "StorageError False True"),
        ("mkdir:error=EACCES", "StorageError False True"), ("mkdir:error=ENOSPC", "StorageFull False True"),
    ],
)  # fmt: skip
def test_an_error_of_the_disk_is_told_and_nothing_appears(tmp_path: Path, inject: str, told: str) -> None:
    """Full, over quota, read-only, forbidden, broken: no object, no leftovers, words a person can act on."""
    store = tmp_path / "store"
    LocalStorage(store).put_new("packs/session/1", b"x")
    if inject.startswith("mkdir"):
        LocalStorage(store).delete("packs/session/1")
    # Standard output is written to as well: only the file's own write may fail.
    done, _ = run_traced(REPORT, store, inject=[f"{inject}:when={'1' if inject.startswith('write') else '1+'}"])
    assert done.stdout.decode().startswith(told), (done.stdout, done.stderr)
    assert "packs/session/2" not in {each.name for each in LocalStorage(store).list("")}
    assert list((store / "tmp+").iterdir()) == []


@pytest.mark.parametrize("inject", [["link:error=EPERM"], ["link:error=EOPNOTSUPP", "renameat2:error=EINVAL"]])
def test_without_hard_links_another_way_is_taken(tmp_path: Path, inject: list[str]) -> None:
    """FAT, some network and user-space file systems: still whole, still never replaced, still flushed."""
    store = tmp_path / "store"
    done, calls = run_traced(PUT, store, inject=inject)
    assert done.stdout == b"DONE", done.stderr
    assert {call.name for call in calls} & {"link", "rename", "renameat2"} == {"rename" if inject[1:] else "renameat2"}
    assert unflushed(before_done(calls), str(tmp_path)) == []
    with pytest.raises(ObjectExists):
        LocalStorage(store).put_new("holdfast.json", b"z")


def test_old_leftovers_are_swept_and_young_ones_stay(tmp_path: Path) -> None:
    """A writer that died a day ago will not come back; one that began an hour ago may be at work."""
    storage = LocalStorage(tmp_path)
    storage.put_new("a", b"x")
    for name, hours in (("1-old", 25), ("2-young", 23), ("lock", 500)):
        path = tmp_path / "tmp+" / name
        path.write_bytes(b"half")
        then = time.time() - hours * 3600
        os.utime(path, (then, then))
    storage.put_new("b", b"x")
    assert len(list((tmp_path / "tmp+").iterdir())) == 3
    LocalStorage(tmp_path).put_new("c", b"x")
    assert sorted(path.name for path in (tmp_path / "tmp+").iterdir()) == ["2-young", "lock"]
    assert {each.name for each in storage.list("")} == {"a", "b", "c"}


def test_objects_are_read_only_and_for_their_owner(tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        LocalStorage(tmp_path / "store").put_new("packs/s/1", b"x")
    finally:
        os.umask(before)
    store = tmp_path / "store"
    assert stat.S_IMODE((store / "packs/s/1").stat().st_mode) == 0o400
    for folder in (store, store / "packs", store / "packs" / "s", store / "tmp+"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_foreign_files_are_not_objects(tmp_path: Path) -> None:
    """What other programs leave in the folder is neither listed nor in the way."""
    storage = LocalStorage(tmp_path)
    storage.put_new("packs/1", b"x")
    for name in ("lost+found", ".DS_Store", "packs/Thumbs.db", "packs/a b"):
        (tmp_path / name).write_bytes(b"?")
    assert [each.name for each in storage.list("")] == ["packs/1"]


def test_a_folder_on_another_path_is_followed(tmp_path: Path) -> None:
    """A link to a folder is a folder, for listing as for reading and writing."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "packs").symlink_to(tmp_path / "elsewhere")
    storage = LocalStorage(tmp_path / "store")
    storage.put_new("packs/s/1", b"x")
    assert [each.name for each in storage.list("packs/")] == ["packs/s/1"]
    assert (tmp_path / "elsewhere" / "s" / "1").read_bytes() == b"x"


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """A mistyped path is not made by looking for a repository there."""
    storage = LocalStorage(tmp_path / "nothing")
    assert list(storage.list("")) == []
    with pytest.raises(ObjectMissing):
        storage.get("holdfast.json")
    storage.delete("holdfast.json")
    assert storage.free_space()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}", "file://localhost{}"])
def test_a_folder_can_be_written_in_every_usual_way(tmp_path: Path, form: str) -> None:
    """As a path or as a URL."""
    storage = open_storage(form.format(tmp_path / "a b"), credentials={})
    assert storage.url == str(tmp_path / "a b")
