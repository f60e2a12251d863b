"""The bytes of one held database state, wherever they are, sent to whoever asks for a range."""

from __future__ import annotations

import os
import socket

from holdfast.sources.sqlite.walindex import Overlay

BLOCK = 1 << 20


class Image:
    """``size`` bytes: those of the file ``fd``, with the pages of the log laid over them.

    Safe from several threads. What neither holds reads as zeros, as it does for SQLite itself (a page that was
    allocated and freed again is never written).
    """

    def __init__(self, fd: int, size: int, overlay: Overlay | None = None) -> None:
        self.fd = fd
        self.size = size
        self.overlay = overlay

    def send(self, lane: socket.socket, offset: int, length: int) -> None:
        """Write exactly these bytes to ``lane``."""
        block = bytearray(min(BLOCK, length))
        view = memoryview(block)
        while length:
            count = min(BLOCK, length)
            self._fill(view[:count], offset)
            lane.sendall(view[:count])
            offset += count
            length -= count

    def _fill(self, view: memoryview, offset: int) -> None:
        self._read(self.fd, view, offset)
        if self.overlay is None:
            return
        for page_at, log_at in self.overlay.pieces(offset, len(view)):
            inside = page_at - offset
            self._read(self.overlay.wal, view[inside : inside + self.overlay.page_size], log_at)

    @staticmethod
    def _read(fd: int, view: memoryview, offset: int) -> None:
        while view:
            got = os.preadv(fd, [view], offset)
            if not got:
                view[:] = bytes(len(view))
                return
            view = view[got:]
            offset += got
