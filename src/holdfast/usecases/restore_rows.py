"""Bring chosen rows back into the living application: look, protect, write in one transaction, read back."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from holdfast.entities.applying import apply, require_nothing_else
from holdfast.model.errors import TargetError, UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import new_id, short
from holdfast.model.records import Difference, Key, Row, Table
from holdfast.model.secret import split_password
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.records.naming import keys_of, table_named
from holdfast.records.preview import Fate, RowPreview, Wish, preview
from holdfast.records.where import parse_where
from holdfast.records.where.choosing import chosen
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.records import Book, Exposed, LiveBook, Retyped, Retyping
from holdfast.usecases.find import SourceOf
from holdfast.usecases.looking import Library, open_library, open_live
from holdfast.usecases.row_protection import Protection, kept_only_if_committed, protect_rows
from holdfast.usecases.settling import Settle, anything, of_rows

_MOST = 200_000
_NAMED = 5
_AT_MOST_TRIED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsOrder:
    """Rows of ``item`` by ``keys`` or ``where`` (one of them), into ``target``'s application.

    ``overwrite`` replaces rows that differ; otherwise they are left alone. ``skip_blocked``: go on without those that
    cannot be written. ``to``: place of the target when it is not the configured one. ``source`` reads snapshots.
    """

    snapshot: str
    item: str
    keys: tuple[str, ...] = ()
    where: str | None = None
    overwrite: bool = False
    skip_blocked: bool = False
    drop_columns: bool = False
    source: SourceOf
    target: Callable[[SnapshotInfo], Source]
    to: str | None = None
    dry_run: bool = False
    created_by: str = ""
    report: Reporter = silent
    run: str = field(default_factory=new_id)
    settle: Settle = anything


@dataclass(slots=True, kw_only=True)
class RowsResult:
    """``rows`` with their fate; ``documents``: the same as JSON values. ``undo``: the snapshot ``undo RUN`` uses.

    ``not_found``: keys that were asked for and are not in the snapshot, as JSON values.
    ``warnings``: what else the database did along with it; ``refusals``: what it refused to a dry run.
    """

    run: str
    snapshot: SnapshotInfo
    newest: SnapshotInfo | None
    target: str
    table: str
    dry_run: bool
    rows: list[RowPreview] = field(default_factory=list)
    documents: list[dict[str, object]] = field(default_factory=list)
    not_found: list[dict[str, object]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    undo: str | None = None
    seconds: float = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """Rows by fate; every fate is there."""
        found = Counter(row.fate for row in self.rows)
        return {fate.value: found[fate] for fate in Fate}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What the snapshots told."""

    entry: SnapshotEntry
    book: Book
    table: Table
    rows: list[Row]
    not_found: list[Key]
    newest: tuple[Book, Table] | None


def restore_rows(repository: Repository, order: RowsOrder) -> RowsResult:
    """Carry out ``order``. TargetError when rows are blocked (unless ``skip_blocked``); then nothing was changed."""
    started = time.monotonic()
    if bool(order.keys) == (order.where is not None):
        raise UsageError("say which rows: --keys or --where", hint="one of them")
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    infos = [entry.info for entry in entries.values()]
    info = names.one(order.snapshot, infos, across_sources=False)
    newest = names.newest_good(infos, info.source)
    newest = newest if newest is not None and newest.id != info.id and newest.kind == info.kind else None
    opened = [entries[each.id] for each in (info, newest) if each is not None]
    source = order.target(info)
    with (
        open_library(repository, opened, report=order.report) as library,
        contextlib.ExitStack() as stack,
    ):
        looked = _look(library, stack, opened, order)
        result = RowsResult(
            run=order.run, snapshot=info, newest=newest, target=source.url, table=looked.table.name,
            dry_run=order.dry_run,
            not_found=[
                {name: looked.book.plain(value) for name, value in zip(looked.table.key, key, strict=True)}
                for key in looked.not_found
            ],
        )  # fmt: skip
        with open_live(source) as live:
            _carry_out(repository, order, source, live, looked, result)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _look(library: Library, stack: contextlib.ExitStack, opened: list[SnapshotEntry], order: RowsOrder) -> _Looked:
    books = [stack.enter_context(library.open(entry, order.source(entry.info))) for entry in opened]
    book = books[0]
    table = table_named(book, order.item)
    keys = keys_of(book, table, order.keys) if order.where is None else []
    rows = list(itertools.islice(_chosen(book, table, order, keys), _MOST + 1))
    if len(rows) > _MOST:
        raise UsageError(
            f"more than {_MOST:,} rows of {table.name} were chosen", hint="restore the whole table: --in-place --only …"
        )
    if not rows:
        raise UsageError(
            f"no row of {table.name} in snapshot {short(opened[0].info.id)} is meant by that",
            hint=f"look first: holdfast find {short(opened[0].info.id)} {table.name} …",
        )
    newest = (books[1], books[1].tables[table.name]) if len(books) > 1 and table.name in books[1].tables else None
    missing = _missing(table, keys, rows)
    return _Looked(entry=opened[0], book=book, table=table, rows=rows, not_found=missing, newest=newest)


def _chosen(book: Book, table: Table, order: RowsOrder, keys: list[Key]) -> Iterator[Row]:
    if order.where is not None:
        return chosen(book, table, parse_where(order.where))
    return book.find(table, table.key, keys)


def _missing(table: Table, keys: list[Key], rows: list[Row]) -> list[Key]:
    """Keys that no row has."""
    there = {row.key(table.key) for row in rows}
    return [key for key in keys if key not in there]


def _carry_out(
    repository: Repository, order: RowsOrder, source: Source, live: LiveBook, looked: _Looked, result: RowsResult
) -> None:
    if looked.table.name not in live.tables:
        raise TargetError(
            f"there is no table {looked.table.name} any more",
            where=source.url,
            hint=f"bring it back whole: holdfast restore {short(looked.entry.info.id)} --in-place"
            f" --only {looked.table.name}",
        )
    now = live.tables[looked.table.name]
    found = live.retyped(looked.table, now, looked.rows) if isinstance(live, Retyping) else Retyped(looked.rows)
    wish = Wish(
        rows=found.rows, lost=found.lost, source=looked.table, target=now, live=live, newest=looked.newest,
        overwrite=order.overwrite, drop_columns=order.drop_columns,
    )  # fmt: skip
    if order.dry_run:
        result.rows = preview(wish, live.find)
        result.documents = [_document(live, looked.book, wish, row) for row in result.rows]
        order.settle(_sum(result))
        _try(live, result, skip=order.skip_blocked)
        return
    with kept_only_if_committed(repository, lambda: result.undo), live.transaction() as transaction:

        def locked(table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
            return transaction.find(table, columns, wanted, lock=table.name == wish.target.name)

        result.rows = preview(wish, locked)
        result.documents = [_document(live, looked.book, wish, row) for row in result.rows]
        _refuse_blocked(result, skip=order.skip_blocked)
        order.settle(_sum(result))
        if not (changes := _changes(result)):
            return
        applied = apply(live, transaction, changes)
        result.warnings = require_nothing_else(transaction, applied)
        protection = Protection(
            name=looked.entry.info.source, source=source, book=live, changes=applied.changes, run=order.run,
            what=f"rows of {result.table} from {short(looked.entry.info.id)}", to=_printable(order.to),
            created_by=order.created_by, report=order.report,
        )  # fmt: skip
        result.undo = protect_rows(repository, protection).id


class _Tried(Exception):
    """Ends the transaction of a dry run."""


def _try(live: LiveBook, result: RowsResult, *, skip: bool) -> None:
    """Write it and take it back, if it is not very much: only the database knows all that it refuses, or does too."""
    changes = _changes(result)
    stopped = not skip and any(row.fate is Fate.BLOCKED for row in result.rows)
    if not changes or stopped or len(changes) > _AT_MOST_TRIED or (isinstance(live, Exposed) and live.exposes):
        return
    try:
        with contextlib.suppress(_Tried), live.transaction() as transaction:
            result.warnings = require_nothing_else(transaction, apply(live, transaction, changes))
            raise _Tried
    except TargetError as error:
        result.refusals.append(": ".join(filter(None, (error.what, error.why))))


def _changes(result: RowsResult) -> list[Difference]:
    return [change for change in (row.difference() for row in result.rows) if change is not None]


def _sum(result: RowsResult) -> str:
    return of_rows((f"{each.fate.value} {each.table}", each.now, each.after) for each in result.rows)


def _refuse_blocked(result: RowsResult, *, skip: bool) -> None:
    blocked = [row for row in result.rows if row.fate is Fate.BLOCKED]
    if blocked and not skip:
        told = [f"{','.join(map(str, row.key))}: {row.reason}" for row in blocked[:_NAMED]]
        raise TargetError(
            f"{len(blocked)} of {len(result.rows)} rows cannot be written, so nothing was changed",
            where=f"{result.target} {result.table}",
            why="; ".join(told),
            hint="--skip-blocked restores the others; --dry-run shows all",
        )


def _document(live: Book, book: Book, wish: Wish, row: RowPreview) -> dict[str, object]:
    """One row as JSON values, the three states side by side."""
    newest = wish.newest[0] if wish.newest is not None else live
    columns = wish.target.key
    return {
        "key": {name: live.plain(value) for name, value in zip(columns, row.key, strict=False)},
        "fate": row.fate.value,
        "reason": row.reason,
        "snapshot": _plain(book, row.snapshot),
        "now": _plain(live, row.now),
        "newest": _plain(newest, row.newest),
    }


def _plain(book: Book, row: Row | None) -> dict[str, object] | None:
    return None if row is None else {name: book.plain(value) for name, value in row.values.items()}


def _printable(place: str | None) -> str | None:
    return split_password(place)[0] if place is not None else None
