"""Compare a guard with what the entities need now, and take it down without baring those that still need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdfast.entities.declared import Declaration
from holdfast.entities.graph import graph_of
from holdfast.model.errors import UsageError
from holdfast.sources.base import Source
from holdfast.sources.guarding import Guard, Guarding, GuardState, Watched
from holdfast.sources.records import Book
from holdfast.usecases.guard import guarding, watched_tables
from holdfast.usecases.looking import open_live

Entities = Mapping[str, Declaration]
"""The declarations, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``state``: tables that should be under guard and are not are told in ``state.watched`` too.

    ``apart``: entities of the source that were never put under guard.
    """

    state: GuardState
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """``kept``: tables that stay under guard because another entity needs that, with its name."""

    statements: list[str]
    kept: Mapping[str, str] = field(default_factory=dict)


def status(sources: Mapping[str, Source], entities: Entities) -> dict[str, Standing]:
    """What is under guard and what should be, by source; sources that cannot have a guard are left out."""
    found = {}
    for name, source in sources.items():
        if isinstance(source, Guarding):
            with source.guard() as guard:
                guard.gather()
                found[name] = _standing(guard, source, _of(entities, name))
    return found


def remove(source: Source, entities: Entities, name: str | None = None) -> Removed:
    """Take the triggers of the entity ``name`` away, or without one the whole guard.

    ``entities``: those of this source. Tables that others of them need, which are under guard, stay so.
    """
    with guarding(source).guard() as guard:
        if name is None:
            return Removed(statements=guard.remove())
        noted = guard.entities()
        with open_live(source) as book:
            own = {*_needed(book, name, entities, noted)[0], *(noted or {}).get(name, ())}
            keep: dict[str, str] = {}
            for other in sorted({*(noted if noted is not None else entities)} - {name}):
                tables, _ = _needed(book, other, entities, noted)
                keep.update((table, other) for table in (*tables, *(noted or {}).get(other, ())))
        statements = guard.remove(sorted(own), keep=sorted(keep), entity=name)
        return Removed(statements=statements, kept={table: keep[table] for table in sorted(own & keep.keys())})


def _standing(guard: Guard, source: Source, entities: Entities) -> Standing:
    state = guard.state()
    if not state.installed:
        return Standing(state=state, apart=tuple(entities))
    noted = guard.entities()
    lacking: dict[str, Watched] = {}
    with open_live(source) as book:
        for name in noted if noted is not None else entities:
            for each in _lacking(guard, book, name, entities, noted):
                known = lacking.get(each.table)
                lacking[each.table] = each if known is None else replace(each, gaps=(*known.gaps, *each.gaps))
    apart = tuple(name for name in entities if noted is not None and name not in noted)
    return Standing(state=replace(state, watched=tuple(_merged(state.watched, lacking))), apart=apart)


def _lacking(
    guard: Guard, book: Book, name: str, entities: Entities, noted: Mapping[str, Sequence[str]] | None
) -> Iterator[Watched]:
    mend = f"holdfast guard install {name}" if name in entities else "holdfast guard remove --source, then install"
    tables, failure = _needed(book, name, entities, noted)
    if failure:
        yield Watched(table=entities[name].root, gaps=(f"entity {name}: {failure}; {mend}",), guarded=False)
    for each in guard.lacking(tables):
        yield replace(each, gaps=tuple(f"{gap}: {mend}" for gap in each.gaps))


def _needed(
    book: Book, name: str, entities: Entities, noted: Mapping[str, Sequence[str]] | None
) -> tuple[tuple[str, ...], str]:
    """(the tables an entity needs now, why they cannot be told): then those it was put under guard with."""
    known = tuple((noted or {}).get(name, ()))
    if name not in entities:
        return known, ""
    try:
        return watched_tables(graph_of(book, entities[name], where=f"[entities.{name}]")), ""
    except UsageError as error:
        return known, error.what


def _merged(watched: Sequence[Watched], lacking: Mapping[str, Watched]) -> Iterator[Watched]:
    for each in watched:
        more = lacking.get(each.table)
        yield each if more is None else replace(each, gaps=(*each.gaps, *more.gaps), guarded=more.guarded)
    there = {each.table for each in watched}
    yield from (each for name, each in sorted(lacking.items()) if name not in there)


def _of(entities: Entities, source: str) -> dict[str, Declaration]:
    return {name: each for name, each in entities.items() if each.source == source}
