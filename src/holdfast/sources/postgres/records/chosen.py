"""A source of chosen rows: table items like those of any snapshot, with the definitions of the database beside them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from holdfast.model.errors import HoldfastError, MissingTool, UsageError
from holdfast.model.records import Row, Table
from holdfast.model.snapshot import Notes
from holdfast.sources.base import (
    Capture,
    CaptureNotes,
    CaptureRequest,
    Cut,
    Finding,
    Piece,
    PieceResult,
    RestoreRequest,
    Source,
    Target,
)
from holdfast.sources.exchanging import Lined
from holdfast.sources.postgres.items import DEFINITIONS, KIND_DEFINITIONS, KIND_TABLE
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.opening import Options
from holdfast.sources.postgres.records.definitions_now import DefinitionsNow
from holdfast.sources.postgres.records.live_book import PostgresLiveBook
from holdfast.sources.postgres.records.snapshot_book import SnapshotBook
from holdfast.sources.postgres.records.text import Form
from holdfast.sources.records import Book

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_SMALL = 128 << 10
_STRETCH = 4 << 20
_LINED = 2 << 20
_MANY = 10_000
_GUARDS = {"token": "", "token_xid": 0, "flushed": False}
_NOT_OURS = ("wish", "round", "sampled", "read_in_full_because", "not_protected")


class Configured(Source, Protocol):
    """A source of this kind with what it was configured with."""

    @property
    def options(self) -> Options:
        """Connection and wishes."""
        ...


class ChosenRows:
    """Source (sources.base) of ``rows`` of ``book``; what it is called and where it stands are the database's own."""

    kind = "postgres"

    def __init__(self, source: Configured, book: Book, rows: Mapping[str, Sequence[Row]]) -> None:
        unknown = [name for name in rows if name not in book.tables]
        if unknown:
            raise UsageError(f"there is no table {', '.join(unknown)}", hint="it has " + ", ".join(book.tables))
        self._source = source
        self._book = book
        self._rows = {book.tables[name].name: held for name, held in rows.items()}

    @property
    def url(self) -> str:
        """Where the rows come from."""
        return self._source.url

    @contextmanager
    def capture(self, request: CaptureRequest) -> Iterator[Capture]:
        """The rows, and the definitions as they are now (of a snapshot: as they were)."""
        with ExitStack() as stack:
            notes, definitions = self._surroundings(request, stack)
            yield _Chosen(self._book, self._rows, notes, definitions)

    def target(self, request: RestoreRequest) -> Target:
        """That of the database."""
        return self._source.target(request)

    def examine(self) -> list[Finding]:
        """Nothing to examine."""
        return []

    def _surroundings(self, request: CaptureRequest, stack: ExitStack) -> tuple[Notes, _Definitions]:
        """Facts of the server, and its definitions."""
        if isinstance(self._book, SnapshotBook):
            item = self._book.item(DEFINITIONS)
            if item is None or not item.segments:
                return dict(self._book.notes), _Definitions()
            blocks = self._book.content.blocks
            whole = (block for segment in item.segments for block in blocks(segment))
            made = Piece(item=DEFINITIONS, kind=KIND_DEFINITIONS, cut=Cut.WHOLE, blocks=whole, item_notes=item.notes)
            return dict(self._book.notes), _Definitions(made)
        try:
            live = self._book if isinstance(self._book, PostgresLiveBook) else PostgresLiveBook(
                self._source.options.conninfo
            )
        except HoldfastError as error:
            return {"encoding": "UTF8"}, _Definitions(missing=f"definitions ({error.what})")
        if live is not self._book:
            stack.callback(live.close)
        notes = live.facts()
        try:
            now = stack.enter_context(DefinitionsNow(live, self._source.options, request.previous))
        except MissingTool as error:
            return notes, _Definitions(missing=f"definitions ({error.what})")
        return notes, _Definitions(now.piece)


@dataclass(frozen=True, slots=True)
class _Definitions:
    piece: Piece | None = None
    missing: str = ""


@dataclass(slots=True)
class _Chosen:
    """Capture (sources.base) of rows that are in memory."""

    book: Book
    rows: Mapping[str, Sequence[Row]]
    notes: Notes
    definitions: _Definitions
    ordered: bool = False
    estimate: int | None = None

    def opening_notes(self) -> Notes:
        """See Capture: nothing of this may be kept unread by anybody."""
        kept = {name: value for name, value in self.notes.items() if name not in _NOT_OURS}
        return {**kept, **_GUARDS}

    def lanes(self) -> Sequence[Iterator[Piece]]:
        """See Capture."""
        return [self._pieces()]

    def finish(self) -> CaptureNotes:
        """See Capture."""
        missing = [self.definitions.missing] if self.definitions.missing else []
        version = self.notes.get("server_version")
        return CaptureNotes(
            notes=self.opening_notes(), not_protected=missing,
            origin=f"rows of PostgreSQL {version}" if version else "rows",
        )

    def _pieces(self) -> Iterator[Piece]:
        encoding = str(self.notes.get("encoding", "UTF8"))
        raw = "latin-1" if encoding == "SQL_ASCII" else "utf-8"
        for name, rows in self.rows.items():
            table = self.book.tables[name]
            names = [column.name for column in table.columns if not column.generated]
            types = [column.type for column in table.columns if not column.generated]
            form = Form.of(names, types, encoding)
            item = _label(self.book, name).encode(raw, "surrogateescape")
            yield from _table_pieces(item, self._notes_of(table), form, rows)
        if self.definitions.piece is not None:
            yield self.definitions.piece

    def _notes_of(self, table: Table) -> Notes:
        notes = notes_of(table, self.book)
        roots = getattr(self.book, "roots", {})
        root = roots.get(table.name)
        if root is not None:
            notes.update(partition_of=_label(self.book, root), root=notes_of(self.book.tables[root], self.book))
        return notes


def notes_of(table: Table, book: Book) -> Notes:
    """What a snapshot says of a table, from what a book knows of it."""
    kept = [one for one in table.columns if not one.generated]
    computed = [one for one in table.columns if one.generated]
    return {
        "columns": [one.name for one in kept], "types": [one.type for one in kept], "key": list(table.key),
        "generated": [one.name for one in computed], "generated_types": [one.type for one in computed],
        "not_null": [one.name for one in table.columns if not one.nullable],
        "unique": [list(columns) for columns in table.unique], "sequences": dict(table.sequences), "identity": {},
        "references": [
            {"name": one.name, "columns": list(one.columns), "to": _label(book, one.to),
             "to_columns": list(one.to_columns), "on_delete": one.on_delete, "deferrable": one.deferrable}
            for one in book.references if one.table == table.name
        ],
        "oid": 0, "filenode": 0, "signature": "", "persistence": "p", "size": 0, "method": "heap",
        "partition_of": None, "inherits": False,
    }


def _label(book: Book, name: str) -> str:
    """What the server calls a table; a book of another kind names no schema."""
    labels: Mapping[str, str] = getattr(book, "labels", {})
    if not labels and "." not in name:
        return f"public.{name if _PLAIN.fullmatch(name) else quote(name)}"
    return labels.get(name, name)


def _table_pieces(item: bytes, notes: Notes, form: Form, rows: Sequence[Row]) -> Iterator[Piece]:
    if len(rows) > _MANY:
        parts = _lined(form, rows) if isinstance(rows, Lined) else _batches(form, rows)
        for order, (count, data) in enumerate(parts):
            result = PieceResult(rows=count)
            yield Piece(
                item=item, kind=KIND_TABLE, order=order, key=f"rows-{order}", cut=Cut.ROWS, blocks=[data],
                item_notes=notes, result=lambda done=result: done,  # type: ignore[misc]
            )
        return
    data = form.lines(rows)
    if not data:
        yield Piece(item=item, kind=KIND_TABLE, item_notes=notes)
        return
    cut = Cut.ROWS_STREAM if len(data) <= _SMALL else Cut.ROWS
    # in two stretches at least: a table loaded in one may be truncated first, which partitioned ones do not take
    size = len(data) if len(data) <= _SMALL else min(_STRETCH, len(data) // 2)
    begin, order = 0, 0
    while begin < len(data):
        end = data.find(b"\n", min(begin + size, len(data)) - 1) + 1
        stretch = data[begin:end]
        result = PieceResult(rows=stretch.count(b"\n"))
        yield Piece(
            item=item, kind=KIND_TABLE, order=order, key=f"rows-{order}", cut=cut, blocks=[stretch],
            item_notes=notes, result=lambda done=result: done,  # type: ignore[misc]
        )
        begin, order = end, order + 1


def _batches(form: Form, rows: Iterable[Row]) -> Iterator[tuple[int, bytes]]:
    """Many rows, which need not be in memory: an import keeps them on disk."""
    waiting = iter(rows)
    while batch := list(itertools.islice(waiting, _MANY // 2)):
        yield len(batch), form.lines(batch)


def _lined(form: Form, rows: Lined) -> Iterator[tuple[int, bytes]]:
    """Rows that lie there as lines, as they are, a stretch at a time."""
    count, size, parts = 0, 0, list[bytes]()
    for each in rows.stretches():
        number, data = (1, form.lines([each])) if isinstance(each, Row) else (each[0], form.encoded(each[1]))
        count, size = count + number, size + len(data)
        parts.append(data)
        if size >= _LINED:
            yield count, b"".join(parts)
            count, size, parts = 0, 0, []
    if parts:
        yield count, b"".join(parts)
