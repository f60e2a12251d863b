"""Differences become writes, in an order no constraint objects to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.entities.giving_way import GivingWay, giving_way
from holdfast.entities.graph import Structure
from holdfast.entities.ordering import Order, order_of, rows_in_order, spoken
from holdfast.model.errors import TargetError
from holdfast.model.records import Did, Difference, Reference, Row, Table
from holdfast.sources.records import Write

_NAMED = 5

Groups = Mapping[str, Sequence[Difference]]
Own = Mapping[str, Sequence[Reference]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``writes`` in their order; ``defers``: constraints that can be checked at the end have to be."""

    order: Order
    writes: tuple[Write, ...]
    defers: bool


def writes_of(book: Structure, changes: Sequence[Difference]) -> Plan:
    """TargetError when there is no order in which the database would take them."""
    by_table = by_table_of(changes)
    order = order_of(by_table, book.references)
    own = {name: [each for each in book.references if each.table == each.to == name] for name in by_table}
    first = giving_way(book, by_table)
    # removals last: what the database empties or deletes along with them must not be changed under the updates
    leaving = _order_of_removals(by_table, book.references, order)
    later = (*_additions(book, order, by_table, own, first), *_removals(book, leaving, by_table, own, first))
    itself = any(each.deferrable for references in own.values() for each in references)
    defers = bool(order.deferred or leaving.deferred) or itself
    return Plan(order=order, writes=(*first.writes, *later), defers=defers)


def _order_of_removals(changes: Groups, references: Sequence[Reference], added: Order) -> Order:
    """No row goes before those that name it by what restricts, which is never put off: its rings open elsewhere."""
    removed = {name for name, some in changes.items() if any(change.did is Did.REMOVED for change in some)}
    known = [replace(each, deferrable=False) if _holds(each) else each for each in references]
    if known == list(references) or not removed:
        return added
    try:
        order = order_of(removed, known)
    except TargetError:
        return added
    return replace(order, tables=(*(name for name in added.tables if name not in removed), *order.tables))


def by_table_of(changes: Sequence[Difference]) -> dict[str, list[Difference]]:
    """Changes by table."""
    found: dict[str, list[Difference]] = {}
    for change in changes:
        found.setdefault(change.table, []).append(change)
    return found


def _additions(book: Structure, order: Order, changes: Groups, own: Own, first: GivingWay) -> Iterator[Write]:
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
            open_ = dict.fromkeys(column for each in without for column in _openable(table, each))
            columns = tuple(column for column in open_ if row.values.get(column) is not None)
            if not columns:
                yield Write(verb="insert", table=name, row=row)
                continue
            emptied = Row({**row.values, **dict.fromkeys(columns)}, row.raw)
            yield Write(verb="insert", table=name, row=emptied)
            _require_key(table, spoken(without[0]))
            waiting.append(Write(verb="update", table=name, row=row, columns=columns))
    for name in order.tables:
        changed = (change for change in changes[name] if change.did is Did.CHANGED)
        yield from (_update(book.tables[name], change, first) for change in changed)
    yield from waiting


def _openable(table: Table, reference: Reference) -> tuple[str, ...]:
    """Columns that may be NULL for a while; with one of them the row refers to nothing."""
    fixed = {column.name for column in table.columns if not column.nullable}
    return tuple(column for column in reference.columns if column not in fixed) or reference.columns


def _holds(reference: Reference) -> bool:
    """Whether the database lets no row go that is named by it, not even until the end of the transaction."""
    return not reference.deferrable or reference.on_delete == "restrict"


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


def _update(table: Table, change: Difference, first: GivingWay) -> Write:
    """Columns that differ; a document as a whole."""
    assert change.before is not None and change.after is not None  # noqa: S101, PT018 - what CHANGED means
    if id(change) in first.taken_out:
        return Write(verb="insert", table=change.table, row=change.after)
    generated = {column.name for column in table.columns if column.generated}
    differing = (name for name in change.columns if name in change.after.values and name not in generated)
    emptied = first.emptied.get(id(change), ())
    names = tuple(dict.fromkeys((*differing, *emptied))) if table.columns else ()
    expected = None if emptied else change.before
    return Write(verb="update", table=change.table, row=change.after, columns=names, expect=expected)


def _removals(book: Structure, order: Order, changes: Groups, own: Own, first: GivingWay) -> Iterator[Write]:
    """Children first; references that go round are taken away before."""
    removed = {
        name: [change for change in changes[name] if change.did is Did.REMOVED and id(change) not in first.taken_out]
        for name in order.tables
    }
    for reference in (*order.late, *(each for each in order.deferred if _holds(each) and each.nullable)):
        columns = _openable(book.tables[reference.table], reference)
        for change in removed[reference.table]:
            row = change.before
            if row is not None and any(row.values.get(column) is not None for column in columns):
                emptied = Row({**row.values, **dict.fromkeys(columns)}, row.raw)
                yield Write(verb="update", table=reference.table, row=emptied, columns=columns)
    for name in reversed(order.tables):
        rows = [change.before for change in removed[name] if change.before is not None]
        ordered, rings = rows_in_order(rows, own[name])
        for row, reference in rings:
            if _holds(reference):
                columns = _openable(book.tables[name], _nullable(reference, row))
                emptied = Row({**row.values, **dict.fromkeys(columns)}, row.raw)
                yield Write(verb="update", table=name, row=emptied, columns=columns)
        whole = not book.tables[name].key
        yield from (
            Write(verb="delete", table=name, row=row, expect=row if whole else None) for row in reversed(ordered)
        )
