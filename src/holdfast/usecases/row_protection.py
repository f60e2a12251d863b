"""Rows about to be changed are kept first, read back out of the repository, and forgotten when nothing was changed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.model.errors import Damaged, HoldfastError, TargetError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import short
from holdfast.model.records import Difference, Row
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.records import Book, Recorded
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.looking import open_book
from holdfast.usecases.row_notes import notes_of

_NAMED = 5
# connection, operator intervention, system and internal errors: the transaction may be committed for all that
_UNANSWERED = ("08", "57", "58", "XX")
_UNKNOWN = "40003"


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
        created=notes_of(order.book, order.changes),
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
