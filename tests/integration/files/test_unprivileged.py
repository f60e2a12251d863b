"""Running as somebody who may not read, or not restore, everything."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.doubles_files import restore, take, troubles
from tests.integration.files.trees import age, write

from holdfast.sources.files import FilesSource

_NOBODY = 65534


def _as_nobody(work: Callable[[], None]) -> None:
    """Run in a child with no privileges; its failure is ours."""
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(_NOBODY)
                os.setuid(_NOBODY)
            work()
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def tree(tmp_path: Path):
    """A tree that nobody owns, in a place nobody may reach."""
    base = Path(f"/dev/shm/holdfast-nobody-{os.getpid()}")
    shutil.rmtree(base, ignore_errors=True)
    tree = base / "tree"
    (tree / "closed").mkdir(parents=True)
    (tree / "open").mkdir()
    write(tree / "closed" / "inside", b"i")
    write(tree / "open" / "file", b"f")
    write(tree / "secret", b"s")
    for path in (base, *base.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)
    os.chmod(base, 0o777)
    yield tree
    shutil.rmtree(base, ignore_errors=True)


def test_what_may_not_be_read_is_named_and_not_deleted_by_an_exact_restore(tree: Path) -> None:
    """A closed file and a closed folder; the rest is saved; exact does not take them for absent."""

    def work() -> None:
        os.chmod(tree / "secret", 0)
        os.chmod(tree / "closed", 0)
        source = FilesSource(str(tree))
        taken = take(source)
        assert taken.learned.incomplete == [
            "closed: could not be read: Permission denied", "secret: could not be read: Permission denied",
        ]
        assert b"open/file" in taken.tree.names()
        os.chmod(tree / "closed", 0o700)
        _, results = restore(source, taken.tree, in_place=True, overwrite=True, exact=True)
        os.chmod(tree / "closed", 0o700)
        assert (tree / "closed" / "inside").exists() and (tree / "secret").exists()
        assert troubles(results)["closed"][0] == "incomplete"
        plan, results = restore(source, taken.tree)
        assert troubles(results)["secret"][0] == "incomplete"
        assert not os.path.exists(os.path.join(plan.target, "secret"))

    _as_nobody(work)


def test_an_unchanged_file_needs_no_permission(tree: Path) -> None:
    """It is not opened: root saves it, then somebody who may not read it keeps it."""
    if os.geteuid() != 0:
        pytest.skip("needs root to take the first snapshot")
    os.chmod(tree / "secret", 0)
    os.chown(tree / "secret", 0, 0)
    age(tree)
    source = FilesSource(str(tree))
    first = take(source)

    def work() -> None:
        again = take(source, first.tree)
        assert again.learned.incomplete == [] and again.read == []

    _as_nobody(work)


def test_a_restore_without_root_says_once_that_owners_are_not_restored(tree: Path) -> None:
    """No setuid for the wrong owner; read-only folders are filled before they are closed."""
    if os.geteuid() == 0:
        os.chown(tree / "secret", 4321, 4321)
        os.chmod(tree / "secret", 0o6755)
        os.setxattr(tree / "secret", "trusted.t", b"1")
    os.chmod(tree / "open", 0o555)
    os.setxattr(tree / "open" / "file", "user.u", b"1")
    os.chmod(tree / "open" / "file", 0o400)
    source = FilesSource(str(tree))
    taken = take(source)

    def work() -> None:
        plan, results = restore(source, taken.tree)
        assert troubles(results) == {}
        assert plan.warnings[0].startswith("not running as root")
        stat = os.stat(os.path.join(plan.target, "secret"))
        assert stat.st_uid == os.geteuid() and stat.st_mode & 0o7777 == 0o755 | (0 if os.geteuid() != 4321 else 0o6000)
        assert os.stat(os.path.join(plan.target, "open")).st_mode & 0o777 == 0o555
        assert os.getxattr(os.path.join(plan.target, "open", "file"), "user.u") == b"1"

    _as_nobody(work)


def test_doctor_tells_what_a_first_user_gets_wrong(tree: Path) -> None:
    """Absent, unreadable, empty, patterns without effect, not root."""

    def work() -> None:
        os.chmod(tree / "secret", 0)
        found = FilesSource(str(tree), ("nowhere/", "*.log")).examine()
        text = "\n".join(f"{f.level} {f.what}" for f in found)
        assert "fail 1 of 6 entries cannot be read: secret" in text
        assert "warn not running as root" in text and "'nowhere/' matches nothing" in text

    _as_nobody(work)
    assert FilesSource("/nowhere/at/all").examine()[0].level == "fail"
