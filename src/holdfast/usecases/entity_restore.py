"""Bring one entity back, with everything that belongs to it, in one transaction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from holdfast.entities.applying import Applied, apply, require_nothing_else, require_order
from holdfast.entities.asking import Find
from holdfast.entities.closure import Closure
from holdfast.entities.naming import table_named
from holdfast.entities.restoring import Decision, Wishes, decide
from holdfast.model.errors import TargetError
from holdfast.model.ids import new_id
from holdfast.model.records import Did, Key, Row, Table
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.records import Exposed, LiveBook, LiveTransaction, Retyping
from holdfast.usecases.entity_backup import blobs_of
from holdfast.usecases.entity_finding import Subject, choose, title_of
from holdfast.usecases.entity_saved import closure_saved, left_out
from holdfast.usecases.looking import open_book, open_live
from holdfast.usecases.row_protection import Protection, kept_only_if_committed, protect_rows
from holdfast.usecases.settling import Settle, anything, of_changes

_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRestoreOrder:
    """``from_``: a snapshot's name, or a time; None: the newest snapshot that has the entity."""

    subject: Subject
    from_: str | None = None
    wishes: Wishes = field(default_factory=Wishes)
    dry_run: bool = False
    created_by: str = ""
    run: str = field(default_factory=new_id)
    settle: Settle = anything


@dataclass(slots=True, kw_only=True)
class EntityRestoreResult:
    """``decision``: every row with what becomes of it; ``applied`` None after a dry run or when nothing had to change.

    ``blobs``: what its rows name elsewhere, which is not restored. ``undo``: the snapshot ``undo RUN`` goes back to.
    """

    run: str
    entry: SnapshotEntry
    target: str
    title: str | None
    decision: Decision
    dry_run: bool
    applied: Applied | None = None
    blobs: list[tuple[str, str, str]] = field(default_factory=list)
    undo: str | None = None
    seconds: float = 0.0

    def counts(self) -> dict[str, dict[str, int]]:
        """Rows by table and action."""
        found: dict[str, dict[str, int]] = {}
        for step in self.decision.steps:
            told = found.setdefault(step.table, {})
            told[step.action] = told.get(step.action, 0) + 1
        return found


def entity_restore(repository: Repository, order: EntityRestoreOrder) -> EntityRestoreResult:
    """Do it, or with ``dry_run`` try it, take it back, and tell what would be done.

    TargetError with reasons when it must not be; then nothing was changed.
    """
    started = time.monotonic()
    subject = order.subject
    entry = choose(repository, subject, order.from_)
    with open_book(repository, entry, subject.source, report=subject.report) as book:
        closure = closure_saved(repository, book, subject, entry)
        tables = dict(book.tables)
        only = tuple(table_named(book.tables, name, where="--only").name for name in order.wishes.only)
    wishes = replace(order.wishes, only=only)
    with open_live(subject.source) as live:
        _retype(live, tables, closure)
        result = _carry_out(repository, order, entry, live, closure, wishes)
    result.decision.warnings += left_out(entry, closure)
    result.blobs = blobs_of(closure)
    result.title = title_of(closure.root.row, subject)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _retype(live: LiveBook, were: Mapping[str, Table], closure: Closure) -> None:
    """Rows as columns that have another type by now would hold them."""
    for name, members in closure.by_table().items():
        if isinstance(live, Retyping) and name in live.tables and name in were:
            found = live.retyped(were[name], live.tables[name], [member.row for member in members])
            for number, (member, row) in enumerate(zip(members, found.rows, strict=True)):
                member.row, member.lost = row, found.lost.get(number, "")


def _carry_out(
    repository: Repository,
    order: EntityRestoreOrder,
    entry: SnapshotEntry,
    live: LiveBook,
    closure: Closure,
    wishes: Wishes,
) -> EntityRestoreResult:
    result = EntityRestoreResult(
        run=order.run, entry=entry, target=order.subject.source.url, title=None, decision=Decision(),
        dry_run=order.dry_run,
    )  # fmt: skip
    if order.dry_run:
        result.decision = decide(closure, live, live.find, wishes)
        order.settle(of_changes(result.decision.changes))
        try:
            require_order(live, result.decision.changes)
            if result.decision.changes and not result.decision.refusals and not exposes(live):
                _try(live, result.decision)
        except TargetError as error:
            result.decision.refusals.append("; ".join(filter(None, (error.what, error.why or error.hint))))
        return result
    with kept_only_if_committed(repository, lambda: result.undo), live.transaction() as transaction:
        result.decision = decide(closure, live, locking(transaction), wishes)
        refuse(result.decision, order.subject)
        order.settle(of_changes(result.decision.changes))
        if result.decision.changes:
            result.applied = apply(live, transaction, result.decision.changes)
            require_only_ours(transaction, result.applied)
            result.decision.warnings += require_nothing_else(transaction, result.applied)
            result.undo = protect_rows(repository, _protection(order, live, result.applied)).id
    return result


def exposes(live: LiveBook) -> bool:
    """Whether others see what is written before the end, so that nothing can be tried."""
    return isinstance(live, Exposed) and live.exposes


class _Tried(Exception):
    """Ends the transaction of a dry run."""


def _try(live: LiveBook, decision: Decision) -> None:
    """Write it and take it back: only the database knows all that it refuses."""
    with contextlib.suppress(_Tried), live.transaction() as transaction:
        applied = apply(live, transaction, decision.changes)
        require_only_ours(transaction, applied)
        decision.warnings += require_nothing_else(transaction, applied)
        raise _Tried


def _protection(order: EntityRestoreOrder, live: LiveBook, applied: Applied) -> Protection:
    return Protection(
        name=order.subject.declaration.source,
        source=order.subject.source,
        book=live,
        changes=applied.changes,
        run=order.run,
        what=f"restore of {order.subject.spoken}",
        created_by=order.created_by,
        report=order.subject.report,
    )


def locking(transaction: LiveTransaction) -> Find:
    """``find`` within a transaction, nobody else changing what it gave until the end."""

    def find(table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        return transaction.find(table, columns, wanted, lock=True)

    return find


def refuse(decision: Decision, subject: Subject, verb: str = "restore") -> None:
    """TargetError when the decision must not be carried out."""
    if not decision.refusals:
        return
    first, *others = decision.refusals
    more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    raise TargetError(
        first, where=subject.source.url, why="; ".join(others[:_NAMED]) + more,
        hint=f"nothing was changed; look: holdfast entity {verb} {subject.spoken} --dry-run",
    )  # fmt: skip


def require_only_ours(transaction: LiveTransaction, applied: Applied) -> None:
    """TargetError when the server counts fewer rows than were written."""
    meant: dict[str, int] = {}
    for change in applied.changes:
        meant[change.table] = meant.get(change.table, 0) + (change.did is Did.ADDED)
    counted = transaction.affected()
    for name, number in meant.items():
        if (told := counted.get(name, (0, 0, 0))[0]) < number:
            what = f"{number} rows were written to {name}, the database counts {told}"
            raise TargetError(what, where=name, hint="nothing was changed")
