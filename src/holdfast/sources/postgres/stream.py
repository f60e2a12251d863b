"""One psql child that reads many tables in one snapshot: commands in, rows out, nothing in between but a marker."""

from __future__ import annotations

import secrets
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from holdfast.sources.postgres.connection import prelude
from holdfast.sources.postgres.marker import MarkedOutput
from holdfast.sources.postgres.refusals import from_child
from holdfast.system.process import Child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.sources.postgres.conninfo import ChildAuth, Conninfo

_SMALL_READ = 128 << 10
_PAUSE = 0.001
_OPTIONS = ("-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose")
_LOCK_PATIENCE = "5min"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What every lane needs to read the same snapshot.

    ``locks``: statements that lock every table up front, so that nobody's waiting exclusive lock can come between
    the snapshot's holder and its readers. None when there are too many tables for that: locks are then let go
    again after each batch, because the server has room for so many only once.
    """

    psql: str
    conninfo: Conninfo
    auth: ChildAuth
    snapshot: str
    encoding: str
    locks: tuple[str, ...] | None = ()

    @property
    def codec(self) -> str:
        """How statements are written to psql: nothing but ASCII, or a SQL_ASCII database's own bytes."""
        return "latin-1" if self.encoding == "SQL_ASCII" else "ascii"


class CopyStream:
    """Feed commands ahead, then take their outputs in the same order. For one thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._marker = f"holdfast-{secrets.token_hex(16)}"
        self._child = Child(
            (session.psql, *_OPTIONS, f"--dbname={session.auth.conninfo}"),
            environ=session.auth.environ, feeding=True,
        )
        self._output = MarkedOutput(self._child.read, self._marker.encode())
        self._about: deque[str] = deque()
        self._reading = "the session"
        self._unfed: list[str] = []
        self._gathering = False
        self._child.feed("\n".join(self._opening()).encode(session.codec) + b"\n")

    @property
    def outstanding(self) -> int:
        """Commands fed whose output was not taken yet."""
        return len(self._about)

    def copy(self, query: str, about: str) -> None:
        """Feed ``COPY … TO STDOUT`` (no semicolon); its answer is the server's count of rows."""
        # only with a file of its own does psql keep the row count of COPY TO STDOUT
        self.run(f"{query} \\g /dev/fd/1", about, answer=":ROW_COUNT")

    def run(self, command: str, about: str, *, answer: str = "") -> None:
        """Feed any psql command lines; ``answer`` may name psql variables, see ``answer()``."""
        self._about.append(about)
        self._unfed.append(f"{command}\n\\echo {self._marker} {answer}\n")
        if not self._gathering:
            self._feed()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Commands run inside are fed at its end, at once: hundreds of short ones cost one write."""
        self._gathering = True
        try:
            yield
        finally:
            self._gathering = False
            self._feed()

    def next_batch(self) -> None:
        """Let go of the locks of what was read so far, where they are not held throughout."""
        if self._session.locks is None:
            self._unfed += [f"{line}\n" for line in ("COMMIT;", *self._transaction())]
            if not self._gathering:
                self._feed()

    def blocks(self, *, large: bool = False) -> Iterator[bytes]:
        """The output of the oldest command, block by block; ``large`` prefers big blocks to quick ones."""
        self._reading = self._about.popleft()
        try:
            for block in self._output.until_marker():
                yield block
                if large and len(block) < _SMALL_READ:
                    # woken for every few kilobytes, two processes would mostly switch between one another
                    time.sleep(_PAUSE)
        except EOFError:
            raise self._failure() from None

    def answer(self) -> str:
        """What the last finished command answered."""
        return self._output.answer.decode("ascii", "replace")

    def output(self) -> bytes:
        """The whole output of the oldest command, for short ones."""
        return b"".join(self.blocks())

    def finish(self) -> None:
        """End the transaction and the child; SourceError unless it ended well."""
        self._child.feed(b"COMMIT;\n")
        self._child.end_input()
        while self._child.read():
            pass
        if self._child.wait():
            raise self._failure()

    def close(self) -> None:
        """End the child whatever it does."""
        self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()

    def _feed(self) -> None:
        text, self._unfed = "".join(self._unfed), []
        self._child.feed(text.encode(self._session.codec))

    def _opening(self) -> Iterator[str]:
        """Settings, then the snapshot as the first thing of the transaction."""
        yield "\\o /dev/null"
        yield prelude(self._session.encoding)
        yield f"SET lock_timeout = '{_LOCK_PATIENCE}';"
        yield from self._transaction()
        yield from self._session.locks or ()
        yield "\\o"

    def _transaction(self) -> Iterator[str]:
        yield "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
        yield f"SET TRANSACTION SNAPSHOT '{self._session.snapshot}';"

    def _failure(self) -> Exception:
        self._child.end_input()
        self._child.wait(10)
        return from_child(
            self._child.errors, self._session.conninfo, doing=f"reading {self._reading} failed"
        )
