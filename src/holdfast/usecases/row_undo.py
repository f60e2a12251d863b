"""Changes of single rows that can be taken back: what they were is kept before, what they became is remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from holdfast.entities.applying import apply, require_nothing_else
from holdfast.entities.reaching import reached_too
from holdfast.model.errors import Damaged, HoldfastError, TargetError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import new_id, short
from holdfast.model.records import Did, Difference, Key, Row, Table, Value
from holdfast.model.sameness import typed
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.repository.undoing import read_undo
from holdfast.sources.base import Source
from holdfast.sources.records import Book, LiveBook, LiveTransaction, Recorded
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.looking import open_book, open_live

_NAMED = 5
# connection, operator intervention, system and internal errors: the transaction may be committed for all that
_UNANSWERED = ("08", "57", "58", "XX")
_UNKNOWN = "40003"
_PLAIN = (bool, int, float, bytes, type(None))


_Find = Callable[[Table, tuple[str, ...], Collection[Key]], Iterator[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """``changes`` about to be committed to ``source`` (``name``), their ``after`` as the database holds it.

    ``to``: place of the source when it is not the configured one. ``more``: further facts for the snapshot.
    """

    name: str
    source: Source
    book: Book
    changes: Sequence[Difference]
    run: str
    what: str = ""
    to: str | None = None
    created_by: str = ""
    report: Reporter = silent
    more: Mapping[str, Any] = field(default_factory=dict)


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


@dataclass(slots=True, kw_only=True)
class RowUndoResult:
    """``changes`` that took the rows back; ``conflicts``: rows changed since, in words; ``undo``: its own undo."""

    run: str
    snapshot: str
    target: str
    dry_run: bool
    changes: list[Difference] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    undo: str | None = None


def is_row_undo(info: SnapshotInfo) -> bool:
    """Whether ``protect_rows`` made this snapshot."""
    return bool(info.more and "rows_undo" in info.more)


def protect_rows(repository: Repository, order: Protection) -> SnapshotInfo:
    """Keep what ``undo_rows`` needs, before the changes are committed. Whatever is raised means: do not commit."""
    assert isinstance(order.source, Recorded)  # noqa: S101 - only such a source has a live book
    before: dict[str, list[Row]] = {}
    for change in order.changes:
        if change.before is not None:
            before.setdefault(change.table, []).append(change.before)
    counts: dict[str, dict[str, int]] = {}
    for change in order.changes:
        told = counts.setdefault(change.table, {})
        told[change.did.value] = told.get(change.did.value, 0) + 1
    more = {**order.more, "rows_undo": {"run": order.run, "what": order.what, "tables": counts, "to": order.to}}
    request = BackupRequest(
        sources={order.name: order.source.of_rows(order.book, before)},
        name=f"undo-{short(order.run)}",
        trigger="pre-restore",
        created_by=order.created_by,
        run=order.run,
        report=order.report,
        undo={"to": order.to, "only": []},
        created=_notes(order.book, order.changes),
        more=more,
    )
    made = backup(repository, request)
    for error in made.failures.values():
        error.what = f"the snapshot for undo failed, so nothing was changed: {error.what}"
        raise error
    if missing := [text for texts in made.missing.values() for text in texts]:
        raise TargetError(
            "what would be changed cannot be saved whole, so nothing was changed", why="; ".join(missing[:_NAMED])
        )
    _require_stored(repository, order, made.snapshots[0], before)
    return made.snapshots[0]


def _require_stored(
    repository: Repository, order: Protection, info: SnapshotInfo, before: Mapping[str, Sequence[Row]]
) -> None:
    """Damaged unless the snapshot gives back every row that is removed or replaced; it is forgotten then."""
    if not before:
        return
    entry = next(each for each in repository.snapshots() if each.info.id == info.id)
    try:
        with open_book(repository, entry, order.source) as book:
            for name, rows in before.items():
                made = {column.name for column in order.book.tables[name].columns if column.generated}
                found = book.rows(book.tables[name]) if name in book.tables else ()
                if Counter(_image(row, made) for row in rows) != Counter(_image(row, made) for row in found):
                    raise Damaged(
                        f"snapshot {short(info.id)} does not hold {name} as it was, so nothing was changed",
                        where=info.source, hint="holdfast check",
                    )  # fmt: skip
    except HoldfastError:
        with contextlib.suppress(HoldfastError):
            repository.forget([info.id])
        raise


def _image(row: Row, without: Collection[str]) -> tuple[object, ...]:
    """Types count: 1 and 1.0 are two values."""
    if row.raw:
        return (row.raw,)
    told = ((name, type(value).__name__, repr(value)) for name, value in row.values.items() if name not in without)
    return tuple(sorted(told))


@contextlib.contextmanager
def kept_only_if_committed(repository: Repository, kept: Callable[[], str | None]) -> Iterator[None]:
    """Around a transaction: when the database refuses it, the snapshot for its undo (``kept``) is forgotten again.

    A commit that was not answered may have happened: the snapshot stays.
    """
    try:
        yield
    except BaseException as error:
        if (snapshot := kept()) is not None and _is_refusal(error):
            with contextlib.suppress(HoldfastError):  # it serves no undo, and does no harm
                repository.forget([snapshot])
        raise


def _is_refusal(error: BaseException) -> bool:
    """Whether the database itself said no, so that nothing was committed."""
    cause: BaseException | None = error
    while cause is not None:
        state = getattr(cause, "sqlstate", None) or ""
        if state and state[:2] not in _UNANSWERED and state != _UNKNOWN:
            return True
        if getattr(cause, "sqlite_errorname", "").startswith("SQLITE_CONSTRAINT"):
            return True
        cause = cause.__cause__
    return False


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
            result.conflicts += reached_too(live, live.find, result.changes)
            return result
        with kept_only_if_committed(repository, lambda: result.undo), live.transaction() as transaction:

            def locked(table: Table, columns: tuple[str, ...], wanted: Collection[Key]) -> Iterator[Row]:
                return transaction.find(table, columns, wanted, lock=True)

            result.changes, result.conflicts = _back(kept, live, notes, locked)
            _refuse_conflicts(result, force=order.force)
            reached = reached_too(live, locked, result.changes)
            _refuse_reached(result, reached, force=order.force)
            result.conflicts += reached
            result.undo = _carry_out(repository, order, live, transaction, result)
    return result


def _carry_out(
    repository: Repository, order: RowUndoOrder, live: LiveBook, transaction: LiveTransaction, result: RowUndoResult
) -> str | None:
    if not result.changes:
        return None
    applied = apply(live, transaction, result.changes)
    try:
        require_nothing_else(transaction, result.changes)
    except TargetError as error:  # their rows are in no snapshot, so an undo of this would not bring them back
        named = [each for each in result.conflicts if "came later" in each]
        error.why = "; ".join([error.why, *named[:_NAMED]])
        raise
    noted = (order.entry.info.more or {})["rows_undo"]
    protection = Protection(
        name=order.entry.info.source, source=order.source, book=live, changes=applied.changes, run=order.run,
        what=f"undo of {short(order.entry.info.run)}", to=noted.get("to"), created_by=order.created_by,
        report=order.report,
    )  # fmt: skip
    return protect_rows(repository, protection).id


def _refuse_conflicts(result: RowUndoResult, *, force: bool) -> None:
    if result.conflicts and not force:
        raise TargetError(
            f"{len(result.conflicts)} rows were changed since, so nothing was taken back", where=result.target,
            why="; ".join(result.conflicts[:_NAMED]), hint="look at them, or take them back too with --force",
        )  # fmt: skip


def _refuse_reached(result: RowUndoResult, reached: Sequence[str], *, force: bool) -> None:
    if reached and not force:
        more = f"; and {len(reached) - _NAMED} more" if len(reached) > _NAMED else ""
        raise TargetError(
            f"{len(reached)} rows of others would be deleted or changed too, so nothing was taken back",
            where=result.target, why="; ".join(reached[:_NAMED]) + more,
            hint="delete or move rows that would be deleted; --force goes on where they only lose a reference",
        )  # fmt: skip


def _back(kept: Book, live: LiveBook, notes: Sequence[bytes], find: _Find) -> tuple[list[Difference], list[str]]:
    changes: list[Difference] = []
    conflicts: list[str] = []
    for (name, columns), entries in _grouped(notes, live).items():
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
    return now.values == was.values and now.raw == was.raw


# -- what is remembered of rows: a header for each table and its columns, then [key, digest after, existed before]


@dataclass(frozen=True, slots=True)
class _Entry:
    key: Key
    digest: bytes | None
    existed: bool


def digest(row: Row, columns: Sequence[str]) -> bytes:
    """Tells whether these columns of a row are as they were."""
    told = row.raw or repr([row.values.get(column) for column in columns]).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(told, digest_size=16).digest()


def _notes(book: Book, changes: Sequence[Difference]) -> Iterator[bytes]:
    last: tuple[str, tuple[str, ...]] | None = None
    for change in changes:
        row = change.after if change.after is not None else change.before
        assert row is not None  # noqa: S101 - a difference has one side at least
        columns = tuple(row.values) if not row.raw else ()
        if last != (change.table, columns):
            last = (change.table, columns)
            yield msgspec.msgpack.encode([change.table, list(columns)])
        table = book.tables[change.table]
        key = row.key(table.key or columns)
        after = None if change.after is None else digest(change.after, columns)
        yield msgspec.msgpack.encode([[_packed(book, value) for value in key], after, change.before is not None])


def _grouped(notes: Sequence[bytes], book: Book) -> dict[tuple[str, tuple[str, ...]], list[_Entry]]:
    found: dict[tuple[str, tuple[str, ...]], list[_Entry]] = {}
    group: list[_Entry] = []
    table: Table | None = None
    columns: tuple[str, ...] = ()
    try:
        for raw in notes:
            note = msgspec.msgpack.decode(raw)
            if len(note) == 2:
                table, columns = book.tables.get(note[0]), tuple(note[1])
                group = found.setdefault((note[0], columns), [])
                continue
            by = (table.key if table else ()) or columns
            key = tuple(
                _unpacked(book, table, by[number] if number < len(by) else "", value)
                for number, value in enumerate(note[0])
            )
            group.append(_Entry(key, note[1], note[2]))
    except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
        raise Damaged("what an undo needs to know cannot be read", why=str(error)) from error
    return found


def _packed(book: Book, value: Value) -> Any:
    """Text and numbers as they are; text that is not valid as its bytes; a kind's own types as they are typed in."""
    if isinstance(value, str):
        return value if _is_valid(value) else ["s", value.encode("utf-8", "surrogateescape")]
    if type(value) not in _PLAIN:
        return ["t", json.dumps(book.plain(value))]
    return value


def _unpacked(book: Book, table: Table | None, column: str, value: Any) -> Value:
    if not isinstance(value, list):
        packed: Value = value
        return packed
    if value[0] == "s":
        return bytes(value[1]).decode("utf-8", "surrogateescape")
    return book.parse(table, column, value[1]) if table is not None else str(value[1])


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
