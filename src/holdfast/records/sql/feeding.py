"""One table of a book as text columns for DuckDB; documents get columns from the fields that are seen first."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from holdfast.model.records import Row, Table
from holdfast.records.sql.arrow import Batch, TextStream
from holdfast.records.sql.types import AS_TEXT, Cast, cast_of
from holdfast.sources.records import Book, CopyText, Tabular

DOCUMENT = "_document"

_BATCH = 4096
_SAMPLE = 1000
_KINDS: dict[str, str] = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "$date": "TIMESTAMPTZ",
                          "$numberLong": "BIGINT", "$numberInt": "BIGINT", "$numberDouble": "DOUBLE",
                          "dict": "JSON", "list": "JSON"}  # fmt: skip
_TEXTUAL = frozenset(("str", "$oid", "$uuid", "$symbol"))


@dataclass(slots=True)
class Feed:
    """``casts`` by column, in order; ``notes``: what a person must know. ``lock``: one thread at a time reads."""

    book: Book
    table: Table
    lock: RLock
    casts: dict[str, Cast] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stream: TextStream | None = None
    decoded: bool = False

    def describe(self) -> None:
        """Find out the columns."""
        if not self.casts:
            self.casts = dict(self._of_documents() if not self.table.columns else self._of_columns())

    def copied(self) -> Sequence[CopyText]:
        """The rows as stored text where that can be read as it is; empty: they must be decoded.

        A table of one column is not: an empty line would be no row.
        """
        if self.decoded or not isinstance(self.book, Tabular) or len(self.casts) < 2:
            return ()
        texts = self.book.copy_text(self.table)
        return texts if all(set(text.columns) == set(self.casts) for text in texts) else ()

    def open(self) -> TextStream:
        """The rows decoded, read anew for every scan."""
        self.stream = TextStream(list(self.casts), self._batches)
        return self.stream

    def as_text(self, column: str) -> None:
        """Values were found that do not fit."""
        self.notes.append(f"{self.table.name}.{column} holds values that are no {self.casts[column].type}: text here")
        self.casts[column] = AS_TEXT

    def _of_columns(self) -> Iterator[tuple[str, Cast]]:
        for column in self.table.columns:
            if column.generated:
                self.notes.append(f"{self.table.name}.{column.name} is generated, and not kept in snapshots")
                continue
            cast = cast_of(column)
            if cast.note:
                self.notes.append(f"{self.table.name}.{column.name}: {cast.note}")
            yield column.name, cast

    def _of_documents(self) -> Iterator[tuple[str, Cast]]:
        kinds: dict[str, set[str]] = {}
        with self.lock:
            for row in itertools.islice(self.book.rows(self.table), _SAMPLE):
                for name, value in row.values.items():
                    kinds.setdefault(name, set()).add(_kind(self.book.plain(value)))
        if "" in kinds:
            kinds.pop("")  # no column of SQL can be called so
            self.notes.append(f"{self.table.name} has a field without a name: it is in {DOCUMENT} only")
        for name, seen in kinds.items():
            types = {_KINDS.get(kind, "") for kind in seen - {"NoneType"}}
            if types == {"BIGINT", "DOUBLE"}:
                types = {"DOUBLE"}
            if len(types) > 1 or (types == {""} and not seen <= _TEXTUAL | {"NoneType"}):
                self.notes.append(f"{self.table.name}.{name} holds values of several types: text here")
            kind = types.pop() if len(types) == 1 else ""
            yield name, Cast(kind, f"{{0}}::{kind}") if kind else AS_TEXT
        if DOCUMENT not in kinds:
            yield DOCUMENT, Cast("JSON", "{0}::JSON")
        told = f"columns are the fields of its first {_SAMPLE:,} documents; {DOCUMENT} holds all of each"
        self.notes.append(f"{self.table.name}: {told}")

    def _batches(self) -> Iterator[Batch]:
        with self.lock:
            rows = self.book.rows(self.table)
        names = list(self.casts)
        while True:
            with self.lock:
                batch = list(itertools.islice(rows, _BATCH))
                if not batch:
                    return
                told = [self._column(name, batch) for name in names]
            yield told

    def _column(self, name: str, rows: list[Row]) -> list[str | None]:
        if name == DOCUMENT and not self.table.columns:
            return [json.dumps({key: self.book.plain(value) for key, value in row.values.items()}) for row in rows]
        return [self._text(row.values.get(name)) for row in rows]

    def _text(self, value: Any) -> str | None:
        if value is None or type(value) is str:
            return value
        if isinstance(value, bytes):
            return "\\x" + value.hex()
        if isinstance(value, bool):
            return "true" if value else "false"
        if type(value) in (int, float):
            return repr(value)
        return _told(self.book.plain(value))


def _kind(plain: Any) -> str:
    """The type of a value: ``$date`` and the like where extended JSON writes it so."""
    if isinstance(plain, Mapping) and len(plain) == 1:
        name = str(next(iter(plain)))
        if name.startswith("$"):
            return name
    return type(plain).__name__


def _told(plain: Any) -> str | None:
    kind = _kind(plain)
    if kind.startswith("$"):
        inner = next(iter(plain.values()))
        return inner if isinstance(inner, str) else json.dumps(inner)
    if plain is None or isinstance(plain, str):
        return plain
    return json.dumps(plain)
