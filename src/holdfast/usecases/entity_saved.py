"""An entity as one snapshot holds it, and what of that snapshot does not belong to it any more."""

from __future__ import annotations

from dataclasses import replace

from holdfast.entities.closure import Closure
from holdfast.entities.graph import Graph
from holdfast.entities.saved import SpelledAlike
from holdfast.model.ids import short
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.records import Book
from holdfast.usecases.entity_finding import Subject, closure_in, graph_for, missing_live, root_of
from holdfast.usecases.entity_people import with_people


def closure_saved(repository: Repository, book: Book, subject: Subject, entry: SnapshotEntry) -> Closure:
    """The entity as the snapshot ``entry`` has it, which ``book`` looks into. UsageError when it is not in it."""
    graph = _as_it_was(graph_for(book, subject, saved=True), entry)
    root = root_of(book, graph, subject)
    if root is None:
        raise missing_live(repository, subject)
    whole = not entry.info.partial
    found = closure_in(book, graph, subject, root, whole=whole)
    if not whole and _is_less(entry, found):
        found = max(found, closure_in(SpelledAlike(book), graph, subject, root, whole=False), key=_size)
    return with_people(repository, entry, book, found) if (entry.info.more or {}).get("entity") else found


def _as_it_was(graph: Graph, entry: SnapshotEntry) -> Graph:
    """With the kinds that inferred edges had when the entity's own snapshot was taken, which holds some tables only."""
    kinds = ((entry.info.more or {}).get("entity") or {}).get("kinds") or {}
    edges = tuple(
        replace(edge, kind=kind, up=kind)
        if not edge.declared and not edge.down and (kind := kinds.get(edge.name)) is not None else edge
        for edge in graph.edges
    )  # fmt: skip
    return replace(graph, edges=edges)


def left_out(entry: SnapshotEntry, closure: Closure) -> list[str]:
    """In words, rows that an entity's own snapshot holds and that do not belong to it by what is declared now."""
    told = (entry.info.more or {}).get("entity") or {}
    counts = closure.counts("owned")
    return [
        f"snapshot {short(entry.info.id)} holds {number} rows of {table}, and by what is declared now "
        f"{counts.get(table, 0)} of them belong to it: the others stay where they are"
        for table, number in (told.get("rows") or {}).items()
        if counts.get(table, 0) < number
    ]


def _is_less(entry: SnapshotEntry, closure: Closure) -> bool:
    """Whether values may be the same that are written otherwise, which only the database knew."""
    linked = ((entry.info.more or {}).get("entity") or {}).get("linked") or {}
    counts = closure.linked()
    return bool(left_out(entry, closure)) or any(counts.get(table, 0) < number for table, number in linked.items())


def _size(closure: Closure) -> tuple[int, int]:
    return sum(closure.counts("owned").values()), sum(closure.linked().values())
