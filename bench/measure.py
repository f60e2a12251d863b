"""Run one command and tell what it cost: wall time, processor time of its process tree and of the server, memory."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_LIMIT = 1800


class BenchError(Exception):
    """A command that was to be measured did not succeed; its numbers are not worth having."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One execution.

    ``cpu``: user and system seconds of the command and all its children. ``server_cpu``: those of the database
    server meanwhile. ``rss_main``: the largest process of the tree (wait4, exact). ``rss_tree``: the largest sum
    over the tree at one moment (sampled; pages shared by processes count for each of them). Bytes.
    """

    wall: float
    cpu: float
    server_cpu: float
    rss_main: int
    rss_tree: int
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def all_cpu(self) -> float:
        """Client and server together: on a shared machine the least noisy cost."""
        return self.cpu + self.server_cpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. ``output``: "discard", or "json" for one document on standard output."""

    words: Sequence[str]
    environ: Mapping[str, str]
    output: str = "discard"
    folder: Path | None = None


def measure(command: Command, server: int | None = None) -> Sample:
    """Run ``command`` to its end; BenchError when it fails. ``server``: the pid of the database server's parent."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = tree_cpu(server)
        start = time.perf_counter()
        process = subprocess.Popen(
            command.words,
            stdin=subprocess.DEVNULL,
            stdout=out if command.output == "json" else subprocess.DEVNULL,
            stderr=err,
            env=dict(command.environ),
            cwd=command.folder,
            start_new_session=True,
        )
        watch = _Watch(process.pid)
        watch.start()
        guard = threading.Timer(_LIMIT, _kill_session, (process.pid,))
        guard.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _kill_session(process.pid)
            process.wait()
            raise
        finally:
            wall = time.perf_counter() - start
            guard.cancel()
            watch.end()
        process.returncode = os.waitstatus_to_exitcode(status)
        served = tree_cpu(server) - before
        if process.returncode:
            raise BenchError(_complaint(command, process.returncode, _tail(out), _tail(err)))
        # A child starts in its parent's pages, and the kernel counts them: below that mark only samples tell.
        floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        largest = usage.ru_maxrss * 1024 if usage.ru_maxrss > floor * 1.02 else watch.largest
        said = _document(out) if command.output == "json" else {}
    return Sample(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        server_cpu=served,
        rss_main=largest,
        rss_tree=max(watch.peak, largest),
        said=said,
    )


def run(command: Command) -> None:
    """Run a command that is preparation and not measured; BenchError when it fails."""
    done = subprocess.run(
        command.words,
        check=False,
        env=dict(command.environ),
        cwd=command.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if done.returncode:
        raise BenchError(_complaint(command, done.returncode, done.stdout[-1500:], done.stderr[-1500:]))


def tree_cpu(root: int | None) -> float:
    """Seconds of processor time a process and its children, living and reaped, have used so far."""
    if root is None:
        return 0.0
    own = _stat(root)
    living = sum(sum(_stat(pid)[:2]) for pid in _descendants(root) if pid != root)
    return (sum(own) + living) / _TICK


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def as_document(sample: Sample) -> dict[str, Any]:
    """For results.json."""
    return asdict(sample)


class _Watch(threading.Thread):
    """Adds up the resident memory of a process tree forty times a second; looks for new members less often."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._ended = threading.Event()
        self.peak = 0
        self.largest = 0

    def run(self) -> None:
        members: list[int] = [self._root]
        beat = 0
        while not self._ended.wait(0.025):
            if beat % 8 == 0:
                members = _descendants(self._root)
            beat += 1
            sizes = [_resident(pid) for pid in members]
            self.peak = max(self.peak, sum(sizes))
            self.largest = max(self.largest, *sizes)

    def end(self) -> None:
        self._ended.set()
        self.join()


def _descendants(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                text = Path(f"/proc/{name}/stat").read_bytes()
                parents.setdefault(int(text.rpartition(b")")[2].split()[1]), []).append(int(name))
    found, fresh = [root], [root]
    while fresh:
        fresh = [child for pid in fresh for child in parents.get(pid, ())]
        found += fresh
    return found


def _stat(pid: int) -> tuple[int, int, int, int]:
    """utime, stime, cutime, cstime in ticks; zeros when the process is gone."""
    with contextlib.suppress(OSError, ValueError):
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(words[11]), int(words[12]), int(words[13]), int(words[14])
    return 0, 0, 0, 0


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    return 0


def _kill_session(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _tail(file: Any) -> bytes:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1500))
    return bytes(file.read())


def _complaint(command: Command, status: int, out: bytes, err: bytes) -> str:
    text = (err.strip() or out.strip()).decode(errors="replace")
    return f"{Path(command.words[0]).name} ended with status {status}: {text}"


def _document(out: Any) -> dict[str, Any]:
    out.seek(0)
    try:
        said = json.load(out)
    except ValueError as error:
        raise BenchError(f"no JSON document on standard output: {error}") from error
    return said if isinstance(said, dict) else {"document": said}
