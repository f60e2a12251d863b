"""A source with no items: a restore that only creates things has nothing to save first, but undo needs its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from holdfast.model.snapshot import Notes
from holdfast.sources.base import (
    Capture,
    CaptureNotes,
    CaptureRequest,
    Finding,
    Piece,
    RestoreRequest,
    Source,
    Target,
)


class Nothing:
    """Stands in for ``source`` where nothing of it is touched."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def kind(self) -> str:
        """See Source."""
        return self._source.kind

    @property
    def url(self) -> str:
        """See Source."""
        return self._source.url

    def capture(self, _request: CaptureRequest) -> AbstractContextManager[Capture]:
        """See Source."""
        return nullcontext(_Empty())

    def target(self, request: RestoreRequest) -> Target:
        """See Source."""
        return self._source.target(request)

    def examine(self) -> list[Finding]:
        """See Source."""
        return []


class _Empty:
    ordered = True
    estimate = 0

    def opening_notes(self) -> Notes:
        return {}

    def lanes(self) -> Sequence[Iterator[Piece]]:
        return [iter(())]

    def finish(self) -> CaptureNotes:
        return CaptureNotes()
