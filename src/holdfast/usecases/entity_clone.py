"""Copy one entity: a second one that stands alone, proven before it is committed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.entities import cloning, proving
from holdfast.entities.applying import apply, require_nothing_else
from holdfast.entities.cloning import CloneWishes, Copies
from holdfast.entities.closure import Closure
from holdfast.entities.graph import Graph
from holdfast.entities.naming import require_column
from holdfast.entities.restoring import Decision, Wishes, decide
from holdfast.model.errors import TargetError, UsageError
from holdfast.model.ids import new_id
from holdfast.model.records import Difference, Key, Reference, Row, Table, Value
from holdfast.repository.repository import Repository
from holdfast.sources.records import Book, LiveBook, LiveTransaction
from holdfast.usecases.entity_backup import blobs_of
from holdfast.usecases.entity_finding import (
    Subject,
    choose,
    closure_in,
    graph_for,
    missing_live,
    root_of,
)
from holdfast.usecases.entity_restore import exposes, locking, refuse, require_only_ours
from holdfast.usecases.entity_saved import closure_saved
from holdfast.usecases.looking import open_book, open_live
from holdfast.usecases.row_protection import Protection, kept_only_if_committed, protect_rows
from holdfast.usecases.settling import Settle, anything, of_rows

_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCloneOrder:
    """``as_``: the new id as typed; ``values``: columns of the root to be set, as typed or as a program has them.

    ``from_``: copy what a snapshot holds, not what the application has now.
    """

    subject: Subject
    as_: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    from_: str | None = None
    users: str = "null"
    create_parents: bool = False
    dry_run: bool = False
    created_by: str = ""
    run: str = field(default_factory=new_id)
    settle: Settle = anything


@dataclass(slots=True, kw_only=True)
class EntityCloneResult:
    """``key`` of the new root. ``ids``: (old key, new key) by table. ``proofs``: what was found true, in words.

    ``blobs``: what the rows name elsewhere; the copy names the same.
    """

    run: str
    target: str
    dry_run: bool
    key: list[Any]
    ids: dict[str, list[tuple[list[Any], list[Any]]]]
    counts: dict[str, int]
    excluded: dict[str, int]
    decision: Decision
    proofs: list[str] = field(default_factory=list)
    blobs: list[tuple[str, str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    undo: str | None = None
    seconds: float = 0.0


class _DryRun(Exception):
    """Ends the transaction of a dry run."""


class Within:
    """A book as one transaction sees it."""

    def __init__(self, book: LiveBook, transaction: LiveTransaction) -> None:
        self._book, self._transaction = book, transaction

    @property
    def tables(self) -> Mapping[str, Table]:
        """See sources.records.Book."""
        return self._book.tables

    @property
    def references(self) -> Sequence[Reference]:
        """See sources.records.Book."""
        return self._book.references

    def rows(self, table: Table) -> Iterator[Row]:
        """See sources.records.Book."""
        return self._book.rows(table)

    def find(self, table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
        """Locked until the transaction ends."""
        return self._transaction.find(table, columns, wanted, lock=True)

    def parse(self, table: Table, column: str, text: str) -> Value:
        """See sources.records.Book."""
        return self._book.parse(table, column, text)


def entity_clone(repository: Repository, order: EntityCloneOrder) -> EntityCloneResult:
    """Make the copy in one transaction. A dry run makes and proves it too, and takes it back; on a server without
    transactions, where others would see it, it is only planned and looked through."""
    started = time.monotonic()
    subject = order.subject
    saved = _saved(repository, order) if order.from_ else None
    result: EntityCloneResult | None = None
    with (
        open_live(subject.source) as live,
        kept_only_if_committed(repository, lambda: result.undo if result else None),
        contextlib.suppress(_DryRun),
        live.transaction() as transaction,
    ):
        closure = saved
        if closure is None:
            now = Within(live, transaction)
            graph = graph_for(now, subject)
            root = root_of(now, graph, subject)
            if root is None:
                raise missing_live(repository, subject)
            closure = closure_in(now, graph, subject, root, whole=True)
        result = _clone(repository, order, live, transaction, closure)
        if order.dry_run:
            raise _DryRun
    assert result is not None  # noqa: S101 - set before _DryRun is raised
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _saved(repository: Repository, order: EntityCloneOrder) -> Closure:
    subject = order.subject
    entry = choose(repository, subject, order.from_)
    with open_book(repository, entry, subject.source, report=subject.report) as book:
        return closure_saved(repository, book, subject, entry)


def _clone(
    repository: Repository, order: EntityCloneOrder, live: LiveBook, transaction: LiveTransaction, closure: Closure
) -> EntityCloneResult:
    subject, find = order.subject, locking(transaction)
    wishes = _wishes(order, live, closure.graph)
    _require_free(live, transaction, closure.graph.root, wishes.as_)
    copies = cloning.copies_of(closure, live.tables, wishes, transaction.next_id, find)
    made = proving.closure_of_copies(copies, live.tables)
    decision = decide(made, live, find, Wishes(users=order.users, create_parents=order.create_parents))
    refuse(decision, subject, "clone")
    order.settle(of_rows((f"{each.role} {each.table}", each.row, None) for each in closure.members.values()))
    result = EntityCloneResult(
        run=order.run, target=subject.source.url, dry_run=order.dry_run,
        key=_plain(live, copies.rows[closure.root.identity].key(closure.graph.root.key)),
        blobs=blobs_of(closure), ids=_ids(live, copies),
        counts=made.counts("owned"), excluded=copies.excluded, decision=decision,
        warnings=[*decision.warnings, *_blob_warning(closure)],
    )  # fmt: skip
    if order.dry_run and exposes(live):
        _require_apart(copies, [(each.table, each.after) for each in decision.changes if each.after is not None])
        result.proofs = ["no reference to an id of the original"]
        result.warnings.append("nothing was tried: this server has no transactions, and others would see the copy")
        return result
    originals = _originals(live, transaction, copies)
    applied = apply(live, transaction, decision.changes)
    require_only_ours(transaction, applied)
    result.warnings += require_nothing_else(transaction, applied)
    result.proofs = _prove(live, transaction, copies, applied.changes, originals)
    if not order.dry_run:
        protection = Protection(
            name=subject.declaration.source, source=subject.source, book=live, changes=applied.changes, run=order.run,
            what=f"clone of {subject.spoken}", created_by=order.created_by, report=subject.report,
        )  # fmt: skip
        result.undo = protect_rows(repository, protection).id
    return result


def _require_free(live: LiveBook, transaction: LiveTransaction, root: Table, key: Key | None) -> None:
    if key is not None and next(transaction.find(live.tables[root.name], root.key, [key]), None) is not None:
        taken = ",".join(map(str, key))
        raise UsageError(f"the id {taken} is taken", where=root.name, hint="give another with --as, or none")


def _wishes(order: EntityCloneOrder, book: Book, graph: Graph) -> CloneWishes:
    subject, root = order.subject, graph.root
    declared = cloning.rules_of(book.tables, root, subject.declaration, subject.where)
    values = {}
    for column, given in order.values.items():
        require_column(root, column, where="--set")
        values[column] = _value(book, root, column, given)
    as_ = None
    if order.as_ is not None:
        typed = order.as_.split(",") if len(root.key) > 1 else [order.as_]
        if len(typed) != len(root.key):
            raise UsageError(f"{order.as_} is no id of {root.name}", hint=f"give {','.join(root.key)}")
        as_ = tuple(book.parse(root, *pair) for pair in zip(root.key, typed, strict=True))
    return replace(declared, entity=subject.name, as_=as_, values=values)


def _value(book: Book, root: Table, column: str, given: Any) -> Value:
    """As typed, or as a program has it: documents take a value as it is, columns read it as they read its text."""
    if given is None or (not root.columns and not isinstance(given, str)):
        none_or_own: Value = given
        return none_or_own
    if isinstance(given, bytes | list | dict | tuple | set):
        raise UsageError(
            f"{column} cannot be set to a value of type {type(given).__name__}", where=root.name,
            hint="give it as the text that the database reads",
        )  # fmt: skip
    return book.parse(root, column, str(int(given)) if isinstance(given, bool) else str(given))


def _originals(live: LiveBook, transaction: LiveTransaction, copies: Copies) -> dict[str, list[Row]]:
    """The rows that were copied, as the application has them now."""
    found: dict[str, list[Row]] = {}
    groups: dict[str, list[Key]] = {}
    for identity in copies.rows:
        if live.tables[identity[0]].key:
            groups.setdefault(identity[0], []).append(identity[1])
    for name, keys in groups.items():
        table = live.tables[name]
        rows = transaction.find(table, table.key, keys)
        found[name] = sorted(rows, key=lambda row, table=table: str(row.key(table.key)))  # type: ignore[misc]
    return found


def _prove(
    live: LiveBook, transaction: LiveTransaction, copies: Copies, changes: Sequence[Difference],
    originals: Mapping[str, list[Row]],
) -> list[str]:  # fmt: skip
    """TargetError, and so no copy, unless it is whole, stands alone, and left the original as it was."""
    made = [(change.table, change.after) for change in changes if change.before is None and change.after is not None]
    wanted: dict[str, int] = {}
    for identity in copies.rows:
        wanted[identity[0]] = wanted.get(identity[0], 0) + 1
    counted: dict[str, int] = {}
    for name, _ in made:
        counted[name] = counted.get(name, 0) + 1
    if short := [name for name, number in wanted.items() if counted.get(name, 0) < number]:
        raise TargetError(f"the copy is not whole: {', '.join(short)}", hint="nothing was changed")
    _require_apart(copies, made)
    if _originals(live, transaction, copies) != originals:
        raise TargetError("the original would change along with the copy", hint="nothing was changed; a trigger?")
    rows = sum(wanted.values())
    return [
        f"as many rows as the original: {rows}",
        "no reference to an id of the original",
        f"the original is as it was: {sum(map(len, originals.values()))} rows compared",
    ]


def _require_apart(copies: Copies, made: Sequence[tuple[str, Row]]) -> None:
    if left := proving.left_behind(copies.closure.graph, copies, made):
        raise TargetError(
            "the copy would still refer to the original", why="; ".join(left[:_NAMED]),
            hint="nothing was changed; declare the edge in holdfast.toml: [[entities.….edges]]",
        )  # fmt: skip


def _ids(book: Book, copies: Copies) -> dict[str, list[tuple[list[Any], list[Any]]]]:
    found: dict[str, list[tuple[list[Any], list[Any]]]] = {}
    for name, old, new in copies.ids():
        key = book.tables[name].key
        if key:
            found.setdefault(name, []).append((_plain(book, old.key(key)), _plain(book, new.key(key))))
    return found


def _plain(book: Book, key: Key) -> list[Any]:
    return [book.plain(value) for value in key]


def _blob_warning(closure: Closure) -> list[str]:
    blobs = blobs_of(closure)
    told = f"{len(blobs)} values name objects that are kept elsewhere: they are not copied, the copy names the same"
    return [told] if blobs else []
