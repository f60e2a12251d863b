"""Take a snapshot of one entity: everything that belongs to it, from one consistent point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.entities.closure import Closure
from holdfast.entities.paths import values_at
from holdfast.model.ids import new_id
from holdfast.model.records import Row
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.records import Book, Recorded
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.entity_finding import Subject, closure_in, graph_for, key_texts, missing_live, root_of, title_of
from holdfast.usecases.entity_people import people_of
from holdfast.usecases.looking import open_live

_LOOSE = ("shared", "reference")
"""What is told by how many tables name a row, of which an entity's snapshot holds only some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityBackupOrder:
    """``name`` labels the snapshot; ``more``: further facts for it."""

    subject: Subject
    name: str | None = None
    pin: bool = False
    trigger: str = "manual"
    created_by: str = ""
    config: str = ""
    run: str = field(default_factory=new_id)
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class EntityBackupResult:
    """``counts`` by table of what belongs to it; ``beside``: rows it names or that point at it, by role.

    ``users``: references to people, who are not taken along. ``blobs``: what its rows name elsewhere.
    """

    run: str
    snapshot: SnapshotInfo
    counts: dict[str, int]
    beside: dict[str, dict[str, int]]
    users: int
    blobs: list[tuple[str, str, str]]


def entity_backup(repository: Repository, order: EntityBackupOrder) -> EntityBackupResult:
    """Take it. UsageError when there is no such row, or too much would belong to it."""
    subject = order.subject
    with open_live(subject.source) as book:
        graph = graph_for(book, subject)
        root = root_of(book, graph, subject)
        if root is None:
            raise missing_live(repository, subject)
        closure = closure_in(book, graph, subject, root, whole=True)
        return keep(repository, order, book, closure)


def keep(repository: Repository, order: EntityBackupOrder, book: Book, closure: Closure) -> EntityBackupResult:
    """A snapshot of a closure that was found in ``book``. What fails is raised: then there is no snapshot."""
    subject = order.subject
    facts = {
        "name": subject.name,
        "root": closure.graph.root.name,
        "key": key_texts(book, closure.graph.root, closure.root.row),
        "title": title_of(closure.root.row, subject),
        "rows": closure.counts("owned"),
        "linked": closure.linked(),
        "kinds": {edge.name: edge.up for edge in closure.graph.edges if edge.up in _LOOSE and not edge.declared},
    }
    request = BackupRequest(
        sources={subject.declaration.source: rows_source(subject.source, book, closure)},
        name=order.name,
        pin=order.pin,
        trigger=order.trigger,
        created_by=order.created_by,
        run=order.run,
        report=subject.report,
        config=order.config,
        partial=True,
        created=people_of(book, closure),
        more={**order.more, "entity": facts},
    )
    made = backup(repository, request)
    for error in made.failures.values():
        raise error
    return EntityBackupResult(
        run=made.run,
        snapshot=made.snapshots[0],
        counts=closure.counts("owned"),
        beside={role: closure.counts(role) for role in ("parent", "shared", "linked") if closure.counts(role)},
        users=len(closure.users),
        blobs=blobs_of(closure),
    )


def rows_source(source: Source, book: Book, closure: Closure) -> Source:
    """A source of the closure's rows alone; tables that could hold some are there, if empty."""
    assert isinstance(source, Recorded)  # noqa: S101 - a book came from it
    edges = closure.graph.edges
    names = {name: None for edge in edges for name in (edge.reference.table, edge.reference.to)}
    rows: dict[str, Sequence[Row]] = dict.fromkeys(names, ())
    rows |= {name: [member.row for member in members] for name, members in closure.by_table().items()}
    return source.of_rows(book, rows)


def blobs_of(closure: Closure) -> list[tuple[str, str, str]]:
    """(table, column, value) of what rows name in another store."""
    owned = closure.by_table("owned")
    return [
        (table, column, str(value))
        for table, column in closure.graph.blobs
        for member in owned.get(table, ())
        for value in values_at(member.row, column)
        if value is not None
    ]
