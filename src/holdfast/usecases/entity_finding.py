"""Which entity, which of its rows, and in which snapshots it is."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from holdfast.entities.closure import Closure, Limits, Rows
from holdfast.entities.declared import Declaration
from holdfast.entities.graph import Graph, graph_of
from holdfast.entities.naming import require_column
from holdfast.entities.searching import closure_of
from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import short
from holdfast.model.records import Key, Row, Table
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.records import Book
from holdfast.usecases.looking import open_book
from holdfast.usecases.row_protection import is_row_undo

_NAMED = 3
_LOOKED_AT = 20
_IMPORTED = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """``key`` as it was typed: ``42``, ``de,7`` for a key of two columns, or the value of a unique column.

    ``limit_rows``: instead of the declared limit.
    """

    name: str
    key: str
    declaration: Declaration
    source: Source
    limit_rows: int | None = None
    report: Reporter = silent

    @property
    def where(self) -> str:
        """Where its declaration stands."""
        return f"[entities.{self.name}]"

    @property
    def spoken(self) -> str:
        """``event 42``."""
        return f"{self.name} {self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """``counts``: rows of the entity by table, where known without reading the whole graph."""

    entry: SnapshotEntry
    counts: Mapping[str, int] | None = None
    title: str | None = None
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def is_entity(self) -> bool:
        """Whether the snapshot was taken of this entity alone."""
        return bool(self.entry.info.more and "entity" in self.entry.info.more)


def entity_named(entities: Mapping[str, Declaration], name: str) -> Declaration:
    """The declaration of that name. UsageError tells the nearest."""
    if name in entities:
        return entities[name]
    near = difflib.get_close_matches(name, entities, n=_NAMED, cutoff=0.5)
    known = f"known: {', '.join(entities)}" if entities else "add one to holdfast.toml: [entities.event]"
    hint = f"did you mean {' or '.join(near)}?" if near else known
    raise UsageError(f"there is no entity {name!r} in the configuration", hint=hint)


def graph_for(rows: Rows, subject: Subject, *, saved: bool = False) -> Graph:
    """The entity's graph in a book; ``saved``: of a snapshot."""
    return graph_of(rows, subject.declaration, where=subject.where, saved=saved)


class AnotherColumn(UsageError):
    """There is no row with that id, and one that has the same in another column: nobody said that it is meant."""


def root_of(rows: Rows, graph: Graph, subject: Subject) -> Row | None:
    """The row that ``key`` names. UsageError when no key column could hold such a value.

    An id is the declared key or the primary key; only what cannot be one is looked for in unique columns.
    """
    table = graph.root
    if (named := _by_name(rows, table, subject)) is not None:
        return named[0]
    first = [subject.declaration.key] if subject.declaration.key else [table.key]
    refused: UsageError | None = None
    could_be = False
    for columns in dict.fromkeys((*first, table.key, *table.unique)):
        try:
            found = _typed_in(rows, table, columns, subject)
        except UsageError as error:
            refused = refused or error
            continue
        if found is None:
            continue
        key, row = found
        if row is not None and could_be:
            told = f"{'+'.join(columns)}={subject.key}"
            raise AnotherColumn(
                f"there is no {subject.name} with {'+'.join(first[0])} {subject.key}", where=table.name,
                why=f"{told} is {table.name} {','.join(map(str, row.key(table.key)))}, which may be another one",
                hint=f"if that is meant, say so: {told}",
            )  # fmt: skip
        if row is not None:
            return row
        # of documents a text may stand for anything, what has a type of its own is an id
        could_be = could_be or bool(table.columns) or not isinstance(key[0], str)
    if refused is not None and not could_be:
        raise refused
    return None


def _typed_in(rows: Rows, table: Table, columns: tuple[str, ...], subject: Subject) -> tuple[Key, Row | None] | None:
    """(the key as the columns hold it, the row it finds); None when it is of another length."""
    for column in columns:
        require_column(table, column, where=f"{subject.where} key")
    typed = subject.key.split(",") if len(columns) > 1 else [subject.key]
    if not columns or len(typed) != len(columns):
        return None
    key = tuple(rows.parse(table, *pair) for pair in zip(columns, typed, strict=True))
    return key, next(iter(rows.find(table, columns, [key])), None)


def _by_name(rows: Rows, table: Table, subject: Subject) -> tuple[Row | None] | None:
    """``slug=fair``: the row by that column; None when the key is not written so. UsageError when there are several."""
    column, equals, text = subject.key.partition("=")
    known = {each.name for each in table.columns}
    if not equals or not (column in known if known else column.isidentifier()):
        return None
    found = list(rows.find(table, (column,), [(rows.parse(table, column, text),)]))
    if len(found) > 1:
        raise UsageError(f"{len(found)} rows of {table.name} have {subject.key}", hint="name one by its id")
    return (found[0] if found else None,)


def closure_in(rows: Rows, graph: Graph, subject: Subject, root: Row, *, whole: bool) -> Closure:
    """Everything that belongs to the row. ``whole``: the book holds whole tables, so shares of them mean something."""
    declared = subject.declaration
    share = declared.limit_share if whole and declared.limit_share < 1 else None
    limits = Limits(rows=subject.limit_rows or declared.limit_rows, depth=declared.limit_depth, share=share)
    return closure_of(rows, graph, root, limits)


def title_of(row: Row, subject: Subject) -> str | None:
    """What a person calls it."""
    value = row.values.get(subject.declaration.title) if subject.declaration.title else None
    return None if value is None else str(value)


def key_texts(book: Book, table: Table, row: Row) -> list[str]:
    """The primary key as text: what ``more["entity"]["key"]`` holds."""
    return [key_text(book.plain(value)) for value in row.key(table.key)]


def key_text(plain: Any) -> str:
    """As a person types it: the digits of an ObjectId, not its extended JSON."""
    if isinstance(plain, dict) and len(plain) == 1 and isinstance(inner := next(iter(plain.values())), str):
        return inner
    return plain if isinstance(plain, str) else json.dumps(plain)


def _is_named(told: Mapping[str, Any], subject: Subject) -> bool:
    """Whether an entity snapshot's facts already say that it is of this one."""
    same = ",".join(told.get("key") or ()) == subject.key
    return told.get("name") == subject.name and same and not subject.declaration.key


# -- snapshots


def candidates(repository: Repository, subject: Subject) -> list[SnapshotEntry]:
    """Snapshots that can hold the whole entity, newest first; those of this entity alone only when it is this one.

    Imported ones come last: nobody knows whether a file of another system has all of it.
    """
    found: list[SnapshotEntry] = []
    imported: list[SnapshotEntry] = []
    entries = {entry.info.id: entry for entry in repository.snapshots()}
    for info in reversed(names.by_data_time(entry.info for entry in entries.values())):
        entry = entries[info.id]
        if info.source != subject.declaration.source or info.kind != subject.source.kind:
            continue
        told = (info.more or {}).get("entity")
        if told is not None:
            if told.get("name") == subject.name and not is_row_undo(info):
                found.append(entry)
        elif info.trigger == _IMPORTED:
            imported.append(entry)
        elif not info.partial:
            found.append(entry)
    return [*found, *imported]


def versions(repository: Repository, subject: Subject) -> Iterator[Version]:
    """Every snapshot that has it: those of the entity alone first, then full ones, newest first."""
    entries = candidates(repository, subject)
    ordered = sorted(entries, key=lambda entry: not (entry.info.more or {}).get("entity"))
    for entry in ordered:
        told = (entry.info.more or {}).get("entity")
        if told is not None and _is_named(told, subject):
            yield Version(entry=entry, counts=told.get("rows"), title=told.get("title"))
            continue
        with open_book(repository, entry, subject.source, report=subject.report) as book:
            found = _look(book, subject)
            if found is None:
                continue
            counts = told.get("rows") if told is not None else None
            yield Version(entry=entry, counts=counts, title=title_of(found, subject), row=_plain(book, found))


def _plain(book: Book, row: Row) -> dict[str, Any]:
    return {name: book.plain(value) for name, value in row.values.items()}


def _look(book: Book, subject: Subject) -> Row | None:
    """The root row in a snapshot; None also when the table did not exist then."""
    try:
        return root_of(book, graph_for(book, subject, saved=True), subject)
    except UsageError:
        return None


def choose(repository: Repository, subject: Subject, wanted: str | None) -> SnapshotEntry:
    """The snapshot to take the entity from: named, the newest until a time, or the newest that has it.

    UsageError names the nearest snapshots that have it.
    """
    moment = _moment(wanted) if wanted else None
    if wanted and moment is None:
        info = names.one(wanted, [entry.info for entry in repository.snapshots()])
        entry = next(entry for entry in repository.snapshots() if entry.info.id == info.id)
        if entry.info.source != subject.declaration.source:
            raise UsageError(
                f"snapshot {short(info.id)} is of {info.source}, not of {subject.declaration.source}",
                hint=f"holdfast entity versions {subject.spoken}",
            )
        if not _has(repository, entry, subject):
            raise _nowhere(repository, subject, f"not in snapshot {short(info.id)}", info)
        return entry
    for entry in candidates(repository, subject):
        if (moment is None or names.data_time(entry.info) <= moment) and _has(repository, entry, subject):
            return entry
    until = f" until {wanted}" if wanted else ""
    raise _nowhere(repository, subject, f"not in any snapshot{until}", None)


def missing_live(repository: Repository, subject: Subject) -> UsageError:
    """It is not in the application now; where it still is."""
    return _nowhere(repository, subject, f"not in {subject.declaration.source} now", None)


def _has(repository: Repository, entry: SnapshotEntry, subject: Subject) -> bool:
    told = (entry.info.more or {}).get("entity")
    if told is not None and _is_named(told, subject):
        return True
    with open_book(repository, entry, subject.source, report=subject.report) as book:
        try:
            return root_of(book, graph_for(book, subject, saved=True), subject) is not None
        except AnotherColumn:
            return False


def _nowhere(repository: Repository, subject: Subject, why: str, beside: SnapshotInfo | None) -> UsageError:
    entries = candidates(repository, subject)
    if beside is not None:
        entries.sort(key=lambda entry: abs(names.data_time(entry.info) - names.data_time(beside)))
    having = []
    for entry in entries[:_LOOKED_AT]:
        try:
            if _has(repository, entry, subject):
                having.append(f"{short(entry.info.id)} ({entry.info.data_at[:19]})")
        except HoldfastError:
            continue
        if len(having) == _NAMED:
            break
    hint = (
        f"it is in {', '.join(having)}: holdfast entity restore {subject.spoken} --from {having[0][:8]}"
        if having
        else "check the id; holdfast list shows what there is"
    )
    return UsageError(f"there is no {subject.spoken}", where=subject.declaration.root, why=why, hint=hint)


def _moment(text: str) -> float | None:
    """Seconds of a time as people write it, UTC unless it says otherwise; None when it is no time."""
    if "-" not in text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()

