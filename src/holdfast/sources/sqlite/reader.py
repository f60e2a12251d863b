"""The held state of a database, as the process that wants its bytes sees it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.model.errors import MissingTool, SourceError
from holdfast.sources.sqlite import server
from holdfast.sources.sqlite.names import printable

BLOCK = 1 << 20
_ROOT = str(Path(__file__).resolve().parents[3])
_MAIN = "import sys; sys.path.insert(0, sys.argv[1]); from holdfast.sources.sqlite.server import run; "
_CALL = "run([int(number) for number in sys.argv[2:]])"


class ReadError(SourceError):
    """The process that reads the database failed; ``name`` is SQLite's (or the system's) name for it."""

    def __init__(self, what: str, *, name: str = "", **rest: Any) -> None:
        super().__init__(what, **rest)
        self.name = name


class Reader:
    """A child process with one database held in it, and ``width`` lanes to take its bytes from.

    Use as a context; leaving it ends the child and with it every lock. ``facts`` is what the child told last
    about the held state (mode, via, size, page_size, first, log, stat, owner).
    """

    def __init__(self, path: bytes, *, width: int = 1, wait: float = 0.0, still: bool = False) -> None:
        self.path = path
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        self._lanes: list[socket.socket] = []
        self._waiting = False
        self._child = self._start(width)
        try:
            self.facts = self._ask(do="still" if still else "hold", path=path.hex(), wait=wait)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes of the held image."""
        return int(self.facts["size"])

    @property
    def first(self) -> bytes:
        """The first hundred bytes of the file (of the log-less file, in log mode)."""
        return bytes.fromhex(self.facts["first"])

    def copy(self, to: Path, *, by_backup: bool) -> None:
        """Move the held state into a new file ``to``; the live database is let go."""
        self.facts = self._ask(do="back up" if by_backup else "copy", to=os.fsencode(to).hex())

    def let_go(self) -> None:
        """Release the live database without reading any more of it."""
        self._ask(do="let go")

    def serve(self) -> int:
        """Open the lanes; how many there are."""
        self._ask(do="serve")
        return len(self._lanes)

    def blocks(self, lane: int, offset: int, length: int) -> Iterator[memoryview]:
        """The bytes of a range; each block is overwritten by the next. One thread per lane."""
        buffer = memoryview(bytearray(min(BLOCK, length)))
        pipe = self._lanes[lane]
        self._request(pipe, offset, length)
        while length:
            view = buffer[: min(BLOCK, length)]
            if pipe.recv_into(view, len(view), socket.MSG_WAITALL) != len(view):
                raise self._lost("The database could not be read to the end")
            length -= len(view)
            yield view

    def begin_inspection(self, *, count: bool, check: bool, quick: bool) -> None:
        """Start looking at tables and soundness; the lanes deliver meanwhile."""
        self._send(do="inspect", count=count, check=check, quick=quick)

    def end_inspection(self) -> dict[str, Any]:
        """What was found (integrity, findings, tables, facts); waits for it."""
        return self._answer()

    def still_valid(self) -> bool:
        """Whether what was read is really one state: asked once after the last byte."""
        return bool(self._ask(do="end")["valid"])

    def close(self) -> None:
        """End the child."""
        for lane in self._lanes:
            lane.close()
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._child.wait(0 if self._waiting else 10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._stdout.close()
        self._errors.close()

    def _start(self, width: int) -> subprocess.Popen[bytes]:
        if not sys.executable:
            raise MissingTool("No Python interpreter to read with", hint="Run: python3 -m holdfast")
        theirs: list[socket.socket] = []
        for _ in range(width):
            mine, other = socket.socketpair()
            self._lanes.append(mine)
            theirs.append(other)
        numbers = [other.fileno() for other in theirs]
        child = subprocess.Popen(
            [sys.executable, "-I", "-c", _MAIN + _CALL, _ROOT, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=numbers,
            start_new_session=True,  # Ctrl-C is ours to handle: the child ends when we let go of it
        )
        for other in theirs:
            other.close()
        if child.stdin is None or child.stdout is None:
            raise AssertionError  # both were asked for
        self._stdin, self._stdout = child.stdin, child.stdout
        return child

    def _request(self, pipe: socket.socket, offset: int, length: int) -> None:
        try:
            pipe.sendall(server.ASK.pack(offset, length))
        except OSError as error:
            raise self._lost("The database could not be read") from error

    def _ask(self, **command: Any) -> dict[str, Any]:
        self._send(**command)
        return self._answer()

    def _send(self, **command: Any) -> None:
        try:
            self._stdin.write(json.dumps(command).encode() + b"\n")
            self._stdin.flush()
        except OSError as error:
            raise self._lost("The process that reads the database ended") from error
        self._waiting = True

    def _answer(self) -> dict[str, Any]:
        line = self._stdout.readline()
        self._waiting = False
        if not line:
            raise self._lost("The process that reads the database ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ReadError(
                "The database could not be read",
                where=printable(self.path),
                why=answer["error"],
                name=answer["name"],
            )
        return answer

    def _lost(self, what: str) -> ReadError:
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return ReadError(what, where=printable(self.path), why=said[-1] if said else "")
