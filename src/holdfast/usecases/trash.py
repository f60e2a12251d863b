"""List what was deleted, by whom and when: what guards kept, and entities that holdfast deleted itself."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.model.events import Reporter, Warned, silent
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.guarding import Doer, Guarding
from holdfast.usecases.entity_delete import TRIGGER
from holdfast.usecases.guard import summary
from holdfast.usecases.looking import open_live

_ID = 6
_LEAST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """What one transaction deleted. ``id`` is what ``trash restore`` takes.

    ``tables``: rows by table. ``waiting``: some of it is in the guard's table still; ``snapshots`` hold the rest.
    ``entity``: name and key, when holdfast deleted it; ``there``: that is in the application now, because it came
    back, or because the delete was never committed. ``restored``: runs that brought rows back.
    """

    id: str
    source: str
    at: str
    by: Doer
    transaction: str = ""
    began: str = ""
    operations: tuple[str, ...] = ("delete",)
    tables: Mapping[str, int] = field(default_factory=dict)
    waiting: bool = False
    snapshots: tuple[str, ...] = ()
    entity: tuple[str, str] | None = None
    title: str | None = None
    there: bool = False
    restored: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """How many."""
        return sum(self.tables.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashOrder:
    """``sources`` whose guards are asked too; one that cannot be reached is warned of.

    ``left_alone``: those of them that did not answer a moment ago, and are not asked.
    """

    sources: Mapping[str, Source]
    left_alone: Collection[str] = ()
    report: Reporter = silent


def trash(repository: Repository, order: TrashOrder) -> list[Discarded]:
    """Everything there is, newest first."""
    found: dict[str, Discarded] = {}
    back = _brought_back(repository)
    for entry in repository.snapshots():
        if entry.info.source in order.sources:
            for each in (*_shipped(entry), *_entity(entry)):
                found[each.id] = _joined(found.get(each.id), each)
    for name, source in order.sources.items():
        if name in order.left_alone:
            order.report(Warned(source=name, text="what waits in its guard is not known: it did not answer just now"))
            continue
        try:
            for each in _waiting(name, source, _stored(repository, name)):
                found[each.id] = _joined(found.get(each.id), each)
            for identity in _there(name, source, repository):
                found[identity] = replace(found[identity], there=True)
        except HoldfastError as error:
            order.report(Warned(source=name, text=f"what waits in its guard is not known: {error.what}"))
    _once(found, repository)
    all_ = [_with_restored(each, back.get(each.id, ())) for each in found.values()]
    return sorted(all_, key=lambda each: (each.at, each.id), reverse=True)


def one(entries: Iterable[Discarded], wanted: str) -> Discarded:
    """The one whose id is or begins with ``wanted``. UsageError."""
    matching = [each for each in entries if each.id.startswith(wanted.lower())]
    if len(matching) == 1 and len(wanted) >= _LEAST:
        return matching[0]
    if len(matching) > 1:
        raise UsageError(f"several in the trash begin with {wanted}", hint="give more digits: holdfast trash")
    raise UsageError(f"there is nothing {wanted} in the trash", hint="holdfast trash lists what there is")


def trash_id(source: str, transaction: str, began: str) -> str:
    """The same for rows of one transaction, wherever they are kept."""
    return hashlib.blake2b(f"{source}\0{transaction}\0{began}".encode(), digest_size=_ID).hexdigest()


def _told(source: str, told: Mapping[str, Any]) -> Discarded:
    by = Doer(user=told["user"], role=told["role"], application=told["application"], address=told["address"])
    return Discarded(
        id=trash_id(source, told["transaction"], told["began"]), source=source, at=told["at"], by=by,
        transaction=told["transaction"], began=told["began"], operations=tuple(told["operations"]),
        tables=told["tables"],
    )  # fmt: skip


def _shipped(entry: SnapshotEntry) -> Iterator[Discarded]:
    told = (entry.info.more or {}).get("guard")
    for each in told["transactions"] if told else ():
        yield replace(_told(entry.info.source, each), snapshots=(entry.info.id,))


def _waiting(name: str, source: Source, stored: set[str]) -> Iterator[Discarded]:
    if not isinstance(source, Guarding):
        return
    with source.guard() as guard:
        guard.gather()
    with open_live(source) as book:
        table = book.tables.get(source.guard_table)
        if table is None:
            return
        rows = (each for each in source.kept(book.rows(table)) if each.shipment not in stored)
        for told in summary(rows):
            yield replace(_told(name, told), waiting=True)


def _entity(entry: SnapshotEntry) -> Iterator[Discarded]:
    more = entry.info.more or {}
    if entry.info.trigger != TRIGGER or "deleted" not in more:
        return
    told = more["entity"]
    yield Discarded(
        id=entry.info.id, source=entry.info.source, at=entry.info.created_at,
        by=Doer(user=more["deleted"].get("by") or "", application="holdfast"), tables=told["rows"],
        snapshots=(entry.info.id,), entity=(told["name"], ",".join(told["key"])), title=told.get("title"),
    )  # fmt: skip


def _once(found: dict[str, Discarded], repository: Repository) -> None:
    """What holdfast deleted and a guard kept too is told as the entity it was, not as rows besides."""
    for entry in repository.snapshots():
        deleted, told = (entry.info.more or {}).get("deleted") or {}, found.get(entry.info.id)
        if told is None or "transaction" not in deleted:
            continue
        signed = (entry.info.source, deleted["transaction"])
        for twin in [each for each in found.values() if (each.source, each.transaction) == signed]:
            same = deleted["began"] in ("", twin.began)
            if same and all(number <= told.tables.get(table, 0) for table, number in twin.tables.items()):
                del found[twin.id]


def _there(name: str, source: Source, repository: Repository) -> Iterator[str]:
    """Snapshots of deleted entities whose root is in the application."""
    deleted = {
        entry.info.id: entry.info.more["entity"]
        for entry in repository.snapshots()
        if entry.info.source == name and entry.info.trigger == TRIGGER and entry.info.more
    }
    if not deleted:
        return
    with open_live(source) as book:
        for identity, told in deleted.items():
            table = book.tables.get(told["root"])
            if table is None or len(table.key) != len(told["key"]):
                continue
            key = tuple(book.parse(table, *pair) for pair in zip(table.key, told["key"], strict=True))
            if next(iter(book.find(table, table.key, [key])), None) is not None:
                yield identity


def _stored(repository: Repository, source: str) -> set[str]:
    """Shipments that are stored, though perhaps not yet removed from the guard's table."""
    return {
        entry.info.more["guard"]["shipment"]
        for entry in repository.snapshots()
        if entry.info.source == source and entry.info.more and "guard" in entry.info.more
    }


def _brought_back(repository: Repository) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in repository.snapshots():
        told = (entry.info.more or {}).get("trash")
        if told is not None:
            found[told["restored"]] = (*found.get(told["restored"], ()), entry.info.run)
    return found


def _joined(known: Discarded | None, more: Discarded) -> Discarded:
    """Two parts of one transaction."""
    if known is None:
        return more
    tables = dict(known.tables)
    for name, number in more.tables.items():
        tables[name] = tables.get(name, 0) + number
    return replace(
        known, tables=tables, at=min(known.at, more.at), waiting=known.waiting or more.waiting,
        operations=tuple(dict.fromkeys((*known.operations, *more.operations))),
        snapshots=(*known.snapshots, *more.snapshots),
    )  # fmt: skip


def _with_restored(each: Discarded, runs: tuple[str, ...]) -> Discarded:
    return replace(each, restored=runs) if runs else each

