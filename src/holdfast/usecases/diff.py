"""Compare two snapshots, or a snapshot and the application as it is now: tables, definitions, rows."""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.model.events import PhaseEnded, PhaseStarted, Reporter, silent
from holdfast.model.records import Difference, Table
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.records.contrast import Contrast, Pair
from holdfast.records.naming import table_named
from holdfast.records.schema import SchemaDifference
from holdfast.records.telling import told_key, told_pair
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.records import Book
from holdfast.usecases.find import SourceOf
from holdfast.usecases.looking import Library, open_compared, open_library

LIVE = "live"

LiveOf = Callable[[str], Source]
"""The source that stands under a name in the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOrder:
    """``before`` and ``after``: names of snapshots, ``live`` or ``live:SOURCE``. ``items``: tables or patterns.

    ``limit``: rows told of each table, None: all; 0: counts only.
    """

    before: str
    after: str
    items: tuple[str, ...] = ()
    limit: int | None = 100
    source: SourceOf
    live: LiveOf
    report: Reporter = silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: a snapshot, or the living application of ``source`` (``info`` is None)."""

    source: str
    info: SnapshotInfo | None

    @property
    def name(self) -> str:
        """The snapshot's id, or ``live:SOURCE``."""
        return self.info.id if self.info else f"{LIVE}:{self.source}"


@dataclass(slots=True, kw_only=True)
class TableDiff:
    """``status`` "same", "changed", "gone" or "new". ``rows`` as JSON values; ``left_out``: how many more there are.

    ``counted``: rows were compared as they are, because the table has no key in common.
    """

    table: str
    status: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int | None = None
    schema: SchemaDifference = field(default_factory=SchemaDifference)
    counted: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0


@dataclass(slots=True, kw_only=True)
class DiffResult:
    """Tables in the order of ``before``, then the new ones."""

    before: Side
    after: Side
    tables: list[TableDiff] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def different(self) -> bool:
        """Whether anything is."""
        return any(table.status != "same" for table in self.tables)


def diff(repository: Repository, order: DiffOrder) -> DiffResult:
    """What is not the same. UsageError for unknown names, and for two sides of different kinds."""
    started = time.monotonic()
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    result = _result(order, [entry.info for entry in entries.values()])
    chosen = [entries[side.info.id] for side in (result.before, result.after) if side.info]
    with open_library(repository, chosen, report=order.report) as library, contextlib.ExitStack() as stack:
        one, two = (
            stack.enter_context(_opened(library, side, order, entries)) for side in (result.before, result.after)
        )
        for name in _wanted(one, two, order.items):
            order.report(PhaseStarted(source=result.after.source, phase=f"compare {name}"))
            result.tables.append(_compare(one, two, name, order.limit))
            order.report(PhaseEnded(source=result.after.source, phase=f"compare {name}"))
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _result(order: DiffOrder, infos: list[SnapshotInfo]) -> DiffResult:
    given = {"before": order.before, "after": order.after}
    found = {role: names.one(name, infos) for role, name in given.items() if not _is_live(name)}
    if not found:
        raise UsageError("one of the two must be a snapshot", hint="holdfast diff latest:SOURCE live")
    kinds = {info.kind for info in found.values()}
    if len(kinds) > 1:
        raise UsageError(f"a {' and a '.join(sorted(kinds))} snapshot have no rows to compare")
    other = next(iter(found.values())).source
    sides = {}
    for role, name in given.items():
        info = found.get(role)
        sides[role] = Side(source=info.source if info else name.partition(":")[2] or other, info=info)
    return DiffResult(before=sides["before"], after=sides["after"])


def _is_live(name: str) -> bool:
    return name == LIVE or name.startswith(f"{LIVE}:")


@contextlib.contextmanager
def _opened(library: Library, side: Side, order: DiffOrder, entries: dict[str, SnapshotEntry]) -> Iterator[Book]:
    if side.info is not None:
        with library.open(entries[side.info.id], order.source(side.info)) as book:
            yield book
        return
    with open_compared(order.live(side.source)) as live:
        yield live


def _wanted(one: Book, two: Book, items: tuple[str, ...]) -> list[str]:
    """The names of all tables to be compared. UsageError for an item that neither side has."""
    known = list(dict.fromkeys((*one.tables, *two.tables)))
    # rows of partitions are told with the whole table, once
    sides = {name: [book for book in (one, two) if name in book.tables] for name in known}
    whole = [name for name in known if not all(book.tables[name].root in known for book in sides[name])]
    if not items:
        return whole
    found: list[str] = []
    for item in items:
        matching = [item] if item in known else [name for name in whole if _fits(name, item)]
        if not matching:
            try:
                matching = [table_named(one, item).name]
            except UsageError:
                matching = [table_named(two, item).name]
        found += matching
    return list(dict.fromkeys(found))


def _fits(name: str, pattern: str) -> bool:
    """A pattern without a schema means tables of any."""
    return any(fnmatch.fnmatchcase(each, pattern) for each in (name, name.rpartition(".")[2]))


def _count(book: Book, table: Table) -> int:
    """Its rows, one by one where nothing tells how many there are."""
    return table.rows if table.rows is not None else sum(1 for _ in book.rows(table))


def _compare(one: Book, two: Book, name: str, limit: int | None) -> TableDiff:
    if name not in two.tables:
        return TableDiff(table=name, status="gone", removed=_count(one, one.tables[name]))
    if name not in one.tables:
        return TableDiff(table=name, status="new", added=_count(two, two.tables[name]))
    pair = Pair(books=(one, two), before=one.tables[name], after=two.tables[name])
    with contextlib.closing(Contrast(pair)) as contrast:
        total = contrast.added + contrast.removed + contrast.changed
        rows = [_told(one, two, pair, each) for each in itertools.islice(contrast.differences(), limit)]
        return TableDiff(
            table=name,
            status="changed" if total or contrast.schema else "same",
            added=contrast.added,
            removed=contrast.removed,
            changed=contrast.changed,
            same=contrast.same,
            schema=contrast.schema,
            counted=not pair.key,
            rows=rows,
            left_out=total - len(rows),
        )


def _told(one: Book, two: Book, pair: Pair, each: Difference) -> dict[str, Any]:
    """One difference as JSON values."""
    book, table = (two, pair.after) if each.after is not None else (one, pair.before)
    before, after = told_pair(pair.books, pair.tables, (each.before, each.after))
    return {
        "did": each.did.value,
        "key": told_key(book, table, pair.key, each.key),
        "columns": list(each.columns),
        "before": before,
        "after": after,
    }
