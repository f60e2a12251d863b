"""Differences become writes of one transaction, in an order no constraint objects to, and are read back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from holdfast.entities.ordering import Order, order_of, rows_in_order, spoken
from holdfast.model.errors import TargetError
from holdfast.model.records import Did, Difference, Key, Reference, Row, Table
from holdfast.model.sameness import typed
from holdfast.sources.records import LiveBook, LiveTransaction, Write

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """``changes`` as they were found afterwards (``after`` with what the database computed). ``order`` they took."""

    changes: tuple[Difference, ...]
    order: Order


def apply(book: LiveBook, transaction: LiveTransaction, changes: Sequence[Difference]) -> Applied:
    """Write ``changes`` (ADDED: insert ``after``; CHANGED: its columns; REMOVED: delete ``before``) and read them back.

    Rows are expected to be as ``before`` says. TargetError when the database refuses, when a row reads back otherwise
    than it was written, or when the server touched other rows too. Sequences are moved past what was inserted.
    """
    by_table: dict[str, list[Difference]] = {}
    for change in changes:
        by_table.setdefault(change.table, []).append(change)
    order = order_of(by_table, book.references)
    own = {name: [each for each in book.references if each.table == each.to == name] for name in by_table}
    if order.deferred or any(each.deferrable for references in own.values() for each in references):
        transaction.defer_constraints()
    # removals last: what the database empties or deletes along with them must not be changed under the updates
    transaction.write([*_additions(book, order, by_table, own), *_removals(book, order, by_table, own)])
    for name in order.tables:
        if any(change.did is Did.ADDED for change in by_table[name]):
            transaction.advance_sequences(book.tables[name])

    def found() -> tuple[Difference, ...]:
        return tuple(
            each for name in order.tables for each in _read_back(book.tables[name], transaction, by_table[name])
        )

    try:
        return Applied(changes=found(), order=order)
    except _Otherwise:
        _write_again(book, transaction, changes)
    return Applied(changes=found(), order=order)


def require_order(book: LiveBook, changes: Sequence[Difference]) -> None:
    """TargetError when there is no order in which ``apply`` could write them; nothing is written."""
    by_table: dict[str, list[Difference]] = {}
    for change in changes:
        by_table.setdefault(change.table, []).append(change)
    order = order_of(by_table, book.references)
    own = {name: [each for each in book.references if each.table == each.to == name] for name in by_table}
    for _ in itertools.chain(_additions(book, order, by_table, own), _removals(book, order, by_table, own)):
        pass


def require_nothing_else(transaction: LiveTransaction, changes: Sequence[Difference]) -> None:
    """TargetError when rows were deleted that nobody meant: a cascade reached rows that came later."""
    meant: dict[str, int] = {}
    for change in changes:
        if change.did is Did.REMOVED:
            meant[change.table] = meant.get(change.table, 0) + 1
    more = {name: gone - meant.get(name, 0) for name, (_, _, gone) in transaction.affected().items()}
    if others := {name: number for name, number in more.items() if number > 0}:
        told = ", ".join(f"{number} of {name}" for name, number in sorted(others.items()))
        raise TargetError(
            "rows would be deleted too that came later",
            why=f"the database deletes along with what is removed: {told}",
            hint="nothing was changed; look at those rows, and delete or move them first",
        )


Groups = Mapping[str, Sequence[Difference]]
Own = Mapping[str, Sequence[Reference]]


def _additions(book: LiveBook, order: Order, changes: Groups, own: Own) -> Iterator[Write]:
    """Rows from parents to children, then changes, then what had to wait."""
    waiting: list[Write] = []
    for name in order.tables:
        table = book.tables[name]
        added = [change.after for change in changes[name] if change.did is Did.ADDED and change.after is not None]
        rows, rings = rows_in_order(added, own[name])
        late = [each for each in order.late if each.table == name]
        held: dict[int, list[Reference]] = {}
        for row, reference in rings:
            if not reference.deferrable:
                held.setdefault(id(row), []).append(_nullable(reference, row))
        for row in rows:
            without = [*late, *held.get(id(row), ())]
            columns = tuple(dict.fromkeys(c for each in without for c in each.columns if row.values.get(c) is not None))
            if not columns:
                yield Write(verb="insert", table=name, row=row)
                continue
            emptied = Row({**row.values, **dict.fromkeys(columns)}, row.raw)
            yield Write(verb="insert", table=name, row=emptied)
            _require_key(table, spoken(without[0]))
            waiting.append(Write(verb="update", table=name, row=row, columns=columns))
    for name in order.tables:
        yield from (_update(book.tables[name], change) for change in changes[name] if change.did is Did.CHANGED)
    yield from waiting


def _nullable(reference: Reference, row: Row) -> Reference:
    if not reference.nullable:
        raise TargetError(
            f"rows of {reference.table} refer to one another in a ring that cannot be opened: {spoken(reference)}",
            where=f"{reference.table} {dict(list(row.values.items())[:_NAMED])}",
            hint="make the constraint DEFERRABLE, or let its column be NULL",
        )
    return reference


def _require_key(table: Table, reference: str) -> None:
    if not table.key:
        raise TargetError(
            f"{table.name} has no primary key, so {reference} cannot be set afterwards", where=table.name,
            hint="make the constraint DEFERRABLE",
        )  # fmt: skip


def _update(table: Table, change: Difference) -> Write:
    """Columns that differ; a document as a whole."""
    assert change.before is not None and change.after is not None  # noqa: S101, PT018 - what CHANGED means
    generated = {column.name for column in table.columns if column.generated}
    differing = (name for name in change.columns if name in change.after.values and name not in generated)
    names = tuple(differing) if table.columns else ()
    return Write(verb="update", table=change.table, row=change.after, columns=names, expect=change.before)


def _removals(book: LiveBook, order: Order, changes: Groups, own: Own) -> Iterator[Write]:
    """Children first; references that go round are taken away before."""
    removed = {
        name: [change for change in changes[name] if change.did is Did.REMOVED and change.before is not None]
        for name in order.tables
    }
    for reference in order.late:
        for change in removed[reference.table]:
            row = change.before
            if row is not None and any(row.values.get(column) is not None for column in reference.columns):
                emptied = Row({**row.values, **dict.fromkeys(reference.columns)}, row.raw)
                yield Write(verb="update", table=reference.table, row=emptied, columns=reference.columns)
    for name in reversed(order.tables):
        rows = [change.before for change in removed[name] if change.before is not None]
        ordered, rings = rows_in_order(rows, own[name])
        for row, reference in rings:
            if not reference.deferrable:
                emptied = Row({**row.values, **dict.fromkeys(_nullable(reference, row).columns)}, row.raw)
                yield Write(verb="update", table=name, row=emptied, columns=reference.columns)
        whole = not book.tables[name].key
        yield from (
            Write(verb="delete", table=name, row=row, expect=row if whole else None) for row in reversed(ordered)
        )


def _write_again(book: LiveBook, transaction: LiveTransaction, changes: Sequence[Difference]) -> None:
    """Columns that triggers changed while the other rows were written (a counter, a time) are set once more."""
    by_table: dict[str, list[Row]] = {}
    for change in changes:
        if change.after is not None and book.tables[change.table].key and book.tables[change.table].columns:
            by_table.setdefault(change.table, []).append(change.after)
    writes: list[Write] = []
    for name, rows in by_table.items():
        table = book.tables[name]
        fixed = {column.name for column in table.columns if column.generated} | set(table.key)
        now = {typed(row.key(table.key)): row for row in transaction.find(table, table.key, _keys(table, rows))}
        for row in rows:
            there = now.get(typed(row.key(table.key)))
            if there is None or there.values == row.values:
                continue
            if columns := tuple(n for n, v in row.values.items() if n not in fixed and there.values.get(n) != v):
                writes.append(Write(verb="update", table=name, row=row, columns=columns))
    if writes:
        transaction.write(writes)


def _keys(table: Table, rows: Sequence[Row]) -> list[Key]:
    return list({typed(key): key for key in (row.key(table.key) for row in rows)}.values())


def _read_back(table: Table, transaction: LiveTransaction, changes: Sequence[Difference]) -> Iterator[Difference]:
    """The changes as the database holds them now. TargetError for one that is not as it was meant."""
    wanted = [change for change in changes if change.after is not None]
    columns = table.key or tuple(wanted[0].after.values if wanted and wanted[0].after else ())
    generated = {column.name for column in table.columns if column.generated}
    found: dict[Key, list[Row]] = {}
    same = partial(typed, exact=not table.key)
    if wanted:
        each = [change.after.key(columns) for change in wanted if change.after is not None]
        keys = {same(key): key for key in each}
        for row in transaction.find(table, columns, list(keys.values())):
            found.setdefault(same(row.key(columns)), []).append(row)
    for change in changes:
        if change.after is None:
            yield change
            continue
        now = found.get(same(change.after.key(columns)))
        if not now:
            raise _otherwise(change, "it is not there")
        row = now[-1] if len(now) == 1 else now.pop()
        meant = change.after.values
        if row.values != meant and (
            differs := [n for n, value in meant.items() if row.values.get(n) != value and n not in generated]
        ):
            raise _otherwise(change, f"other values in {', '.join(differs)}")
        yield replace(change, after=row)


class _Otherwise(TargetError):
    """A row is not as it was written."""


def _otherwise(change: Difference, why: str) -> _Otherwise:
    return _Otherwise(
        f"a row of {change.table} reads back otherwise than it was written: {why}",
        where=f"{change.table} {change.key}",
        why="a trigger or a rule of the database changed it, or put it elsewhere",
        hint="nothing was changed; disable the trigger for the time of the restore",
    )
