"""The store with scripted faults is a good store without a script, and does what the script says with one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contracts.storage_contract import Opener, StorageContract
from tests.faults.scripted_storage import Script, Scripted

from holdfast.model.errors import ObjectMissing, StorageError, StorageFull
from holdfast.storage.local import LocalStorage
from holdfast.storage.memory import MemoryStorage

PROGRAM = """
import sys
from tests.faults.scripted_storage import install
install(sys.argv[2], log=sys.argv[3])
from holdfast.storage.registry import open_storage
storage = open_storage(sys.argv[1], credentials={})
for number in range(3):
    storage.put_new(f"a/{number}", b"body")
    storage.delete(f"b/{number}")
"""


class TestScriptedWithoutScript(StorageContract):
    """Nothing changes."""

    @pytest.fixture
    def opener(self) -> Opener:
        """Around the memory store."""
        storage = MemoryStorage("inner")
        return lambda: Scripted(storage)


def test_a_fault_strikes_the_nth_matching_call_only() -> None:
    """Counting is per rule, over the calls the rule matches."""
    storage = Scripted(MemoryStorage(), "put_new@log/*#2:fail")
    storage.put_new("log/1", b"x")
    storage.put_new("packs/1", b"x")
    with pytest.raises(StorageError) as caught:
        storage.put_new("log/2", b"x")
    assert caught.value.retryable
    storage.put_new("log/2", b"x")
    assert [name for _, name in storage.script.calls] == ["log/1", "packs/1", "log/2", "log/2"]


def test_faults_before_have_no_effect_and_faults_after_have_it() -> None:
    """The two halves of every kill test."""
    storage = Scripted(MemoryStorage(), "put_new#1:full put_new#2:full-after delete:break-after")
    with pytest.raises(StorageFull):
        storage.put_new("a", b"x")
    assert list(storage.list("")) == []
    with pytest.raises(StorageFull):
        storage.put_new("a", b"x")
    assert storage.get("a") == b"x"
    with pytest.raises(StorageError) as caught:
        storage.delete("a")
    assert not caught.value.retryable
    assert list(storage.list("")) == []


def test_reads_and_listings_can_lie() -> None:
    """A flipped bit, a truncation, a missing object, a short listing."""
    script = "get#1:flip=1 get#2:truncate=2 get#3:missing get#4+:truncate list#1:truncate=1"
    storage = Scripted(MemoryStorage(), script)
    for name in ("a", "b"):
        storage.put_new(name, b"abcd")
    assert storage.get("a") == b"arcd"
    assert storage.get("a") == b"ab"
    with pytest.raises(ObjectMissing):
        storage.get("a")
    assert storage.get("a") == storage.get("b") == b"ab"
    assert len(list(storage.list(""))) == 1
    assert len(list(storage.list(""))) == 2


@pytest.mark.parametrize(("when", "present"), [("before", ["a/0"]), ("after", ["a/0", "a/1"])])
def test_a_child_process_dies_at_the_call_that_the_script_names(
    tmp_path: Path, when: str, present: list[str]
) -> None:
    """By SIGKILL, before or after the effect; the log tells how far it came."""
    log = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "store"), f"put_new#2:kill-{when}", str(log)],
        check=False, env={"PYTHONPATH": ".:src"},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert sorted(each.name for each in LocalStorage(tmp_path / "store").list("a/")) == present
    assert log.read_text().splitlines() == ["put_new a/0", "delete b/0", "put_new a/1"]


@pytest.mark.parametrize("word", ["put_new", "put_new:explode", ":fail", "put_new#x:fail"])
def test_a_script_with_a_mistake_is_refused(word: str) -> None:
    """A test whose fault never happens would prove nothing."""
    with pytest.raises(ValueError):
        Script(word)
