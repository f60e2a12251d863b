"""The program at a terminal: somebody sees what it prints, and answers what it asks."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

from tests.acceptance.program import PROGRAM, Site


class Terminal:
    """One call with a terminal of its own. ``shown`` is all that appeared."""

    def __init__(self, site: Site, *arguments: str, **environ: str | None) -> None:
        merged = {**site.environ, "TERM": "xterm", "COLUMNS": "100", **environ}
        self.shown = ""
        self._seen = 0
        self._ours, theirs = pty.openpty()
        self._child = subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=site.folder,
            env={name: value for name, value in merged.items() if value is not None},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def answer(self, question: str, text: str) -> None:
        """Wait for ``question`` and type ``text`` and return."""
        self._wait_for(question)
        os.write(self._ours, text.encode() + b"\n")

    def end(self) -> int:
        """Wait for the end; the exit status."""
        self._wait_for(None)
        os.close(self._ours)
        return self._child.wait(60)

    def _wait_for(self, question: str | None) -> None:
        deadline = time.monotonic() + 60
        while question is None or question not in self.shown[self._seen :]:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self._child.kill()
                raise AssertionError(f"{question!r} was not asked: {self.shown}")
            try:
                more = os.read(self._ours, 65536)
            except OSError:  # the other end is closed: the program ended
                more = b""
            if not more:
                assert question is None, f"ended without asking {question!r}: {self.shown}"
                return
            self.shown += more.decode(errors="replace")
        self._seen = self.shown.index(question, self._seen) + len(question)
