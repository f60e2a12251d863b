"""Bring back what one transaction deleted, from wherever it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from holdfast.entities.applying import apply, require_nothing_else
from holdfast.entities.declared import Declaration
from holdfast.entities.restoring import Wishes
from holdfast.model.errors import TargetError, UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.exactness import same_value
from holdfast.model.ids import new_id
from holdfast.model.records import Did, Difference, Key, Row, Table
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.guarding import Kept
from holdfast.sources.records import Book, LiveBook, LiveTransaction, Retyping
from holdfast.usecases.entity_finding import Subject, entity_named
from holdfast.usecases.entity_restore import EntityRestoreOrder, EntityRestoreResult, entity_restore
from holdfast.usecases.guard import guarding
from holdfast.usecases.looking import open_library, open_live
from holdfast.usecases.row_protection import Protection, kept_only_if_committed, protect_rows
from holdfast.usecases.settling import Settle, anything, of_changes
from holdfast.usecases.trash import Discarded

_AT_ONCE = 5_000
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashRestoreOrder:
    """``entities``: the declarations, for entities that holdfast deleted. ``only``: tables; empty: all.

    ``overwrite`` replaces rows that are there again and differ; otherwise they are left alone.
    """

    discarded: Discarded
    source: Source
    entities: Callable[[], dict[str, Declaration]] = dict
    only: tuple[str, ...] = ()
    overwrite: bool = False
    drop_columns: bool = False
    dry_run: bool = False
    created_by: str = ""
    report: Reporter = silent
    run: str = field(default_factory=new_id)
    settle: Settle = anything


@dataclass(slots=True, kw_only=True)
class TrashRestoreResult:
    """Rows by table: ``created``, ``replaced``, ``there`` as they were, ``left`` because others stand there now.

    ``entity``: what the restore of an entity told instead. ``warnings``: what else the database did along with it.
    ``undo``: the snapshot ``undo RUN`` goes back to.
    """

    run: str
    target: str
    dry_run: bool
    created: dict[str, int] = field(default_factory=dict)
    replaced: dict[str, int] = field(default_factory=dict)
    there: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    entity: EntityRestoreResult | None = None
    warnings: list[str] = field(default_factory=list)
    undo: str | None = None


def trash_restore(repository: Repository, order: TrashRestoreOrder) -> TrashRestoreResult:
    """Do it in one transaction. TargetError when a row cannot be written; then nothing was changed."""
    result = TrashRestoreResult(run=order.run, target=order.source.url, dry_run=order.dry_run)
    if order.discarded.entity is not None:
        result.entity = _entity(repository, order, order.discarded.entity)
        result.undo = result.entity.undo
        return result
    with open_live(order.source) as live:
        rows = _chosen(order, live, _kept(repository, order, live), result)
        if order.dry_run:
            order.settle(of_changes(_decide(order, live, rows, live.find, result)))
            return result
        with kept_only_if_committed(repository, lambda: result.undo), live.transaction() as transaction:

            def locked(table: Table, columns: tuple[str, ...], wanted: Sequence[Key]) -> Iterator[Row]:
                return transaction.find(table, columns, wanted, lock=True)

            changes = _decide(order, live, rows, locked, result)
            order.settle(of_changes(changes))
            if changes:
                result.undo = _write(repository, order, live, transaction, changes, result)
    return result


def _entity(repository: Repository, order: TrashRestoreOrder, entity: tuple[str, str]) -> EntityRestoreResult:
    name, key = entity
    subject = Subject(
        name=name, key=key, declaration=entity_named(order.entities(), name), source=order.source, report=order.report
    )
    wishes = Wishes(
        only=order.only, existing="overwrite" if order.overwrite else "refuse", users=subject.declaration.users,
        drop_columns=order.drop_columns,
    )  # fmt: skip
    wanted = EntityRestoreOrder(
        subject=subject, from_=order.discarded.id, wishes=wishes, dry_run=order.dry_run, created_by=order.created_by,
        run=order.run, settle=order.settle,
    )  # fmt: skip
    return entity_restore(repository, wanted)


def _kept(repository: Repository, order: TrashRestoreOrder, live: Book) -> list[Kept]:
    """Every row the guard kept of the transaction, oldest first; one that is in two places counts once.

    Copies of a database number alike what they keep, so the number alone does not tell.
    """
    wanted = order.discarded
    found: dict[Hashable, Kept] = {}
    entries = [entry for entry in repository.snapshots() if entry.info.id in wanted.snapshots]
    with open_library(repository, entries, report=order.report) as library:
        for entry in entries:
            with library.open(entry, order.source) as book:
                found.update(_of(order, book))
    found.update(_of(order, live))
    return sorted(found.values(), key=lambda each: (each.at, each.number))


def _of(order: TrashRestoreOrder, book: Book) -> Iterator[tuple[Hashable, Kept]]:
    guarded = guarding(order.source)
    table = book.tables.get(guarded.guard_table)
    if table is None:
        return
    rows = book.find(table, ("transaction_id",), [(order.discarded.transaction,)])
    for each in guarded.kept(rows):
        if each.began == order.discarded.began:
            yield (each.number, each.salt, each.table, tuple(each.row.values.items()), each.row.raw), each


def _chosen(
    order: TrashRestoreOrder, live: Book, kept: Sequence[Kept], result: TrashRestoreResult
) -> dict[str, list[Row]]:  # fmt: skip
    """Rows by table as they can be written now; what was deleted twice, as it was the last time.

    What moved to another partition is left alone, as it stands there.
    """
    found: dict[str, dict[object, Row]] = {}
    only = {_named(live, name) for name in order.only}
    for number, each in enumerate(kept):
        if only and each.table not in only:
            continue
        if each.operation == "move" and not order.overwrite:
            _count(result.left, each.table)
            continue
        table = live.tables.get(each.table)
        if table is None:
            raise TargetError(
                f"there is no table {each.table} any more", where=order.source.url,
                hint=f"bring the table back first, or the other rows: --only {' --only '.join(order.discarded.tables)}",
            )  # fmt: skip
        row = _fitting(order, table, each.row)
        found.setdefault(table.name, {})[row.key(table.key) if table.key else number] = row
    return {name: _as_now(live, live.tables[name], list(rows.values())) for name, rows in found.items()}


def _as_now(live: Book, table: Table, rows: list[Row]) -> list[Row]:
    """As columns that have another type by now would hold them; of which type they were was not kept."""
    if not isinstance(live, Retyping):
        return rows
    were = tuple(replace(column, type="?") for column in table.columns)
    return list(live.retyped(replace(table, columns=were), table, rows).rows)


def _named(live: Book, name: str) -> str:
    table = live.tables.get(name)
    if table is None:
        raise UsageError(f"there is no table {name}", where="--only")
    return table.name


def _fitting(order: TrashRestoreOrder, table: Table, row: Row) -> Row:
    """Without columns the database computes, or that are gone where that is allowed."""
    if not table.columns:
        return row  # a document, which may have any field
    known = {column.name for column in table.columns}
    gone = [name for name in row.values if name not in known]
    if gone and not order.drop_columns:
        raise TargetError(
            f"columns of {table.name} are gone: {', '.join(gone)}", where=order.source.url,
            hint="leave them out with --drop-columns",
        )  # fmt: skip
    stored = {column.name for column in table.columns if not column.generated}
    return Row({name: value for name, value in row.values.items() if name in stored})


def _decide(
    order: TrashRestoreOrder, live: LiveBook, rows: dict[str, list[Row]],
    find: Callable[[Table, tuple[str, ...], list[Key]], Iterator[Row]], result: TrashRestoreResult,
) -> list[Difference]:  # fmt: skip
    changes: list[Difference] = []
    for name, wanted in rows.items():
        table = live.tables[name]
        now: dict[Key, Row] = {}
        twins = Counter[Key]()
        if table.key:
            keys = [row.key(table.key) for row in wanted]
            for at in range(0, len(keys), _AT_ONCE):
                now.update((row.key(table.key), row) for row in find(table, table.key, keys[at : at + _AT_ONCE]))
        elif order.discarded.restored:
            twins = _twins(table, wanted, find)
        for row in wanted:
            key = row.key(table.key)
            there = now.get(key) if table.key else None
            if not table.key and twins[_whole(row)]:
                twins[_whole(row)] -= 1
                there = row
            changes += _fate(order, name, (key, row, there), result)
    return changes


def _twins(
    table: Table, wanted: Sequence[Row], find: Callable[[Table, tuple[str, ...], list[Key]], Iterator[Row]]
) -> Counter[Key]:  # fmt: skip
    """How often rows of a table without key are there: brought back already, as this was restored before."""
    columns = tuple(wanted[0].values)
    keys = [row.key(columns) for row in wanted]
    found = (row for at in range(0, len(keys), _AT_ONCE) for row in find(table, columns, keys[at : at + _AT_ONCE]))
    return Counter(row.key(columns) for row in found)


def _whole(row: Row) -> Key:
    return tuple(row.values.values())


def _fate(
    order: TrashRestoreOrder, name: str, states: tuple[Key, Row, Row | None], result: TrashRestoreResult
) -> list[Difference]:
    key, row, there = states
    if there is None:
        _count(result.created, name)
        return [Difference(table=name, did=Did.ADDED, key=key, after=row)]
    same = all(same_value(there.values.get(column), value) for column, value in row.values.items())
    if same and there.raw == row.raw:
        _count(result.there, name)
        return []
    if not order.overwrite:
        _count(result.left, name)
        return []
    _count(result.replaced, name)
    return [Difference(table=name, did=Did.CHANGED, key=key, before=there, after=_over(there, row))]


def _over(there: Row, row: Row) -> Row:
    """As it was; columns that came later stay as they are. A document is one whole."""
    return row if row.raw else Row({**there.values, **row.values})


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _write(
    repository: Repository, order: TrashRestoreOrder, live: LiveBook, transaction: LiveTransaction,
    changes: Sequence[Difference], result: TrashRestoreResult,
) -> str:  # fmt: skip
    applied = apply(live, transaction, changes)
    result.warnings += require_nothing_else(transaction, applied)
    protection = Protection(
        name=order.discarded.source, source=order.source, book=live, changes=applied.changes, run=order.run,
        what=f"trash restore {order.discarded.id}", created_by=order.created_by, report=order.report,
        more={"trash": {"restored": order.discarded.id}},
    )  # fmt: skip
    return protect_rows(repository, protection).id
