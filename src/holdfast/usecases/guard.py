"""Put an entity's tables under guard, and move what the guard kept into the repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.entities.declared import Declaration
from holdfast.entities.graph import Graph, graph_of
from holdfast.model.errors import Damaged, ObjectMissing, SourceError, StorageError, UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import new_id, short
from holdfast.model.records import Row
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.guarding import Guard, Guarding, Kept
from holdfast.sources.records import Book, Recorded
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.looking import open_book, open_live

TRIGGER = "guard"
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """``statements`` that were, or in a dry run would be, carried out; ``rights`` whoever does that must have."""

    tables: tuple[str, ...]
    statements: list[str]
    rights: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipOrder:
    """``sources`` by name, each with a guard."""

    sources: Mapping[str, Source]
    created_by: str = ""
    run: str = field(default_factory=new_id)
    report: Reporter = silent
    at_once: int = _AT_ONCE


@dataclass(slots=True, kw_only=True)
class Shipped:
    """``rows`` that left the guard's table; ``snapshots`` made for them."""

    run: str
    rows: int = 0
    snapshots: list[SnapshotInfo] = field(default_factory=list)


def guarding(source: Source) -> Guarding:
    """UsageError when this kind of source has no guard."""
    if not isinstance(source, Guarding):
        raise UsageError(
            f"a source of kind {source.kind} has no guard", where=source.url,
            hint="PostgreSQL, SQLite and MongoDB have; files have not",
        )  # fmt: skip
    return source


def watched_tables(graph: Graph) -> tuple[str, ...]:
    """Tables whose rows go with an entity, or name one of its rows."""
    linked = {edge.reference.table: None for edge in graph.edges if edge.down}
    return tuple(dict.fromkeys((*graph.owned, *linked)))


def install(source: Source, name: str, entity: Declaration, *, dry_run: bool = False) -> Installed:
    """Put every table of the entity's graph under guard."""
    with open_live(source) as book:
        tables = watched_tables(graph_of(book, entity, where=f"[entities.{name}]"))
    with guarding(source).guard() as guard:
        statements = guard.plan(tables, name) if dry_run else guard.install(tables, name)
        return Installed(tables=tables, statements=statements, rights=guard.rights())


def ship(repository: Repository, order: ShipOrder) -> Shipped:
    """Move everything the guards hold into the repository.

    Rows leave the guard's table only after this run read them back out of a snapshot. What an earlier run left
    half-way is ended first: stored already and found whole, it is only removed; found bad, it is stored again.
    Raised when the store does not let it be read now.
    """
    result = Shipped(run=order.run)
    for name, source in order.sources.items():
        with guarding(source).guard() as guard:
            if not guard.state().installed:
                continue
            guard.gather()
            for shipment in _shipments(guard, order.at_once):
                if (info := _stored(repository, order, name, shipment)) is not None:
                    result.snapshots.append(info)
                result.rows += guard.settle(shipment)
    return result


def shipments(repository: Repository, source: str) -> dict[str, dict[str, Any]]:
    """Snapshot id -> what the guard told with it, oldest first."""
    return {
        entry.info.id: entry.info.more["guard"]
        for entry in repository.snapshots()
        if entry.info.source == source and entry.info.more and "guard" in entry.info.more
    }


def summary(rows: Iterable[Kept]) -> list[dict[str, Any]]:
    """Who deleted how much of what, by transaction."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for each in rows:
        told = found.get((each.transaction, each.began))
        if told is None:
            by = each.by
            told = found[each.transaction, each.began] = {
                "transaction": each.transaction, "began": each.began, "at": each.at, "user": by.user, "role": by.role,
                "application": by.application, "address": by.address, "operations": [], "tables": {},
            }  # fmt: skip
        if each.operation not in told["operations"]:
            told["operations"].append(each.operation)
        told["tables"][each.table] = told["tables"].get(each.table, 0) + 1
    return list(found.values())


def _shipments(guard: Guard, at_once: int) -> Iterator[str]:
    """What an earlier run left half-way, then new ones."""
    yield from guard.claimed()
    while (shipment := guard.claim(at_once)) is not None:
        yield shipment


def _stored(repository: Repository, order: ShipOrder, name: str, shipment: str) -> SnapshotInfo | None:
    """See to it that a snapshot holds every row that is claimed; the one that was made for that, if any.

    Another process may be at the same shipment: what it removes meanwhile it has read back, and of two snapshots the
    one made first stays.
    """
    source = order.sources[name]
    with open_live(source) as book:
        rows = _claimed(book, guarding(source), shipment)
        known = _of_shipment(repository, name, shipment)
        bad = [each for each in known if not _holds(repository, source, each, rows)]
        made = _store(repository, order, (name, shipment), book, rows) if rows and len(bad) == len(known) else None
    if bad:
        repository.forget(bad)
    if made is None:
        return None
    _read_back(repository, source, made.id, rows)
    everything = _of_shipment(repository, name, shipment)
    earlier = everything[: everything.index(made.id)] if made.id in everything else []
    if any(_holds(repository, source, each, rows) for each in earlier):
        repository.forget([made.id])
        return None
    return made


def _of_shipment(repository: Repository, name: str, shipment: str) -> list[str]:
    return [each for each, told in shipments(repository, name).items() if told["shipment"] == shipment]


def _store(
    repository: Repository, order: ShipOrder, which: tuple[str, str], book: Book, rows: list[Row]
) -> SnapshotInfo:  # fmt: skip
    name, shipment = which
    source = order.sources[name]
    guarded = guarding(source)
    assert isinstance(source, Recorded)  # noqa: S101 - what has a guard has rows
    more = {"guard": {"shipment": shipment, "rows": len(rows), "transactions": summary(guarded.kept(rows))}}
    request = BackupRequest(
        sources={name: source.of_rows(book, {guarded.guard_table: rows})}, trigger=TRIGGER, partial=True,
        created_by=order.created_by, run=order.run, report=order.report, more=more,
    )  # fmt: skip
    made = backup(repository, request)
    for error in made.failures.values():
        raise error
    if missing := [text for texts in made.missing.values() for text in texts]:
        raise SourceError("what the guard kept could not be stored whole", where=name, why="; ".join(missing))
    return made.snapshots[0]


def _holds(repository: Repository, source: Source, identifier: str, rows: list[Row]) -> bool:
    """Whether a snapshot gives back all these rows. Raises what the store fails with."""
    try:
        lacking = Counter(map(_image, rows)) - Counter(map(_image, _rows_in(repository, source, identifier)))
    except (Damaged, ObjectMissing) as error:
        if isinstance(error.__cause__, StorageError):
            raise  # what the store does not give today tells nothing of what is stored
        return False
    return not lacking


def _read_back(repository: Repository, source: Source, identifier: str, rows: list[Row]) -> None:
    """Damaged unless the snapshot holds these very rows."""
    if [_image(row) for row in _rows_in(repository, source, identifier)] != [_image(row) for row in rows]:
        raise Damaged(
            f"snapshot {short(identifier)} does not hold what the guard kept, so nothing was removed", where=source.url
        )


def _rows_in(repository: Repository, source: Source, identifier: str) -> list[Row]:
    entry = next(each for each in repository.snapshots() if each.info.id == identifier)
    with open_book(repository, entry, source) as book:
        table = book.tables.get(guarding(source).guard_table)
        return _rows(book.rows(table)) if table is not None else []


def _image(row: Row) -> tuple[object, ...]:
    """Types count: 1 and 1.0 are two values."""
    return (row.raw, *((name, type(value).__name__, repr(value)) for name, value in sorted(row.values.items())))


def _claimed(book: Book, guarded: Guarding, shipment: str) -> list[Row]:
    return _rows(book.find(book.tables[guarded.guard_table], ("shipment",), [(shipment,)]))


def _rows(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (int(str(row.values["id"])), str(row.values.get("salt") or "")))
