"""The contract for telling, without reading all of them, which rows of a snapshot still stand untouched in the application."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from holdfast.model.records import Row, Table
from holdfast.sources.records import Book


class TraceBroken(Exception):
    """What was read contradicts what the database's numbers told: nothing of a trace may be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Rows but for those that stand on both sides in the same bytes: what one side leaves out the other leaves out.

    ``come``: of the application, to be read first; ``gone``: of the snapshot, to be read after it. ``now``: how many
    rows there are in the application. Reading may end in TraceBroken.
    """

    come: Iterator[Row]
    gone: Iterator[Row]
    now: int


@runtime_checkable
class Tracing(Protocol):
    """Optional power of a LiveBook: the database itself tells which rows nobody touched since a snapshot."""

    def trace(self, table: Table, snapshot: Book) -> Trace | None:
        """For a table of both with the same columns; None where the database cannot tell, or cannot be believed."""
        ...
