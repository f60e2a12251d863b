"""The contract for telling which rows of a snapshot still stand untouched in the application, without reading all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
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


@runtime_checkable
class Holding(Protocol):
    """Power of a Source: the application as it is now, as a book that is compared like those of its snapshots."""

    def open_held(self) -> AbstractContextManager[Book | None]:
        """For looking only. None where ``open_live`` is the better way."""
        ...
