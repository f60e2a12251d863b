"""The contract for formats: how rows of a kind are written for other programs, and read from what those wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from holdfast.model.records import Key, Row, Table, Value
from holdfast.sources.records import Book, SnapshotView


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """One file of a kind's own format. ``name``: its path below the folder, "" where there is one file only."""

    name: str
    blocks: Iterator[bytes]


class Interchange(Protocol):
    """How rows of one kind are written in formats that other programs read, and read from those."""

    @property
    def formats(self) -> tuple[str, ...]:
        """Formats of the kind's own tools: "sql", "pgdump", "bson"."""
        ...

    @property
    def documents(self) -> bool:
        """Rows are documents: any table may be new, any field may be there."""
        ...

    def by_example(self, table: Table, rows: Iterable[Row]) -> None:
        """Rows that are there already: what reads like a value of theirs is one. Only documents need it."""
        ...

    def with_tables(self, book: Book | None, names: Collection[str]) -> Book | None:
        """A book of the definitions of ``book`` for ``of_rows``, in which these tables are too where any may be new."""
        ...

    def told(self, table: Table, row: Row) -> Mapping[str, Any]:
        """The row as values msgspec writes as JSON (Decimal as a number, Raw as it is); ``taken`` reads them back."""
        ...

    def taken(self, table: Table, values: Mapping[str, Any]) -> Row:
        """The row that JSON values stand for (numbers as int or Decimal). UsageError where a column cannot hold one."""
        ...

    def cell(self, table: Table, column: str, value: Value) -> str | None:
        """One value as the text of a CSV cell, lists as ``jazz;live``; None is NULL."""
        ...

    def from_cell(self, table: Table, column: str, text: str) -> Value:
        """The value a cell stands for. UsageError when the column cannot hold it."""
        ...

    def from_sql(self, table: Table, column: str, literal: Any) -> Value:
        """The value of a literal (None, bool, int, Decimal, str, bytes) or of a field of COPY (str)."""
        ...

    def made(self, values: Mapping[str, Value]) -> Row:
        """The row of values that ``from_cell`` or ``from_sql`` gave."""
        ...

    def from_raw(self, raw: bytes) -> Row:
        """A document from its own bytes. UsageError when they are none, or rows of this kind have no such form."""
        ...

    def dump(self, view: SnapshotView, book: Book, format: str, tables: Sequence[Table] | None) -> Iterator[Dump]:  # noqa: A002
        """The files of ``format``; ``tables`` None: everything the snapshot holds. MissingTool, UsageError."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """``rows`` whole rows in the text of a format, each with its end."""

    rows: int
    data: bytes


@runtime_checkable
class Blockwise(Protocol):
    """Optional power of an Interchange: stored rows become text in whole blocks, the same text as row by row."""

    def csv_blocks(self, book: Book, table: Table, names: Sequence[str]) -> Iterator[Block] | None:
        """The lines of these columns, as ``cell`` and CSV have them; None where this book cannot be read so."""
        ...

    def json_blocks(self, book: Book, table: Table) -> Iterator[Block] | None:
        """A JSON object a line, as ``told`` has it, without computed columns; None likewise."""
        ...


@runtime_checkable
class Linewise(Protocol):
    """Optional power of an Interchange: fields of many rows become the lines a snapshot holds, without a row between.

    ``names``: our column of each field, None leaves it out. None is returned where anything in it must be read row by
    row: what is unusual, and what is wrong.
    """

    def lines_of_copy(self, table: Table, names: Sequence[str | None], text: str) -> str | None:
        """Of whole lines as COPY has them."""
        ...

    def lines_of_cells(self, table: Table, names: Sequence[str | None], cells: Sequence[Sequence[str]]) -> str | None:
        """Of cells column by column, as ``from_cell`` reads them; "" is NULL."""
        ...

    def rows_of_lines(self, table: Table, lines: str) -> Iterator[Row]:
        """The rows that lines mean."""
        ...

    def keys_of_lines(self, table: Table, lines: str) -> Mapping[tuple[str, ...], Sequence[Key]] | None:
        """The keys in such lines by the key's columns, those with a NULL left out; None where a row may be refused."""
        ...


@runtime_checkable
class Storing(Protocol):
    """Optional power of an Interchange: its tables tell what they could never take."""

    def refuse(self, table: Table, row: Row) -> None:
        """UsageError for a row that breaks what is known of the table: NULL, length, form."""
        ...


@runtime_checkable
class Lined(Protocol):
    """Optional power of a sequence of rows: many of them are such lines already."""

    def stretches(self) -> Iterator[tuple[int, str] | Row]:
        """(number of rows, their lines), or a single row; in order."""
        ...


@runtime_checkable
class Exchanging(Protocol):
    """Power of a Source whose rows are exported and imported."""

    def interchange(self) -> Interchange:
        """What this kind knows of formats."""
        ...
