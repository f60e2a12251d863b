"""Plain bytes out of a snapshot, for a restore: authenticated, re-hashed, and with names when they cannot be had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from holdfast.flow.previous import read_segment
from holdfast.model.errors import HoldfastError
from holdfast.model.snapshot import Segment
from holdfast.repository.reader import ChunkReader

_AHEAD = 8


class SnapshotContent:
    """Content (sources.base) over the chunks of a repository."""

    def __init__(self, reader: ChunkReader, *, local: bool) -> None:
        self._reader = reader
        self._ahead = None if local else ThreadPoolExecutor(max_workers=_AHEAD, thread_name_prefix="ahead")

    def blocks(self, segment: Segment) -> Iterator[bytes]:
        """See sources.base.Content."""
        return read_segment(self._reader, segment)

    def prefetch(self, segments: Sequence[Segment]) -> None:
        """See sources.base.Content: warms the window cache of stores with latency, does nothing on a local one."""
        if self._ahead is None:
            return
        wanted = {piece.chunk for segment in segments for piece in segment.slices[:2]}
        for chunk in list(wanted)[: 2 * _AHEAD]:
            self._ahead.submit(self._warm, chunk)

    def close(self) -> None:
        """Stop reading ahead."""
        if self._ahead is not None:
            self._ahead.shutdown(wait=True, cancel_futures=True)

    def _warm(self, chunk: bytes) -> None:
        try:
            self._reader.read(chunk)
        except HoldfastError:
            return  # whoever needs it will hear
