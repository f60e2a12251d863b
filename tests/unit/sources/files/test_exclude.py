"""Exclusion keeps to gitignore's rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.model.errors import UsageError
from holdfast.sources.files.exclude import Exclusion


@pytest.mark.parametrize(
    ("lines", "path", "folder", "out"),
    [
        (["*.log"], b"a/b.log", False, True),
        (["*.log", "!keep.log"], b"a/keep.log", False, False),
        (["build/"], b"x/build", True, True),
        (["build/"], b"x/build", False, False),
        (["/top"], b"top", False, True),
        (["/top"], b"a/top", False, False),
        (["a/*.o"], b"a/x.o", False, True),
        (["a/*.o"], b"b/a/x.o", False, False),
        (["**/x/**"], b"q/x", True, False),
        (["**/x/**"], b"q/x/y", False, True),
        (["foo"], b"foo\n", False, False),
        (["*.log"], b"new\nline/a.log", False, True),
        (["a\\ "], b"a ", False, True),
        (["# no", "", "  "], b"# no", False, False),
        (["caf\u00e9"], "caf\u00e9".encode(), False, True),
        (["*.bin"], b"\xff\xfe.bin", False, True),
    ],
)
def test_a_pattern_leaves_out_what_git_would_ignore(lines: list[str], path: bytes, folder: bool, out: bool) -> None:
    """Each rule of the syntax in one line."""
    assert Exclusion(lines).leaves_out(path, folder=folder) is out


def test_no_patterns_cost_nothing() -> None:
    """An empty exclusion is false, so that callers skip it."""
    assert not Exclusion(["", "# only a comment"])


def test_a_wrong_pattern_is_named() -> None:
    """The error shows the line."""
    with pytest.raises(UsageError) as caught:
        Exclusion(["!"])
    assert "'!'" in str(caught.value)


def test_patterns_that_decide_nothing_are_told() -> None:
    """Doctor shows them."""
    exclusion = Exclusion(["*.log", "nowhere/"])
    exclusion.leaves_out(b"a.log", folder=False)
    assert exclusion.unused() == ["nowhere/"]


_names = st.sampled_from(["a", "b", "x.o", "y.log", "dir"])
_patterns = st.lists(
    st.sampled_from(
        ["a", "/a", "a/", "a/b", "*.o", "!*.o", "**/b", "a/**", "!a/b", "dir/*", "!x.o", "?", "[ab]", "b/", "/dir/**/b"]
    ),
    max_size=4,
)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_patterns, st.sets(st.lists(_names, min_size=1, max_size=3).map(tuple), min_size=1, max_size=6))
def test_the_tree_that_is_left_is_the_one_git_would_add(tmp_path: Path, lines: list[str], paths: set) -> None:
    """Against git itself, on real trees, testing from the top down."""
    root = tmp_path / "tree"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path in sorted(paths):
        file = root.joinpath(*path)
        if any(parent.is_file() for parent in file.parents) or file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    (tmp_path / "ignore").write_text("\n".join(lines))
    git = ["git", "-c", "init.defaultBranch=m", "-C", str(root)]
    subprocess.run([*git, "init", "-q"], check=True)
    told = subprocess.run(
        [*git, "ls-files", "-o", "-z", f"--exclude-from={tmp_path / 'ignore'}"], check=True, capture_output=True
    ).stdout
    shutil.rmtree(root / ".git")
    exclusion = Exclusion(lines)
    left = set()

    def visit(folder: Path, prefix: bytes) -> None:
        for entry in folder.iterdir():
            path = prefix + entry.name.encode()
            if exclusion.leaves_out(path, folder=entry.is_dir()):
                continue
            if entry.is_dir():
                visit(entry, path + b"/")
            else:
                left.add(path)

    visit(root, b"")
    assert left == set(told.split(b"\0")) - {b""}
