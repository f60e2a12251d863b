"""Prove that a database deleted what was captured, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from holdfast.entities.closure import Closure, Member
from holdfast.model.errors import TargetError
from holdfast.model.records import Key, Reference, Row, Table
from holdfast.sources.guarding import Joined
from holdfast.sources.records import Book, LiveTransaction

_NAMED = 5
_SETS = ("set null", "set default")


def require_equal(book: Book, transaction: LiveTransaction, closure: Closure) -> dict[str, int]:
    """What the database deleted, by table. TargetError unless it is what was captured."""
    meant = closure.counts("owned")
    gone = {name: told[2] for name, told in transaction.affected().items() if told[2]}
    if gone != meant:
        names = sorted({*gone, *meant})
        told = ", ".join(
            f"{name}: {meant.get(name, 0)} captured, {gone.get(name, 0)} deleted"
            for name in names if gone.get(name, 0) != meant.get(name, 0)
        )  # fmt: skip
        raise TargetError(
            "the database deletes other rows than were captured, so nothing was deleted", why=told,
            hint="a cascade or a trigger reaches rows that are not owned: holdfast entity map shows the edges;"
            " declare what is missing as owned",
        )  # fmt: skip
    for name, members in closure.by_table("owned").items():
        _require_gone(transaction, book.tables[name], members)
    links = Counter[str]()
    for member, edges in closure.links():  # the database empties each reference by itself
        links[member.table] += sum(edge.reference.on_delete in _SETS for edge in edges)
        links[member.table] += any(edge.reference.on_delete not in _SETS for edge in edges)
    emptying = {each.table for each in closure_references(closure) if each.on_delete in _SETS}
    for name in emptying - set(meant):
        updated = transaction.affected().get(name, (0, 0, 0))[1]
        if updated > links[name]:
            raise TargetError(
                f"the database empties {updated} references in rows of {name}, and {links[name]} were captured",
                where=name, hint="nothing was deleted; the rows came meanwhile, try again", retryable=True,
            )  # fmt: skip
    return gone


def touched(transaction: LiveTransaction, closure: Closure, unlinked: Mapping[str, int]) -> dict[str, int]:
    """Rows by table that were changed beside the delete, in tables that hold no row of the entity."""
    owned = closure.counts("owned")
    found = {}
    for name, (_, updated, _) in transaction.affected().items():
        if name not in owned and updated > unlinked.get(name, 0):
            found[name] = updated - unlinked.get(name, 0)
    return found


def require_captured(book: Joined, closure: Closure) -> None:
    """TargetError unless what was deleted is all that was captured, and nothing else: compared row by row.

    Nothing at all may be deleted.
    """
    captured = closure.by_table("owned")
    with book.affected() as counts:
        if not any(deleted for _, _, deleted in counts.values()):
            return
        there = {name: _still_there(book, book.tables[name], members) for name, members in captured.items()}
        for name, (_, updated, deleted) in counts.items():
            if deleted:
                missing = len(captured.get(name, ())) - len(there.get(name, ()))
                _require_among(book, name, captured.get(name, []), (updated, deleted, missing))
        _require_all({name: len(members) for name, members in captured.items()}, there)


def _still_there(book: Joined, table: Table, members: Sequence[Member]) -> list[Key]:
    columns = _telling(table)
    return [row.key(columns) for row in book.find(table, columns, [member.row.key(columns) for member in members])]


def _require_all(captured: Mapping[str, int], there: Mapping[str, Sequence[Key]]) -> None:
    left = {name: keys for name, keys in there.items() if keys}
    if not left or sum(map(len, left.values())) == sum(captured.values()):
        return
    told = "; ".join(f"{name}: {len(keys)} of {captured[name]} are there still: {_spoken(keys)}"
                     for name, keys in sorted(left.items()))  # fmt: skip
    raise TargetError(
        "only a part of what was captured was deleted", where=", ".join(sorted(left)), why=told,
        hint="roll back; delete all of it within the block, or declare the edge to what is to stay as reference"
        " (SQLite cascades only after PRAGMA foreign_keys = ON)",
    )  # fmt: skip


def _telling(table: Table) -> tuple[str, ...]:
    return table.key or tuple(column.name for column in table.columns)


def image(row: Row) -> tuple[object, ...]:
    """Types count: 1 and 1.0 are two values."""
    return (row.raw, *sorted((name, type(value).__name__, repr(value)) for name, value in row.values.items()))


def closure_references(closure: Closure) -> Iterator[Reference]:
    """The references the graph is made of."""
    return (edge.reference for edge in closure.graph.edges)


def _require_gone(transaction: LiveTransaction, table: Table, members: Sequence[Member]) -> None:
    """TargetError for a captured row that is there: another one was deleted in its place, or a trigger kept it."""
    if not table.key:
        return
    keys = [member.row.key(table.key) for member in members]
    if there := [row.key(table.key) for row in transaction.find(table, table.key, keys)]:
        raise TargetError(
            f"{len(there)} rows of {table.name} that were to be deleted are there still, so nothing was deleted",
            where=table.name, why="a trigger of the application keeps or replaces them: " + _spoken(there),
        )  # fmt: skip


def _require_among(book: Joined, name: str, members: Sequence[Member], counts: tuple[int, int, int]) -> None:
    updated, deleted, missing = counts
    table = book.tables.get(name)
    lost = Counter[Key]()
    if table is not None:
        # a row that is missing was deleted, unless something gave it another key
        if deleted == missing and not updated:
            return
        lost = Counter(book.gone(table)) - Counter(member.row.key(_telling(table)) for member in members)
        if not lost and (table.key or deleted <= missing):
            return
    number = lost.total() or deleted - missing
    done = "were deleted"
    if updated and table is not None:
        done = "were deleted or got another key" if table.key else "were deleted or changed, which no key tells apart,"
    raise TargetError(
        f"{number} rows of {name} {done} that had not been captured", where=name,
        why="a cascade, a trigger or a statement reached rows that do not belong to the entity"
        + (f": {_spoken(list(lost))}" if lost else ""),
        hint="roll back; holdfast entity map shows what belongs to it",
    )  # fmt: skip


def _spoken(keys: Sequence[Key]) -> str:
    told = ["(" + ", ".join(map(str, key)) + ")" for key in keys[:_NAMED]]
    return ", ".join(told) + (f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else "")
