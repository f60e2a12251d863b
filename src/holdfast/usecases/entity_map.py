"""Draw the graph around an entity, and tell why each row is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.entities.closure import Closure, reasons
from holdfast.entities.graph import Graph
from holdfast.entities.suggesting import Suggestion, suggestions
from holdfast.repository.repository import Repository
from holdfast.sources.records import Book, Estimating
from holdfast.usecases.entity_finding import Subject, closure_in, graph_for, missing_live, root_of
from holdfast.usecases.looking import open_live


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityMap:
    """``sizes``: rows by table; ``guessed``: tables of which that is an estimate.

    ``rows``: of one entity, by role and table, when a key was given.
    """

    graph: Graph
    sizes: Mapping[str, int]
    guessed: frozenset[str] = frozenset()
    suggestions: list[Suggestion] = field(default_factory=list)
    rows: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One row of the entity: ``path`` from the root on, what led to what."""

    table: str
    key: list[Any]
    role: str
    path: list[str]


def entity_map(repository: Repository, subject: Subject, *, suggest: bool = True) -> EntityMap:
    """The graph as the application has it now; with a key also how many rows of it belong to that one."""
    with open_live(subject.source) as book:
        graph = graph_for(book, subject)
        rows: dict[str, dict[str, int]] = {}
        if subject.key:
            closure = _closure(repository, book, graph, subject)
            rows = {role: closure.counts(role) for role in ("owned", "parent", "shared", "linked")}
        found = suggestions(book, graph) if suggest else []
        sizes = _sizes(book, graph)
        guessed = frozenset(name for name, (_, exact) in sizes.items() if not exact)
        told = {name: number for name, (number, _) in sizes.items()}
        return EntityMap(graph=graph, sizes=told, guessed=guessed, suggestions=found, rows=rows)


def entity_explain(repository: Repository, subject: Subject) -> list[Explained]:
    """Every row that would be saved, in the order they are reached. UsageError when there is no such entity now."""
    with open_live(subject.source) as book:
        closure = _closure(repository, book, graph_for(book, subject), subject)
        return [
            Explained(
                table=member.table,
                key=[book.plain(value) for value in member.identity[1]],
                role=member.role,
                path=reasons(member),
            )
            for member in closure.members.values()
        ]


def _sizes(book: Book, graph: Graph) -> dict[str, tuple[int, bool]]:
    """Rows, and whether they were counted; a server's own count of documents is an estimate of its own."""
    names = dict.fromkeys([graph.root.name, *(n for e in graph.edges for n in (e.reference.table, e.reference.to))])
    tables = [book.tables[name] for name in names]
    if isinstance(book, Estimating):
        return {table.name: book.about(table) for table in tables}
    return {t.name: (sum(1 for _ in book.rows(t)), True) if t.rows is None else (t.rows, False) for t in tables}


def _closure(repository: Repository, book: Book, graph: Graph, subject: Subject) -> Closure:
    root = root_of(book, graph, subject)
    if root is None:
        raise missing_live(repository, subject)
    return closure_in(book, graph, subject, root, whole=True)
