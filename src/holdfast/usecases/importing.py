"""Make snapshots of what other systems backed up: files, folders of them, and tables applications kept them in."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.exchange import finding, old_tables
from holdfast.exchange.finding import Unpack
from holdfast.exchange.reading import instant_of_id
from holdfast.exchange.records import Form, Origin, Reader, Record
from holdfast.exchange.spool import Spool
from holdfast.exchange.taking import PaperBook, Schema, Taker, Wanted
from holdfast.model.errors import HoldfastError, SourceError, UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import new_id
from holdfast.model.records import Row, Table
from holdfast.model.snapshot import Notes, SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.exchanging import Interchange
from holdfast.sources.records import Book, Recorded
from holdfast.usecases import as_it_came
from holdfast.usecases.backup import BackupRequest, backup, newest_whole
from holdfast.usecases.exporting import interchange_of
from holdfast.usecases.looking import open_book, open_live

TRIGGER = "import"
_EXAMPLES = 200
_Parts = Iterable[tuple[Reader, Origin]] | str
"""How to read the parts of a backup, or why it holds none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """``path`` of a file or folder, or ``database`` whose tables are read; into snapshots of ``source``, by ``name``.

    ``renamed``: the file's tables -> ours, "" leaves one out; ``only``: these of them.
    ``unpack`` makes a script of a custom archive. ``again``: also what was imported before.
    """

    name: str
    source: Source
    unpack: Unpack
    path: Path | None = None
    database: Source | None = None
    format: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    again: bool = False
    dry_run: bool = False
    created_by: str = ""
    report: Reporter = silent
    run: str = field(default_factory=new_id)


@dataclass(slots=True, kw_only=True)
class Imported:
    """One backup: ``snapshot`` None when it was there already, or would be made. ``rows`` by table.

    ``facts``: kept with the snapshot.
    """

    id: str
    origin: Origin
    rows: dict[str, int]
    facts: Notes = field(default_factory=dict)
    snapshot: SnapshotInfo | None = None
    skipped: str = ""


@dataclass(slots=True, kw_only=True)
class ImportResult:
    """Everything that was found, oldest first."""

    run: str
    backups: list[Imported] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A backup that was read whole and found good."""

    imported: Imported
    book: Book
    rows: dict[str, Sequence[Row]]


def import_(repository: Repository, order: ImportOrder) -> ImportResult:
    """Read everything first; only when all of it is good are snapshots made. BadFile tells the place of what is not."""
    result = ImportResult(run=order.run)
    interchange_of(order.source)
    known = {} if order.again else _known(repository, order.name)
    with contextlib.ExitStack() as stack:
        book = stack.enter_context(_schema_book(repository, order))
        ready: list[_Ready] = []
        for name, parts in _backups(order, stack):
            if isinstance(parts, str):
                result.backups.append(Imported(id=name, origin=Origin(format="table"), rows={}, skipped=parts))
                continue
            if name in known and instant_of_id(name):
                skipped = f"imported before as {known[name]}"
                result.backups.append(Imported(id=name, origin=Origin(format=""), rows={}, skipped=skipped))
                continue
            ready.append(_read(order, stack, book, name, parts, result))
        for each in ready:
            if each.imported.id in known and not each.imported.origin.is_named:
                told = f"{each.imported.id} was imported before as {known[each.imported.id]}, and says no id of its own"
                result.warnings.append(f"{told}: this is another snapshot")
            if each.imported.id in known and each.imported.origin.is_named:
                each.imported.skipped = f"imported before as {known[each.imported.id]}"
            elif not order.dry_run:
                each.imported.snapshot = _keep(repository, order, each)
            result.backups.append(each.imported)
    return result


def _known(repository: Repository, source: str) -> dict[str, str]:
    """Old ids that were imported, and the snapshots they are now."""
    return {
        str(alias): entry.info.id
        for entry in repository.snapshots()
        if entry.info.source == source and entry.info.trigger == TRIGGER
        for alias in (entry.info.more or {}).get("aliases") or ()
    }


@contextlib.contextmanager
def _schema_book(repository: Repository, order: ImportOrder) -> Iterator[Book | None]:
    """What tells columns and types: the newest whole snapshot, else the application itself, else nothing."""
    entry = next(newest_whole(repository.snapshots(), order.name, order.source.kind), None)
    if entry is not None:
        with open_book(repository, entry, order.source, report=order.report) as book:
            yield book
        return
    with contextlib.ExitStack() as stack:
        try:
            live: Book | None = stack.enter_context(open_live(order.source))
        except SourceError:
            live = None
        yield live


def _backups(order: ImportOrder, stack: contextlib.ExitStack) -> Iterator[tuple[str, _Parts]]:
    """(name, how to read its parts) of each backup."""
    if order.database is not None:
        yield from _in_database(order, stack)
        return
    assert order.path is not None  # noqa: S101 - a path or a database, one is given
    for found in finding.backups(order.path, order.format):
        yield found.name, (finding.reader_of(part, order.unpack) for part in found.parts)


def _read(
    order: ImportOrder, stack: contextlib.ExitStack, book: Book | None, name: str,
    parts: Iterable[tuple[Reader, Origin]], result: ImportResult,
) -> _Ready:  # fmt: skip
    interchange = interchange_of(order.source)
    spool = stack.enter_context(Spool(interchange.from_raw))
    schema = Schema(book.tables if book is not None else None)
    wanted = Wanted(renamed=order.renamed, only=order.only if order.database is None else ())
    taker = Taker(schema, interchange, wanted, spool, _examples(book, interchange))
    origins: list[Origin] = []
    for reader, origin in parts:
        taker.take(reader, origin)
        origins.append(origin)
        if side := finding.definitions_beside(origin.path):
            known_ones = "its indexes and options are not imported; a restore makes those the source was backed up with"
            taker.warnings[f"{side}: {known_ones}"] = None
    rows = spool.finished()
    result.warnings += [text for text in taker.warnings if text not in result.warnings]
    if not rows:
        where = origins[0].path if origins else ""
        raise UsageError("nothing of this would be imported", where=where, hint="look at --table")
    first = origins[0]
    if len(origins) > 1:
        first.id, first.path = name, str(order.path) if order.path is not None else first.path
    imported = Imported(id=first.id, origin=first, rows={name: len(each) for name, each in rows.items()})
    known = interchange.with_tables(book, rows) or PaperBook(schema)
    apart = None if taker.apart is None else (known, known.tables[taker.apart[0]], taker.apart[1])
    imported.facts = as_it_came.facts(first, taker.called, apart)
    return _Ready(imported, known, rows)


def _examples(book: Book | None, interchange: Interchange) -> Callable[[Table], Iterable[Row]]:
    """Some rows of a table, for kinds whose values tell their types themselves."""
    if book is None or not interchange.documents:
        return lambda _: ()
    return lambda table: itertools.islice(book.rows(table), _EXAMPLES)


def _keep(repository: Repository, order: ImportOrder, ready: _Ready) -> SnapshotInfo:
    assert isinstance(order.source, Recorded)  # noqa: S101 - its interchange was asked before
    source = order.source.of_rows(ready.book, ready.rows)
    request = BackupRequest(
        sources={order.name: source}, trigger=TRIGGER, created_by=order.created_by, run=order.run,
        report=order.report, partial=True, more=ready.imported.facts,
    )  # fmt: skip
    made = backup(repository, request)
    for error in made.failures.values():
        raise error
    info = made.snapshots[0]
    counted, held = sum(ready.imported.rows.values()), info.rows
    if held is not None and held != counted:  # rows of virtual tables are not counted
        held = _held(repository, order, info, ready.rows)
    if held is not None and held != counted:
        with contextlib.suppress(HoldfastError):
            repository.forget([info.id])
        raise SourceError(
            f"the snapshot holds {held:,} rows, the file {counted:,}", where=ready.imported.origin.path,
            hint="nothing was imported; please report this",
        )  # fmt: skip
    return info


def _held(repository: Repository, order: ImportOrder, info: SnapshotInfo, names: Iterable[str]) -> int:
    """How many rows the snapshot has of these tables, read one by one."""
    entry = next(each for each in repository.snapshots() if each.info.id == info.id)
    with open_book(repository, entry, order.source, report=order.report) as book:
        return sum(sum(1 for _ in book.rows(book.tables[name])) for name in names if name in book.tables)


# tables of a database


def _in_database(order: ImportOrder, stack: contextlib.ExitStack) -> Iterator[tuple[str, _Parts]]:
    assert order.database is not None  # noqa: S101 - asked before
    book = stack.enter_context(open_live(order.database))
    tables = _tables(book, order.only)
    first = next(book.rows(tables[0]), None)
    if first is None:
        raise UsageError(f"table {tables[0].name} is empty", where=order.database.url)
    if len(tables) > 1 or not old_tables.is_backup(_plain(book, first)):
        yield "", [(_TableReader(book, table), Origin(format="table", path=order.database.url)) for table in tables]
        return
    for row in book.rows(tables[0]):
        plain = _plain(book, row)
        found = old_tables.reader_of(plain, tables[0].name)
        if why := old_tables.passed_over(plain):
            yield old_tables.id_of(plain), why
        elif found is not None:
            yield found[1].id, [found]


def _tables(book: Book, only: Sequence[str]) -> list[Table]:
    if only:
        unknown = [name for name in only if name not in book.tables]
        if unknown:
            raise UsageError(f"the database has no table {unknown[0]!r}", hint=f"it has {', '.join(book.tables)}")
        return [book.tables[name] for name in only]
    likely = [table for name, table in book.tables.items() if "backup" in name.lower()]
    if len(likely) != 1:
        raise UsageError(
            "which table holds the backups is not told", why=f"tables: {', '.join(list(book.tables)[:20])}",
            hint="say it: --table NAME",
        )  # fmt: skip
    return likely


def _plain(book: Book, row: Row) -> dict[str, Any]:
    return {name: book.plain(value) for name, value in row.values.items()}


class _TableReader:
    """The rows of a living table as records."""

    def __init__(self, book: Book, table: Table) -> None:
        self._book = book
        self._table = table
        self._number = 0

    def place(self) -> str:
        return f"table {self._table.name}, row {self._number:,}"

    def records(self, origin: Origin) -> Iterator[Record]:
        origin.tables[self._table.name] = tuple(c.name for c in self._table.columns if not c.generated)
        generated = {column.name for column in self._table.columns if column.generated}
        for row in self._book.rows(self._table):
            self._number += 1
            values = {name: value for name, value in row.values.items() if name not in generated}
            yield Record(self._table.name, values, Form.RAW if row.raw else Form.SQL, row.raw)
