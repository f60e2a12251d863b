"""Ask a snapshot in SQL, or two side by side, without restoring either."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.events import Reporter, silent
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.records.sql.session import Answer, open_session
from holdfast.repository.repository import Repository
from holdfast.sources.records import Book
from holdfast.usecases.find import SourceOf
from holdfast.usecases.looking import open_library


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlOrder:
    """``compare``: another snapshot; the tables of both are then in the schemas ``a`` and ``b``."""

    snapshot: str
    sql: str
    compare: str | None = None
    source: SourceOf
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class SqlResult:
    """``answer``'s rows come while they are drained, within the context only."""

    snapshots: list[SnapshotInfo]
    answer: Answer


@contextlib.contextmanager
def sql(repository: Repository, order: SqlOrder) -> Iterator[SqlResult]:
    """Carry out one SELECT. UsageError for anything else; MissingTool without DuckDB."""
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    infos = [entry.info for entry in entries.values()]
    chosen = [names.one(name, infos) for name in (order.snapshot, order.compare) if name is not None]
    schemas = ("a", "b") if order.compare is not None else ("",)
    with contextlib.ExitStack() as stack:
        opened = [entries[info.id] for info in chosen]
        library = stack.enter_context(open_library(repository, opened, report=order.report))
        books: dict[str, Book] = {
            schema: stack.enter_context(library.open(entry, order.source(entry.info)))
            for schema, entry in zip(schemas, opened, strict=True)
        }
        session = stack.enter_context(open_session(books))
        yield SqlResult(snapshots=chosen, answer=session.ask(order.sql))
