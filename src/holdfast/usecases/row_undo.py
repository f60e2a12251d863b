"""Changes of single rows are taken back: what they were was kept before, what they became is remembered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from holdfast.entities.applying import apply, require_nothing_else
from holdfast.entities.reaching import Reached, emptied, reached_too
from holdfast.model.errors import TargetError
from holdfast.model.events import Reporter, silent
from holdfast.model.exactness import same_value
from holdfast.model.ids import new_id, short
from holdfast.model.records import Did, Difference, Key, Row, Table
from holdfast.model.sameness import typed
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.repository.undoing import read_undo
from holdfast.sources.base import Source
from holdfast.sources.records import Book, LiveBook, LiveTransaction
from holdfast.usecases.looking import open_book, open_live
from holdfast.usecases.row_notes import digest, grouped
from holdfast.usecases.row_protection import Protection, kept_only_if_committed, protect_rows
from holdfast.usecases.settling import Settle, anything, of_changes

_NAMED = 5

_Find = Callable[[Table, tuple[str, ...], Collection[Key]], Iterator[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowUndoOrder:
    """``entry``: the snapshot ``protect_rows`` made. ``force``: also over what somebody changed since."""

    entry: SnapshotEntry
    source: Source
    dry_run: bool = False
    force: bool = False
    created_by: str = ""
    report: Reporter = silent
    run: str = field(default_factory=new_id)
    settle: Settle = anything


@dataclass(slots=True, kw_only=True)
class RowUndoResult:
    """``changes`` that took the rows back; ``conflicts``: rows changed since, in words; ``undo``: its own undo.

    ``warnings``: what else the database did along with it.
    """

    run: str
    snapshot: str
    target: str
    dry_run: bool
    changes: list[Difference] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    undo: str | None = None


def undo_rows(repository: Repository, order: RowUndoOrder) -> RowUndoResult:
    """Make the rows as they were before the run. Can itself be undone.

    TargetError when rows were changed since (unless ``force``), or, always, when taking rows back would delete others.
    """
    info = order.entry.info
    result = RowUndoResult(run=order.run, snapshot=info.id, target=order.source.url, dry_run=order.dry_run)
    reader = repository.reader()
    notes = read_undo(repository.manifest(order.entry, reader), reader).created
    with (
        open_book(repository, order.entry, order.source, report=order.report) as kept,
        open_live(order.source) as live,
    ):
        if order.dry_run:
            result.changes, result.conflicts = _back(kept, live, notes, live.find)
            order.settle(of_changes(result.changes))
            result.conflicts += [each.told for each in reached_too(live, live.find, result.changes)]
            return result
        with kept_only_if_committed(repository, lambda: result.undo), live.transaction() as transaction:

            def locked(table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
                return transaction.find(table, columns, wanted, lock=True)

            result.changes, result.conflicts = _back(kept, live, notes, locked)
            _refuse_conflicts(result, force=order.force)
            order.settle(of_changes(result.changes))
            reached = reached_too(live, locked, result.changes)
            _refuse_reached(result, reached, force=order.force)
            result.conflicts += [each.told for each in reached]
            result.undo = _carry_out(repository, order, (live, transaction, locked), result, reached)
    return result


def _carry_out(
    repository: Repository, order: RowUndoOrder, place: tuple[LiveBook, LiveTransaction, _Find],
    result: RowUndoResult, reached: Sequence[Reached],
) -> str | None:  # fmt: skip
    live, transaction, find = place
    if not result.changes:
        return None
    applied = apply(live, transaction, result.changes)
    along = emptied(find, reached, result.changes)
    try:
        result.warnings = require_nothing_else(transaction, applied, along)
    except TargetError as error:  # their rows are in no snapshot, so an undo of this would not bring them back
        named = [each.told for each in reached if each.goes]
        error.why = "; ".join([error.why, *named[:_NAMED]])
        raise
    noted = (order.entry.info.more or {})["rows_undo"]
    protection = Protection(
        name=order.entry.info.source, source=order.source, book=live, changes=(*applied.changes, *along),
        run=order.run, what=f"undo of {short(order.entry.info.run)}", to=noted.get("to"),
        created_by=order.created_by, report=order.report,
    )  # fmt: skip
    return protect_rows(repository, protection).id


def _refuse_conflicts(result: RowUndoResult, *, force: bool) -> None:
    if result.conflicts and not force:
        raise TargetError(
            f"{len(result.conflicts)} rows were changed since, so nothing was taken back", where=result.target,
            why="; ".join(result.conflicts[:_NAMED]), hint="look at them, or take them back too with --force",
        )  # fmt: skip


def _refuse_reached(result: RowUndoResult, reached: Sequence[Reached], *, force: bool) -> None:
    """What goes along is in no snapshot; what loses a reference is kept by its key, and so needs one."""
    stopping = [each for each in reached if not force or (not each.goes and not each.table.key)]
    if not stopping:
        return
    more = f"; and {len(stopping) - _NAMED} more" if len(stopping) > _NAMED else ""
    raise TargetError(
        f"{len(stopping)} rows of others would be deleted or changed too, so nothing was taken back",
        where=result.target, why="; ".join(each.told for each in stopping[:_NAMED]) + more,
        hint="their table has no primary key, so it could not be brought back: change them by hand first" if force else
        "delete or move rows that would be deleted; --force goes on where they only lose a reference",
    )  # fmt: skip


def _back(kept: Book, live: LiveBook, notes: Sequence[bytes], find: _Find) -> tuple[list[Difference], list[str]]:
    changes: list[Difference] = []
    conflicts: list[str] = []
    for (name, columns), entries in grouped(notes, live).items():
        table = live.tables.get(name)
        if table is None:
            conflicts.append(f"table {name} is gone")
            continue
        by = table.key or columns
        keys = [entry.key for entry in entries]
        same = partial(typed, exact=not table.key)
        now = {same(row.key(by)): row for row in find(table, by, keys)}
        saved = kept.find(kept.tables[name], by, keys) if name in kept.tables else ()
        were = {same(row.key(by)): row for row in saved}
        for entry in entries:
            row, was = now.get(same(entry.key)), were.get(same(entry.key)) if entry.existed else None
            if _same(row, was):
                continue
            if (None if row is None else digest(row, columns)) != entry.digest:
                state = "gone" if row is None else "changed"
                conflicts.append(f"{name} {','.join(map(str, entry.key))} is {state} since")
            changes.append(_difference(name, entry.key, row, was))
    return changes, conflicts


def _difference(name: str, key: Key, row: Row | None, was: Row | None) -> Difference:
    did = Did.ADDED if row is None else Did.REMOVED if was is None else Did.CHANGED
    return Difference(table=name, did=did, key=key, before=row, after=was)


def _same(now: Row | None, was: Row | None) -> bool:
    if now is None or was is None:
        return now is was
    if now.raw != was.raw or now.values.keys() != was.values.keys():
        return False
    return all(same_value(value, was.values[name]) for name, value in now.values.items())
