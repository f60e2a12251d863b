"""The contract for looking at rows: the same for a snapshot and for the live application, whatever its kind.

A *Book* is one consistent image whose rows can be asked for. ``source.open_snapshot`` opens one over a snapshot's
chunks, ``source.open_live`` one over the application itself, and that one can write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from holdfast.model.events import Reporter, silent
from holdfast.model.records import Key, Reference, Row, Table, Value
from holdfast.sources.base import Content, Manifest, Source


class Shelf(Protocol):
    """A disposable, sealed place for what was worked out of chunks (key indexes). May forget anything at any time."""

    def get(self, name: str) -> bytes | None:
        """What was put under ``name``, whole and unaltered, or None."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data``; a failure is silent, because it costs time only."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotView:
    """What a source is given of one of its snapshots."""

    id: str
    manifest: Manifest
    content: Content
    shelf: Shelf
    report: Reporter = silent


class Book(Protocol):
    """Rows of one consistent image. Safe from one thread at a time."""

    @property
    def tables(self) -> Mapping[str, Table]:
        """Every table by name; also found by its name without schema where that is unique (``resolve``)."""
        ...

    @property
    def references(self) -> Sequence[Reference]:
        """Foreign keys of the database itself."""
        ...

    def rows(self, table: Table) -> Iterator[Row]:
        """All rows, streaming."""
        ...

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """Rows whose ``columns`` (paths allowed, see Reference) equal one of ``wanted``; each row once.

        Uses the key's order, an index on the shelf (built on first use), or the database's own; complete always.
        """
        ...

    def parse(self, table: Table, column: str, text: str) -> Value:
        """A value typed by a person. UsageError when the column cannot hold it."""
        ...

    def plain(self, value: Value) -> Any:
        """The value for JSON: null, bool, number, string, list, object; extended JSON for BSON's own types."""
        ...

    def fingerprint(self, table: Table) -> str:
        """Changes whenever columns, types or key of the table do: tells schema drift between two books."""
        ...


@runtime_checkable
class Estimating(Protocol):
    """Optional power of a LiveBook: how many rows there are, at once, however many."""

    def about(self, table: Table) -> tuple[int, bool]:
        """(rows, whether they were counted): small tables are counted, of large ones it is an estimate."""
        ...


@dataclass(frozen=True, slots=True)
class Retyped:
    """Rows as columns hold them now; ``lost``: by the number of a row, why they would not hold the same."""

    rows: Sequence[Row]
    lost: Mapping[int, str] = field(default_factory=dict)


@runtime_checkable
class Retyping(Protocol):
    """Optional power of a LiveBook: a column may have another type by now."""

    def retyped(self, was: Table, now: Table, rows: Sequence[Row]) -> Retyped:
        """``rows`` of ``was`` as columns of ``now`` would hold them, if nothing is lost; type "?" may have been any."""
        ...


@runtime_checkable
class Telling(Protocol):
    """Optional power of a Book: rows for readers of JSON. Where a book has it not, ``plain`` tells each value."""

    def told(self, table: Table, row: Row, *, exact: bool = False) -> dict[str, Any]:
        """Columns (or paths) with numbers, flags, lists and documents wherever nothing is lost by that.

        ``exact``: so that rows that differ in any way are told differently.
        """
        ...


@dataclass(frozen=True, slots=True)
class Typed:
    """A value as it stands in a condition; ``quoted``: in quotes, so that it is a text where that matters."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """One comparison: ``values`` gives what a row has in a column (None: NULL), comparable with ``wanted``."""

    values: Callable[[Row], Iterable[Any]]
    wanted: Any


@runtime_checkable
class Judging(Protocol):
    """Optional power of a Book: conditions judged as the database would, where values do not compare as they are."""

    def judged(self, table: Table, name: str, typed: Typed, *, ordered: bool) -> Judged | None:
        """For a column or path and a typed value; None: the values compare by themselves.

        UsageError when the column cannot hold the value, or (``ordered``) when nobody but the server knows its order.
        """
        ...

    def elements(self, table: Table, name: str) -> Callable[[Row], Iterable[Value]] | None:
        """What a path into a column that is an array leads to; None: paths lead into JSON."""
        ...


@runtime_checkable
class Comparing(Protocol):
    """Optional power of a Book: rows stored in the same bytes in another book of the same kind cancel unread."""

    def rows_not_shared(self, table: Table, other: Book) -> Iterator[Row]:
        """At least every row of ``table`` that ``other`` does not hold in the very same bytes."""
        ...


@runtime_checkable
class Mirroring(Comparing, Protocol):
    """Comparing in pairs: what one of two books of this kind leaves out is exactly what the other leaves out.

    A key that only one of them then gives is a row that only one of them has; nobody has to look it up.
    """

    @property
    def mirrors(self) -> bool:
        """True."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """All rows of a table as text: ``blocks`` of whole lines, each line one row, equal where rows are.

    ``meaning``: lines of two books may be compared where it is the same. ``decoded`` gives the rows of some lines.
    """

    meaning: Hashable
    blocks: Generator[bytes, None, None]
    decoded: Callable[[bytes], Iterator[Row]]


@runtime_checkable
class Textual(Protocol):
    """Optional power of a Book: rows that need not be decoded to be told apart."""

    def lines(self, table: Table) -> Lines | None:
        """All rows of ``table``; None where they cannot be had so."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyText:
    """Rows as PostgreSQL's COPY writes them, UTF-8: ``read(offset, length)`` gives any stretch of ``size`` bytes.

    ``columns`` in the order of the fields. ``read`` is safe from any thread.
    """

    columns: tuple[str, ...]
    size: int
    read: Callable[[int, int], bytes]


@runtime_checkable
class Tabular(Protocol):
    """Optional power of a Book: rows that lie there as text, for engines that read it faster than rows are decoded."""

    def copy_text(self, table: Table) -> Sequence[CopyText]:
        """All rows of ``table`` in one or several parts; empty where they cannot be had so."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One row to be written: ``verb`` "insert", "update" (by the table's key; ``columns`` only) or "delete".

    ``expect``: the row as it must be now, else the whole transaction fails (conflict); None: not checked.
    """

    verb: str
    table: str
    row: Row
    columns: tuple[str, ...] = ()
    expect: Row | None = None


class LiveTransaction(Protocol):
    """Reads and writes of one transaction; nothing is visible to others before the context ends well."""

    def find(
        self, table: Table, columns: tuple[str, ...], wanted: Collection[Key], *, lock: bool = False
    ) -> Iterator[Row]:
        """As Book.find, within the transaction; ``lock``: nobody else changes these rows until it ends."""
        ...

    def write(self, writes: Sequence[Write]) -> int:
        """Do them in this order, in bulk where they allow; rows the server counted. TargetError names table and row."""
        ...

    def defer_constraints(self) -> None:
        """Check deferrable constraints at the end only."""
        ...

    def next_id(self, table: Table, column: str, count: int) -> list[Value]:
        """Fresh values of the sequence, identity, or the kind's own making (ObjectId, UUID by the column's type)."""
        ...

    def advance_sequences(self, table: Table) -> None:
        """No sequence of the table may give a value that was written here; rows of others move none."""
        ...

    def affected(self) -> Mapping[str, tuple[int, int, int]]:
        """Rows inserted, updated, deleted by table so far in this transaction, cascades and triggers included."""
        ...


class LiveBook(Book, Protocol):
    """The application itself, at one consistent point for reading."""

    def transaction(self) -> AbstractContextManager[LiveTransaction]:
        """Begin one; commits at the end of the context, rolls back on any exception."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Exposed(Protocol):
    """Optional power of a LiveBook: others may see what its transactions write before they end."""

    @property
    def exposes(self) -> bool:
        """Whether they do: the server knows no transactions, so nothing may be written that is not meant to stay."""
        ...


@runtime_checkable
class Recorded(Protocol):
    """Power of a Source whose snapshots hold rows."""

    def open_snapshot(self, view: SnapshotView) -> AbstractContextManager[Book]:
        """Look into a snapshot of this kind; no connection to the application is made."""
        ...

    def open_live(self) -> AbstractContextManager[LiveBook]:
        """The application itself. SourceError when it cannot be reached."""
        ...

    def of_rows(self, book: Book, rows: Mapping[str, Sequence[Row]]) -> Source:
        """A source whose capture holds just these rows of ``book``, in this kind's own snapshot form.

        What makes snapshots of one entity, of rows about to be touched, of what a guard kept, and of imports.
        """
        ...
