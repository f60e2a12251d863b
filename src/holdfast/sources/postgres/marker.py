"""Cutting one stream of output into the outputs of many commands, at a line nobody can guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class MarkedOutput:
    """Output of commands that each end with a line ``<marker> <answer>``.

    ``until_marker`` gives the blocks of one command, untouched and uncopied where no marker is near;
    afterwards ``answer`` is what stood behind the marker. EOFError when the output ends before it.
    """

    def __init__(self, read: Callable[[], bytes], marker: bytes) -> None:
        self._read = read
        self._marker = marker
        self._rest = b""
        self.answer = b""

    def until_marker(self) -> Iterator[bytes]:
        """The blocks of the next command."""
        block, self._rest = self._rest, b""
        while True:
            block = block or self._more()
            at = block.find(self._marker)
            if at >= 0:
                if at:
                    yield block[:at]
                self._take_answer(block, at)
                return
            kept = self._overlap(block)
            if kept == len(block):
                block += self._more()
            elif kept:
                yield block[:-kept]
                block = block[-kept:] + self._more()
            else:
                yield block
                block = b""

    def _take_answer(self, block: bytes, at: int) -> None:
        """The rest of the marker's line, which may have to be waited for."""
        line = block[at + len(self._marker):]
        while b"\n" not in line:
            line += self._more()
        answer, _, self._rest = line.partition(b"\n")
        self.answer = answer.strip()

    def _overlap(self, block: bytes) -> int:
        """How many bytes at the block's end may be the beginning of a marker."""
        for length in range(min(len(self._marker) - 1, len(block)), 0, -1):
            if block.endswith(self._marker[:length]):
                return length
        return 0

    def _more(self) -> bytes:
        block = self._read()
        if not block:
            raise EOFError
        return block
