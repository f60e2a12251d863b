"""Delete one entity, after everything that goes with it was captured, stored and read back."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from holdfast.entities.applying import apply
from holdfast.entities.closure import Closure, Identity, Member, Rows
from holdfast.entities.ordering import spoken
from holdfast.model.errors import Damaged, HoldfastError, TargetError
from holdfast.model.ids import new_id, short
from holdfast.model.records import Did, Difference, Reference, Row
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.guarding import Signing
from holdfast.sources.records import Book, LiveBook
from holdfast.usecases.delete_proof import image, require_equal, touched
from holdfast.usecases.entity_backup import EntityBackupOrder, keep
from holdfast.usecases.entity_clone import Within
from holdfast.usecases.entity_finding import Subject, closure_in, graph_for, missing_live, root_of
from holdfast.usecases.looking import open_book, open_live
from holdfast.usecases.settling import Settle, anything, of_rows

TRIGGER = "pre-delete"
_NAMED = 5
_TRIES = 6
# PostgreSQL: serialization failure, deadlock; MongoDB: write conflict
_CLASHES = ("40001", "40P01", 112)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityDeleteOrder:
    """``force``: rows outside that refer to it, and would forbid the delete, refer to nothing afterwards."""

    subject: Subject
    force: bool = False
    dry_run: bool = False
    created_by: str = ""
    config: str = ""
    run: str = field(default_factory=new_id)
    settle: Settle = anything


@dataclass(slots=True, kw_only=True)
class EntityDeleteResult:
    """``deleted`` by table, as the database counted; ``unlinked``: rows outside that refer to it no more.

    ``touched``: rows of other tables that triggers of the application changed meanwhile; what they were is not
    captured. ``snapshot`` None after a dry run. ``blocked``: why it would be refused.
    """

    run: str
    target: str
    dry_run: bool
    deleted: Mapping[str, int] = field(default_factory=dict)
    unlinked: Mapping[str, int] = field(default_factory=dict)
    touched: Mapping[str, int] = field(default_factory=dict)
    blocked: tuple[str, ...] = ()
    snapshot: SnapshotInfo | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was stored, and found again in the repository, before anything may be deleted."""

    closure: Closure
    snapshot: SnapshotInfo


def entity_delete(repository: Repository, order: EntityDeleteOrder) -> EntityDeleteResult:
    """Do it. TargetError, and nothing is deleted, when the database would delete anything that was not captured.

    Whatever goes wrong while capturing means that nothing is deleted.
    """
    started = time.monotonic()
    result = EntityDeleteResult(run=order.run, target=order.subject.source.url, dry_run=order.dry_run)
    with open_live(order.subject.source) as live:
        if order.dry_run:
            closure = find_whole(repository, order.subject, live)
            order.settle(_sum(closure))
            result.deleted = closure.counts("owned")
            result.blocked, result.unlinked = _outside(live, closure, force=order.force)
        else:
            _carry_out_in_the_end(repository, order, live, result)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def find_whole(repository: Repository, subject: Subject, rows: Rows) -> Closure:
    """Everything that belongs to it now. UsageError when it is not there."""
    graph = graph_for(rows, subject)
    root = root_of(rows, graph, subject)
    if root is None:
        raise missing_live(repository, subject)
    return closure_in(rows, graph, subject, root, whole=True)


def capture(
    repository: Repository, order: EntityDeleteOrder, book: Book, closure: Closure,
    signature: tuple[str, str] | None = None,
) -> Captured:  # fmt: skip
    """Store a closure and read it back out of the repository. Whatever is raised means: do not delete.

    ``signature``: how a guard will know the delete, so that the trash tells it once.
    """
    known = dict(zip(("transaction", "began"), signature or (), strict=False))
    saving = EntityBackupOrder(
        subject=order.subject, trigger=TRIGGER, created_by=order.created_by, config=order.config, run=order.run,
        more={"deleted": {"by": order.created_by, "run": order.run, **known}},
    )  # fmt: skip
    info = keep(repository, saving, book, closure).snapshot
    try:
        _verify(repository, order.subject.source, info, closure)
    except HoldfastError:
        drop(repository, info)
        raise
    return Captured(closure=closure, snapshot=info)


def drop(repository: Repository, info: SnapshotInfo) -> None:
    """It was never told to anybody, so nothing in the trash may say so; a failure of this leaves a snapshot more."""
    with contextlib.suppress(HoldfastError):
        repository.forget([info.id])


def drop_if_whole(repository: Repository, source: Source, captured: Captured) -> None:
    """Forget what was captured when a new connection finds every row of it; a row too much in the trash does no harm.

    To be asked only once no transaction may delete them any more.
    """
    with contextlib.suppress(HoldfastError), open_live(source) as book:
        for name, members in captured.closure.by_table("owned").items():
            table = book.tables.get(name)
            if table is None:
                return
            wanted = Counter(image(member.row) for member in members)
            columns = table.key or tuple(members[0].row.values)
            keys = [member.row.key(columns) for member in members]
            if wanted - Counter(image(row) for row in book.find(table, columns, keys)):
                return
        repository.forget([captured.snapshot.id])


def _carry_out_in_the_end(
    repository: Repository, order: EntityDeleteOrder, live: LiveBook, result: EntityDeleteResult
) -> None:  # fmt: skip
    """Again, when the database ended the transaction because it and another one waited for each other."""
    for left in reversed(range(_TRIES)):
        try:
            _carry_out(repository, order, live, result)
        except HoldfastError as error:
            if result.snapshot is not None or not _is_deadlock(error):
                raise
            error.hint, error.retryable = "others were changing the same rows: run again; nothing was deleted", True
            if not left:
                raise
        else:
            return
        time.sleep(random.uniform(0.05, 0.3) * (_TRIES - left))


def _is_deadlock(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "sqlstate", None) in _CLASHES or getattr(cause, "code", None) in _CLASHES:
            return True
        cause = cause.__cause__
    return False


def _carry_out(repository: Repository, order: EntityDeleteOrder, live: LiveBook, result: EntityDeleteResult) -> None:
    captured, signing = None, None
    try:
        with live.transaction() as transaction:
            signing = transaction if isinstance(transaction, Signing) else None
            closure = find_whole(repository, order.subject, Within(live, transaction))
            blocked, result.unlinked = _outside(live, closure, force=order.force)
            if blocked:
                raise TargetError(
                    f"other rows refer to {order.subject.spoken}, so it cannot be deleted", where=result.target,
                    why="; ".join(blocked[:_NAMED]), hint="nothing was deleted; --force makes them refer to nothing",
                )  # fmt: skip
            order.settle(_sum(closure))
            captured = capture(repository, order, live, closure, signing.signature() if signing else None)
            changes = [*_unlinking(live, closure, force=order.force), *_removing(closure)]
            apply(live, transaction, changes)
            if signing:
                signing.settle()
            result.deleted = require_equal(live, transaction, closure)
            result.touched = touched(transaction, closure, result.unlinked)
            if signing:
                signing.sign()
            result.snapshot = captured.snapshot
    except BaseException:
        # a commit that failed may have happened: what was captured is kept then
        if captured is not None and result.snapshot is None:
            if signing is not None:
                drop(repository, captured.snapshot)  # it was never asked to commit: nothing is gone
            else:
                drop_if_whole(repository, order.subject.source, captured)
        raise


def _sum(closure: Closure) -> str:
    return of_rows((f"{each.role} {each.table}", each.row, None) for each in closure.members.values())


def _verify(repository: Repository, source: Source, info: SnapshotInfo, closure: Closure) -> None:
    """Damaged unless the snapshot gives back every row that was captured, and no other."""
    entry = next(each for each in repository.snapshots() if each.info.id == info.id)
    with open_book(repository, entry, source) as book:
        for name, members in closure.by_table().items():
            wanted = Counter(image(member.row) for member in members)
            found = Counter(image(row) for row in book.rows(book.tables[name]))
            if wanted != found:
                raise Damaged(
                    f"snapshot {short(info.id)} does not hold {name} as it was read, so nothing was deleted",
                    where=info.source, hint="holdfast check",
                )  # fmt: skip


def _linked(closure: Closure) -> Iterator[tuple[Member, Reference]]:
    """Rows outside with the reference of the database that names a row of the entity."""
    for member, edges in closure.links():
        for edge in edges:
            if not edge.inside:
                yield member, edge.reference


def _outside(live: LiveBook, closure: Closure, *, force: bool) -> tuple[tuple[str, ...], dict[str, int]]:
    """(what forbids the delete, rows by table that will refer to nothing)."""
    known = {(each.table, each.columns, each.to) for each in live.references}
    blocked, unlinked = Counter[str](), dict[Identity, str]()
    for member, reference in _linked(closure):
        if (reference.table, reference.columns, reference.to) not in known:
            continue
        if reference.on_delete in ("set null", "set default") or (force and reference.nullable):
            unlinked[member.identity] = member.table
        elif reference.on_delete != "cascade":
            blocked[spoken(reference) + ("" if reference.nullable else ", which may not be NULL")] += 1
    return tuple(f"{number} rows by {name}" for name, number in blocked.items()), dict(Counter(unlinked.values()))


def _unlinking(live: LiveBook, closure: Closure, *, force: bool) -> Iterator[Difference]:
    """With ``force``, what would forbid the delete is made to refer to nothing first.

    What the database empties itself is left to it.
    """
    if not force:
        return
    emptied: dict[Identity, Member] = {}
    columns: dict[Identity, set[str]] = {}
    lost: dict[Identity, set[str]] = {}
    for member, reference in _linked(closure):
        if reference.on_delete in ("no action", "restrict") and reference.nullable:
            emptied[member.identity] = member
            fixed = {column.name for column in live.tables[member.table].columns if not column.nullable}
            columns.setdefault(member.identity, set()).update(set(reference.columns) - fixed)
        elif reference.on_delete in ("set null", "set default"):
            lost.setdefault(member.identity, set()).update(reference.columns)
    for identity, member in emptied.items():
        own = lost.get(identity, set()) - set(live.tables[member.table].key)
        values = {name: value for name, value in member.row.values.items() if name not in own}
        after = Row({**values, **dict.fromkeys(columns[identity])}, b"")
        yield Difference(table=member.table, did=Did.CHANGED, key=identity[1], before=member.row, after=after)


def _removing(closure: Closure) -> Iterator[Difference]:
    for member in closure.members.values():
        if member.role == "owned":
            yield Difference(table=member.table, did=Did.REMOVED, key=member.identity[1], before=member.row)
