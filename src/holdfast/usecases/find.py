"""Find rows in a snapshot by key or by column, without restoring it; and tell which snapshots have them otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.records import Row, Table
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.records.naming import asked, table_named
from holdfast.records.telling import told_key, told_row
from holdfast.records.where import parse_where
from holdfast.records.where.choosing import chosen
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.records import Book
from holdfast.usecases.looking import Library, open_library

SourceOf = Callable[[SnapshotInfo], Source]
"""The source that reads the snapshots of this kind and name."""

_LOOKED_INTO = 8
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FindOrder:
    """``words``: a key, or ``column=value`` each; or ``where``, a condition (docs/records.md). ``limit``: of rows."""

    snapshot: str
    item: str
    words: tuple[str, ...] = ()
    where: str | None = None
    limit: int | None = None
    source: SourceOf
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class FindResult:
    """``rows`` as JSON values. ``elsewhere``: where nothing was found, the nearest snapshots that have it.

    ``looked_into``: how many snapshots were asked for that; ``more``: there are rows beyond the limit.
    """

    snapshot: SnapshotInfo
    item: str
    key: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    more: bool = False
    elsewhere: list[SnapshotInfo] = field(default_factory=list)
    looked_into: int = 0
    seconds: float = 0.0


def find(repository: Repository, order: FindOrder) -> FindResult:
    """The rows asked for. UsageError for an unknown snapshot, table, column, or a value the column cannot hold."""
    started = time.monotonic()
    if bool(order.words) == (order.where is not None):
        raise UsageError("say which rows: a key, column=value, or --where", hint="holdfast find --help")
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    info = names.one(order.snapshot, [entry.info for entry in entries.values()])
    near = _nearest(info, [entry for entry in entries.values() if entry.info.source == info.source])
    with open_library(repository, [entries[info.id], *near], report=order.report) as library:
        with library.open(entries[info.id], order.source(info)) as book:
            result = _look(book, info, order)
        if not result.rows and order.words:
            _look_elsewhere(library, near, order, result)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _look(book: Book, info: SnapshotInfo, order: FindOrder) -> FindResult:
    table = table_named(book, order.item)
    result = FindResult(snapshot=info, item=table.name, key={})
    if order.where is not None:
        _take(book, table, chosen(book, table, parse_where(order.where)), order, result)
        return result
    for question in asked(book, table, order.words):
        if not result.key:
            result.key = told_key(book, table, question.columns, question.key)
        _take(book, table, book.find(table, question.columns, [question.key]), order, result)
        if result.rows:
            result.key = told_key(book, table, question.columns, question.key)
            break
    return result


def _take(book: Book, table: Table, rows: Iterator[Row], order: FindOrder, result: FindResult) -> None:
    for row in rows:
        if order.limit is not None and len(result.rows) >= order.limit:
            result.more = True
            return
        result.rows.append(told_row(book, table, row))


def _nearest(info: SnapshotInfo, entries: list[SnapshotEntry]) -> list[SnapshotEntry]:
    """The snapshots of the same source around one, nearest in the order of their data first."""
    by_id = {entry.info.id: entry for entry in entries}
    entries = [by_id[each.id] for each in names.by_data_time(entry.info for entry in entries)]
    at = next(number for number, entry in enumerate(entries) if entry.info.id == info.id)
    others = [(abs(number - at), -number, entry) for number, entry in enumerate(entries) if number != at]
    return [entry for _, _, entry in sorted(others, key=lambda each: each[:2])][:_LOOKED_INTO]


def _look_elsewhere(library: Library, near: list[SnapshotEntry], order: FindOrder, result: FindResult) -> None:
    """A cheap look only: a few snapshots, and not for long."""
    until = time.monotonic() + _PATIENCE
    for entry in near:
        if time.monotonic() > until:
            return
        result.looked_into += 1
        try:
            with library.open(entry, order.source(entry.info)) as book:
                if _look(book, entry.info, order).rows:
                    result.elsewhere.append(entry.info)
        except HoldfastError:
            continue  # another kind, without that table, or damaged: it cannot tell
