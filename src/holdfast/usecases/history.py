"""Every version of a row over all snapshots of its source, and what changed from one to the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted, Reporter, Warned, silent
from holdfast.model.ids import short
from holdfast.model.records import Key, Row, Table
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.records.history import Sighting, Version, versions
from holdfast.records.naming import asked, table_named
from holdfast.records.telling import told_row
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.records import Book
from holdfast.usecases.find import SourceOf
from holdfast.usecases.looking import Library, open_library, open_live

_MOST = 1000
_PHASE = "look into snapshots"

Place = SnapshotInfo | None
"""Where a version was seen; None: the living application."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOrder:
    """``words``: one key, or ``column=value`` each. ``live``: finds the application, to be looked at last.

    ``newest``: so many snapshots at most, None all; ``before``: only those whose data is older than this one's.
    ``without_live``: when the application cannot be asked, go on without it and tell so.
    """

    source_name: str
    item: str
    words: tuple[str, ...]
    source: SourceOf
    live: Callable[[str], Source] | None = None
    newest: int | None = None
    before: str = ""
    without_live: bool = False
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class RowHistory:
    """One row by its key, as JSON values."""

    key: dict[str, Any]
    versions: list[Version[Place]]


@dataclass(slots=True, kw_only=True)
class HistoryResult:
    """``looked_into``: places that could be asked; ``skipped``: snapshots that could not, and why.

    ``oldest``: the oldest snapshot of those meant; ``older``: how many there are before it that were not looked into.
    ``unreached``: why the application could not be asked.
    """

    source: str
    item: str
    rows: list[RowHistory] = field(default_factory=list)
    looked_into: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    oldest: SnapshotInfo | None = None
    older: int = 0
    unreached: HoldfastError | None = None
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one snapshot or the application holds of the rows: by key, and the same as JSON."""

    place: Place
    rows: dict[Key, Row]
    plain: dict[Key, dict[str, Any]]
    keys: dict[Key, dict[str, Any]]


def history(repository: Repository, order: HistoryOrder) -> HistoryResult:
    """The versions of every row asked for. UsageError for an unknown source, table or column."""
    started = time.monotonic()
    entries, older = _meant(_in_order(repository, order.source_name), order)
    if not entries:
        known = sorted({entry.info.source for entry in repository.snapshots()})
        raise UsageError(f"there is no snapshot of a source {order.source_name!r}", why=f"known: {', '.join(known)}")
    looking = _Looking(order)
    with open_library(repository, entries, report=order.report) as library:
        first = looking.over(library, entries, keys=None)
        keys = {key for seen in first for key in seen.rows}
        # a column's value may have been another before: those who had it once are followed by their key
        seen = looking.over(library, entries, keys=keys) if keys and looking.follows else first
    result = HistoryResult(
        source=order.source_name, item=looking.item or order.item, looked_into=len(seen), skipped=looking.skipped,
        oldest=entries[0].info, older=older, unreached=looking.unreached,
    )  # fmt: skip
    if not seen and looking.refused is not None:
        raise looking.refused
    result.rows = [_history(key, seen) for key in dict.fromkeys(key for each in seen for key in each.rows)]
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _in_order(repository: Repository, source: str) -> list[SnapshotEntry]:
    """The snapshots of a source, by the time their data is of."""
    entries = {each.info.id: each for each in repository.snapshots() if each.info.source == source and _counts(each)}
    return [entries[info.id] for info in names.by_data_time(each.info for each in entries.values())]


def _meant(entries: list[SnapshotEntry], order: HistoryOrder) -> tuple[list[SnapshotEntry], int]:
    """The newest ones before a place, and how many are older still."""
    if order.before:
        known = [each.info.id for each in entries]
        if order.before not in known:
            raise UsageError(f"snapshot {short(order.before)} is not there any more", hint="begin with the newest")
        entries = entries[: known.index(order.before)]
    first = max(0, len(entries) - order.newest) if order.newest is not None else 0
    return entries[first:], first


def _counts(entry: SnapshotEntry) -> bool:
    """What a restore into another place saved is not of this application."""
    return not (entry.info.undo or {}).get("to")


def _history(key: Key, seen: list[_Seen]) -> RowHistory:
    sightings = [
        Sighting(place=each.place, row=each.rows.get(key), plain=each.plain.get(key))
        for each in seen
        # chosen rows only: that one is not among them tells nothing
        if key in each.rows or each.place is None or not each.place.partial
    ]
    told = next(each.keys[key] for each in seen if key in each.keys)
    return RowHistory(key=told, versions=versions(sightings))


class _Looking:
    """One question, asked of many books."""

    def __init__(self, order: HistoryOrder) -> None:
        self._order = order
        self.item = ""
        self.follows = False
        self._key: tuple[str, ...] = ()
        self.skipped: dict[str, str] = {}
        self.refused: UsageError | None = None
        self.unreached: HoldfastError | None = None

    def over(self, library: Library, entries: list[SnapshotEntry], *, keys: set[Key] | None) -> list[_Seen]:
        """What every snapshot holds, and the application last; by ``keys`` where they are known."""
        order, found = self._order, []
        order.report(PhaseStarted(source=order.source_name, phase=_PHASE, total=len(entries), unit="snapshots"))
        for entry in entries:
            try:
                with library.open(entry, order.source(entry.info)) as book:
                    found.append(self._look(book, entry.info, keys))
            except HoldfastError as error:
                self._skip(entry, error)
            order.report(Advanced(source=order.source_name, phase=_PHASE, amount=1))
        order.report(PhaseEnded(source=order.source_name, phase=_PHASE))
        if order.live is not None and self.unreached is None:
            found += self._living(order.live, keys)
        return found

    def _living(self, live: Callable[[str], Source], keys: set[Key] | None) -> Iterator[_Seen]:
        """The application: it may be away in the very hour in which its snapshots are looked into."""
        try:
            with open_live(live(self._order.source_name)) as book:
                yield self._look(book, None, keys)
        except HoldfastError as error:
            if not self._order.without_live:
                raise
            self.unreached = error

    def _skip(self, entry: SnapshotEntry, error: HoldfastError) -> None:
        told = entry.info.id in self.skipped
        self.skipped[entry.info.id] = error.what
        if isinstance(error, UsageError):
            self.refused = error
        elif not told:
            text = f"snapshot {short(entry.info.id)} cannot be asked: {error.what}"
            self._order.report(Warned(source=entry.info.source, text=text))

    def _look(self, book: Book, place: Place, keys: set[Key] | None) -> _Seen:
        seen = _Seen(place=place, rows={}, plain={}, keys={})
        if self.item and self.item not in book.tables:
            return seen  # the table was not there yet, or is not there any more
        table = self._keyed(table_named(book, self._order.item))
        self.item = table.name
        for row in self._found(book, table, keys):
            key = row.key(table.key or tuple(row.values))
            seen.rows[key] = row
            seen.plain[key] = told_row(book, table, row)
            seen.keys[key] = {name: seen.plain[key].get(name) for name in table.key}
            if len(seen.rows) > _MOST:
                raise UsageError(f"more than {_MOST:,} rows of {table.name} are meant", hint="ask for fewer")
        return seen

    def _keyed(self, table: Table) -> Table:
        """The table with the key by which rows are followed. UsageError where that tells no row any more."""
        self._key = self._key or table.key
        if self._key == table.key:
            return table
        if self._key in table.unique:
            return replace(table, key=self._key)
        raise UsageError(
            f"the key of {table.name} is another there: {','.join(table.key) or 'none'}, not {','.join(self._key)}"
        )

    def _found(self, book: Book, table: Table, keys: set[Key] | None) -> Iterator[Row]:
        if keys is not None:
            yield from book.find(table, table.key, keys)
            return
        for question in asked(book, table, self._order.words):
            rows = list(book.find(table, question.columns, [question.key]))
            if rows:
                self.follows = self.follows or (bool(table.key) and question.columns != table.key)
                yield from rows
                return
