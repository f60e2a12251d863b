"""Children never deadlock, never stay behind, and their last words are kept."""

from __future__ import annotations

import time
from pathlib import Path

from holdfast.system.process import Child

ENVIRON = {"PATH": "/usr/bin:/bin"}


def test_feeding_more_than_the_pipes_hold_does_not_deadlock() -> None:
    """Input waits inside until output was taken."""
    data = bytes(range(256)) * 40_000
    with Child(("cat",), environ=ENVIRON, feeding=True) as child:
        child.feed(data)
        child.end_input()
        found = b""
        while block := child.read():
            found += block
        assert child.wait() == 0
    assert found == data


def test_errors_are_kept_while_output_is_read() -> None:
    """A child that complains a lot is not blocked by it."""
    script = "for i in $(seq 20000); do echo complaint $i >&2; done; echo done; exit 3"
    with Child(("sh", "-c", script), environ=ENVIRON) as child:
        assert child.read() == b"done\n"
        assert child.wait() == 3
        assert child.errors.endswith("complaint 20000")


def test_leaving_the_context_ends_the_child() -> None:
    """However it got there."""
    with Child(("sleep", "100"), environ=ENVIRON) as child:
        pid = child.pid
        assert child.running
    assert not child.running
    time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_feeding_a_dead_child_is_harmless() -> None:
    """Its end is told by its status, not by a broken pipe."""
    with Child(("true",), environ=ENVIRON, feeding=True) as child:
        child.wait()
        child.feed(b"x" * 1_000_000)
        child.end_input()
        assert child.read() == b""
        assert child.wait() == 0
