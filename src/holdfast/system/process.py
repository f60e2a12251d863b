"""Child processes as streams: started without a shell, their errors drained, never left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import threading
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PIPE_BYTES = 1 << 20
_ERROR_LINES = 200
_GRACE_SECONDS = 5.0


class Child:
    """A running program. ``feed`` its input, ``read`` its output; its last error lines are in ``errors``.

    Feeding never blocks and never deadlocks with reading: what the pipe does not take at once is written
    while the output is read. Safe for one feeding-and-reading thread, while another may ``kill``. Leaving the
    context kills the program when it still runs.
    """

    def __init__(self, command: Sequence[str], *, environ: Mapping[str, str], feeding: bool = False) -> None:
        self.command = tuple(command)
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE if feeding else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(environ), bufsize=0, start_new_session=True,
        )
        self._pending: deque[memoryview] = deque()
        self._ending = False
        self._lines: deque[str] = deque(maxlen=_ERROR_LINES)
        self._out = _fileno(self._process.stdout)
        self._in = _fileno(self._process.stdin) if feeding else -1
        _widen(self._out)
        if feeding:
            os.set_blocking(self._in, False)
        self._drain = threading.Thread(target=self._collect_errors, name="stderr", daemon=True)
        self._drain.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def errors(self) -> str:
        """The last lines it wrote to its error stream; complete once it has ended."""
        return "\n".join(self._lines)

    def feed(self, data: bytes) -> None:
        """Queue input; written now as far as the pipe takes it, the rest while reading or waiting."""
        if data:
            self._pending.append(memoryview(data))
        self._push()

    def end_input(self) -> None:
        """Close its input once everything queued is written."""
        self._ending = True
        self._push()

    def read(self, size: int = _PIPE_BYTES) -> bytes:
        """The next block of output, at least one byte; empty at its end."""
        while self._pending:
            readable = self._out in _ready(reading=self._out, writing=self._in)
            self._push()
            if readable:
                break
        return os.read(self._out, size)

    def answers(self) -> Iterator[bytes]:
        """Blocks of output that come while queued input is written; ends when all of it is, without waiting longer."""
        while self._pending:
            readable = self._out in _ready(reading=self._out, writing=self._in)
            self._push()
            if readable and (block := os.read(self._out, _PIPE_BYTES)):
                yield block

    def wait(self, seconds: float | None = None) -> int:
        """Write what is queued, wait for its end and return its exit status (negative: the signal)."""
        while self._pending and self.running:
            _ready(writing=self._in, milliseconds=200)
            self._push()
        status = self._process.wait(seconds)
        self._drain.join(_GRACE_SECONDS)
        return status

    def kill(self) -> None:
        """End it now; harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """Kill it when it still runs and release its pipes."""
        self.kill()
        self._process.wait()
        self._drain.join(_GRACE_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed:
                with contextlib.suppress(OSError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()

    def _push(self) -> None:
        """Write as much of the queue as the pipe takes without blocking."""
        try:
            while self._pending:
                view = self._pending[0]
                written = os.write(self._in, view)
                if written < len(view):
                    self._pending[0] = view[written:]
                else:
                    self._pending.popleft()
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._pending.clear()
        if self._ending and self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def _collect_errors(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        rest = b""
        with contextlib.suppress(OSError, ValueError):
            while block := stream.read(65536):
                *lines, rest = (rest + block).split(b"\n")
                self._lines.extend(line.decode("utf-8", "replace") for line in lines)
                rest = rest[-65536:]
        if rest:
            self._lines.append(rest.decode("utf-8", "replace"))


def _fileno(stream: object) -> int:
    return stream.fileno()  # type: ignore[attr-defined, no-any-return]


def _ready(*, reading: int = -1, writing: int = -1, milliseconds: int | None = None) -> list[int]:
    """Which of the two pipes can go on now; waits for one of them."""
    poll = select.poll()
    if reading >= 0:
        poll.register(reading, select.POLLIN)
    if writing >= 0:
        poll.register(writing, select.POLLOUT)
    return [descriptor for descriptor, _events in poll.poll(milliseconds)]


def _widen(pipe: int) -> None:
    """A larger pipe means fewer switches between writer and reader; not every system lets one."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
