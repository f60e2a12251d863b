"""Differences are written within one transaction, read back, and what else that changed is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from holdfast.entities.ordering import Order
from holdfast.entities.writes import by_table_of, writes_of
from holdfast.model.errors import TargetError
from holdfast.model.exactness import same_value
from holdfast.model.records import Did, Difference, Key, Row, Table
from holdfast.model.sameness import typed
from holdfast.sources.records import LiveBook, LiveTransaction, Write

_OURS = "holdfast"
"""What the guard writes, and where, begins so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """``changes`` as they were found afterwards (``after`` with what the database computed). ``order`` they took.

    ``written``: by (table, verb), how many rows were asked to be written.
    """

    changes: tuple[Difference, ...]
    order: Order
    written: Mapping[tuple[str, str], int] = field(default_factory=dict)


def apply(book: LiveBook, transaction: LiveTransaction, changes: Sequence[Difference]) -> Applied:
    """Write ``changes`` (ADDED: insert ``after``; CHANGED: its columns; REMOVED: delete ``before``) and read them back.

    Rows are expected to be as ``before`` says. TargetError when the database refuses, or when a row reads back
    otherwise than it was written. Sequences are moved past what was inserted.
    """
    plan = writes_of(book, changes)
    by_table = by_table_of(changes)
    if plan.defers:
        transaction.defer_constraints()
    transaction.write(plan.writes)
    for name in plan.order.tables:
        if any(change.did is Did.ADDED for change in by_table[name]):
            transaction.advance_sequences(book.tables[name])

    def found() -> tuple[Difference, ...]:
        return tuple(
            each for name in plan.order.tables for each in _read_back(book.tables[name], transaction, by_table[name])
        )

    written = Counter((write.table, write.verb) for write in plan.writes)
    try:
        return Applied(changes=found(), order=plan.order, written=written)
    except _Otherwise:
        written.update((write.table, write.verb) for write in _write_again(book, transaction, changes))
    return Applied(changes=found(), order=plan.order, written=written)


def require_order(book: LiveBook, changes: Sequence[Difference]) -> None:
    """TargetError when there is no order in which ``apply`` could write them; nothing is written."""
    writes_of(book, changes)


def require_nothing_else(
    transaction: LiveTransaction, applied: Applied, along: Sequence[Difference] = ()
) -> list[str]:
    """TargetError when rows were deleted that nobody meant, or added where rows were written.

    ``along``: what the database changed with them, and is kept for undo. Returns what else it did, in words: what its
    triggers added to other tables, or changed.
    """
    meant = Counter(applied.written)
    meant.update((change.table, "update") for change in along if change.did is Did.CHANGED)
    counted = {
        name: (new - meant[name, "insert"], changed - meant[name, "update"], gone - meant[name, "delete"])
        for name, (new, changed, gone) in transaction.affected().items()
    }
    tables = {change.table for change in applied.changes}
    if gone := {name: more[2] for name, more in counted.items() if more[2] > 0}:
        raise TargetError(
            "rows would be deleted too that came later",
            why=f"the database deletes along with what is removed: {_counts(gone)}",
            hint="nothing was changed; look at those rows, and delete or move them first",
        )
    if came := {name: more[0] for name, more in counted.items() if more[0] > 0 and name in tables}:
        raise TargetError(
            "rows would be added that were not there before", why=f"triggers of the database add {_counts(came)}",
            hint="nothing was changed; disable those triggers for the time of it",
        )  # fmt: skip
    others = {
        name: more for name, more in counted.items() if not any(part.startswith(_OURS) for part in name.split("."))
    }
    added = {name: more[0] for name, more in others.items() if more[0] > 0}
    touched = {name: more[1] for name, more in others.items() if more[1] > 0}
    unasked = "; neither compared nor taken back by undo"
    return [
        *([f"triggers of the database also added {_counts(added)}{unasked}"] if added else []),
        *([f"triggers of the database also wrote to rows: {_counts(touched)}{unasked}"] if touched else []),
    ]


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} of {name}" for name, number in sorted(numbers.items()))


def _write_again(
    book: LiveBook, transaction: LiveTransaction, changes: Sequence[Difference]
) -> list[Write]:
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
            if there is None:
                continue
            differing = (n for n, v in row.values.items() if not same_value(there.values.get(n), v))
            if columns := tuple(name for name in differing if name not in fixed):
                writes.append(Write(verb="update", table=name, row=row, columns=columns))
    if writes:
        transaction.write(writes)
    return writes


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
    _require_gone(table, transaction, [change for change in changes if change.after is None])
    for change in changes:
        if change.after is None:
            yield change
            continue
        now = found.get(same(change.after.key(columns)))
        if not now:
            raise _otherwise(change, "it is not there")
        row = now[-1] if len(now) == 1 else now.pop()
        meant = change.after.values
        differs = [n for n, value in meant.items() if not same_value(row.values.get(n), value) and n not in generated]
        if differs:
            raise _otherwise(change, f"other values in {', '.join(differs)}")
        yield replace(change, after=row)


def _require_gone(table: Table, transaction: LiveTransaction, removed: Sequence[Difference]) -> None:
    """Rows without a key are counted, others looked for."""
    if table.key:
        keys = [change.before.key(table.key) for change in removed if change.before is not None]
        left = sum(1 for _ in transaction.find(table, table.key, keys)) if keys else 0
    else:
        left = len(removed) - (transaction.affected().get(table.name, (0, 0, 0))[2] if removed else 0)
    if left > 0:
        raise TargetError(
            f"the database kept {left} rows of {table.name} that were to be removed", where=table.name,
            why="a trigger, a rule or row security kept them",
            hint="nothing was changed; disable the trigger for the time of it",
        )  # fmt: skip


class _Otherwise(TargetError):
    """A row is not as it was written."""


def _otherwise(change: Difference, why: str) -> _Otherwise:
    return _Otherwise(
        f"a row of {change.table} reads back otherwise than it was written: {why}",
        where=f"{change.table} {change.key}",
        why="a trigger or a rule of the database changed it, or put it elsewhere",
        hint="nothing was changed; disable the trigger for the time of the restore",
    )
