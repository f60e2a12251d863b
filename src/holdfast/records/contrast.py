"""What differs between one table in two books: found from what they do not share, so that it costs what changed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.records import Did, Difference, Key, Row, Table
from holdfast.records.cancelling import cancelled, cancelled_lines
from holdfast.records.schema import SchemaDifference, schema_difference
from holdfast.records.spill import AFTER, BEFORE, Spill
from holdfast.sources.records import Book, Comparing, Lines, Mirroring, Textual
from holdfast.sources.tracing import TraceBroken, Tracing

_BATCH = 500
_DOUBTED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One table in two books; ``before`` and ``after`` may name it differently, ``books`` hold it."""

    books: tuple[Book, Book]
    before: Table
    after: Table

    @property
    def key(self) -> tuple[str, ...]:
        """The key both have; empty when they differ, or there is none: rows are then counted, not joined."""
        return self.before.key if self.before.key == self.after.key else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that both have and that hold values of their own; empty for documents."""
        theirs = {column.name for column in self.after.columns}
        return tuple(column.name for column in self.before.columns if column.name in theirs)

    @property
    def tables(self) -> tuple[Table, Table]:
        """Before and after."""
        return self.before, self.after

class Contrast:
    """The differences of one table; counted at once, told row by row as often as wanted. Close it."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.schema: SchemaDifference = schema_difference(*pair.books, pair.tables)
        self.added = self.removed = self.changed = 0
        self._now: dict[int, int] = {}
        with contextlib.ExitStack() as stack:
            self._spill = stack.enter_context(contextlib.closing(Spill(pair.key, pair.columns)))
            self._work()
            stack.pop_all()

    def close(self) -> None:
        """Let go of the temporary database."""
        self._spill.close()

    @property
    def same(self) -> int | None:
        """Rows that do not differ; None where rows are not counted."""
        rows = self._now.get(1, self.pair.after.rows)
        return None if rows is None else max(0, rows - self.added - self.changed)

    def differences(self) -> Iterator[Difference]:
        """Changed rows, then removed, then added ones."""
        name, key = self.pair.after.name, self.pair.key
        if not key:
            for row, count in self._spill.surplus():
                did = Did.ADDED if count > 0 else Did.REMOVED
                for _ in range(abs(count)):
                    yield _difference(name, did, (), row)
            return
        for before, after in self._spill.changed():
            yield Difference(table=name, did=Did.CHANGED, key=before.key(key), before=before, after=after)
        for side, did in ((BEFORE, Did.REMOVED), (AFTER, Did.ADDED)):
            for row in self._spill.only(side):
                yield _difference(name, did, row.key(key), row)

    def _work(self) -> None:
        if self._alike() and self._traced():
            self._count()
            return
        one, two = self.pair.books
        before, after = self.pair.tables
        if isinstance(one, Comparing) and isinstance(two, Comparing) and type(one) is type(two) and self._alike():
            ours, theirs = one.rows_not_shared(before, two), two.rows_not_shared(after, one)
            mirrored = isinstance(one, Mirroring)
            if self.pair.key and not mirrored:
                self._put((ours, theirs))
            else:  # one after the other: equal rows without key must be counted, a mirror may answer for both at once
                self._spill.put(BEFORE, ours)
                self._spill.put(AFTER, theirs)
            self._spill.sort()
            if not mirrored:
                self._settle()
            if self.pair.key:
                self._spill.once()
        else:
            self._put_all()
            self._spill.sort()
        self._count()

    def _traced(self) -> bool:
        """Whether the application's own numbers told what came and went."""
        for live, mine, theirs in ((1, AFTER, BEFORE), (0, BEFORE, AFTER)):
            book, snapshot = self.pair.books[live], self.pair.books[1 - live]
            if not isinstance(book, Tracing):
                continue
            try:
                trace = book.trace(self.pair.tables[live], snapshot)
                if trace is None:
                    continue
                self._spill.put(mine, trace.come)
                self._spill.put(theirs, trace.gone)
            except TraceBroken:
                self._spill.clear()
                continue
            self._now[live] = trace.now
            self._spill.sort()
            return True
        return False

    def _put_all(self) -> None:
        """Every row of both."""
        (one, two), (before, after) = self.pair.books, self.pair.tables
        lines = self._lines()
        if lines is None:
            self._put((one.rows(before), two.rows(after)))
            return
        with contextlib.closing(lines[0].blocks), contextlib.closing(lines[1].blocks):
            for side, rows in cancelled_lines(lines):
                self._spill.put((BEFORE, AFTER)[side], rows)

    def _lines(self) -> tuple[Lines, Lines] | None:
        """Both sides as text, where equal lines are equal rows and no row comes twice."""
        (one, two), (before, after) = self.pair.books, self.pair.tables
        if not (self.pair.key and self._alike() and isinstance(one, Textual) and isinstance(two, Textual)):
            return None
        ours, theirs = one.lines(before), two.lines(after)
        return (ours, theirs) if ours and theirs and ours.meaning == theirs.meaning else None

    def _put(self, streams: tuple[Iterator[Row], Iterator[Row]]) -> None:
        """Keep rows of both sides, but for equal ones that come at about the same time: those cancel on the way."""
        for side, rows in cancelled(streams, self.pair.columns):
            self._spill.put((BEFORE, AFTER)[side], rows)

    def _alike(self) -> bool:
        """Rows in the same bytes are the same rows only where the columns are the same."""
        return not (self.schema.added or self.schema.removed or self.schema.changed or self.schema.key)

    def _settle(self) -> None:
        """What only one side gave the other may hold in the same bytes after all: ask it, unless counts say so."""
        if not self.pair.key:
            self._settle_without_key()
            return
        self._spill.once()
        removed, added = map(self._spill.count_only, (BEFORE, AFTER))
        before, after = (table.rows for table in self.pair.tables)
        if before is not None and after is not None:
            # rows only grow fewer by those removed: when all that went missing explain the count, each of them did
            if removed and before - after == removed and not added:
                return
            if added and after - before == added and not removed:
                return
        for side in (BEFORE, AFTER):
            self._ask(side)

    def _ask(self, side: str) -> None:
        other = 1 if side == BEFORE else 0
        book, table = self.pair.books[other], self.pair.tables[other]
        rows = self._spill.only(side)
        while batch := [row.key(self.pair.key) for row in itertools.islice(rows, _BATCH)]:
            self._spill.put((BEFORE, AFTER)[other], book.find(table, self.pair.key, batch))

    def _settle_without_key(self) -> None:
        """Counts of equal rows are taken from both books; where too many are in doubt, everything is read."""
        doubted = list(itertools.islice(self._spill.distinct(), _DOUBTED + 1))
        if not doubted:
            return
        one, two = self.pair.books
        before, after = self.pair.tables
        self._spill.clear()
        if len(doubted) > _DOUBTED:
            self._put_all()
            return
        columns = self.pair.columns
        for start in range(0, len(doubted), _BATCH):
            keys: list[Key] = [row.key(columns) for row in doubted[start : start + _BATCH]]
            self._spill.put(BEFORE, one.find(before, columns, keys))
            self._spill.put(AFTER, two.find(after, columns, keys))

    def _count(self) -> None:
        if not self.pair.key:
            for _, count in self._spill.surplus():
                self.added += max(0, count)
                self.removed += max(0, -count)
            return
        self.changed = self._spill.count_changed()
        self.removed = self._spill.count_only(BEFORE)
        self.added = self._spill.count_only(AFTER)


def _difference(name: str, did: Did, key: Key, row: Row) -> Difference:
    before, after = (None, row) if did is Did.ADDED else (row, None)
    return Difference(table=name, did=did, key=key, before=before, after=after)
