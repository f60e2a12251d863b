"""What somebody of some sources may see: the same for the API and for pages. Others' things are not there for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from holdfast.model.alert import Alert
from holdfast.model.errors import UsageError
from holdfast.model.run import Run
from holdfast.planning import names
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.usecases import audit
from holdfast.usecases.trash import Discarded
from holdfast.web.security.identity import Identity
from holdfast.web.security.refusals import NotFound
from holdfast.web.security.tokens import Token

_T = TypeVar("_T")


def own(who: Identity, source: str) -> bool:
    """Whether something of ``source`` is theirs to know of; of the repository itself ("") with all sources only."""
    return not who.sources or source in who.sources


def run_seen(who: Identity, run: Run) -> bool:
    """Whether a run is of their sources alone."""
    return not who.sources or (bool(run.sources) and set(run.sources) <= who.sources)


def entry_named(repository: Repository, name: str, who: Identity, scope: str = "snapshot:read") -> SnapshotEntry:
    """The living snapshot that ``name`` means among theirs. NotFound, or Forbidden without ``scope``."""
    entries = {entry.info.id: entry for entry in repository.snapshots() if own(who, entry.info.source)}
    try:
        info = names.one(name, [entry.info for entry in entries.values()])
    except UsageError as error:
        raise NotFound(error.what, why=error.why, hint=error.hint) from error
    who.require(scope, info.source)
    return entries[info.id]


def alerts(who: Identity, kept: Iterable[Alert]) -> list[Alert]:
    """Those of their sources."""
    return [each for each in kept if own(who, each.finding.source)]


def by_source(who: Identity, told: Mapping[str, _T]) -> dict[str, _T]:
    """What is told of their sources."""
    return {source: each for source, each in told.items() if own(who, source)}


def tokens(who: Identity, every: Iterable[Token]) -> list[Token]:
    """Those that reach no source beyond theirs."""
    return [each for each in every if within_sources(who, each.sources)]


def within_sources(who: Identity, sources: frozenset[str]) -> bool:
    """Whether somebody of ``sources`` (empty: all) reaches no further than they do."""
    return not who.sources or (bool(sources) and sources <= who.sources)


def trashed(who: Identity, each: Discarded) -> Discarded:
    """What was deleted, without what only those see who may read data: key, title, and from where."""
    if who.may("data:read", each.source):
        return each
    entity = (each.entity[0], "") if each.entity else None
    return replace(each, entity=entity, title=None, by=replace(each.by, address=""))


def acts_page(
    repository: Repository, query: audit.ActQuery, who: Identity, limit: int, after: tuple[int, int] | None
) -> tuple[list[audit.NotedAct], tuple[int, int] | None]:
    """A page of acts of their sources, newest first, and the place of its last one when there are more."""
    sources: Sequence[str] = query.sources
    if who.sources:
        sources = sorted(who.sources & set(sources) if sources else who.sources)
    if who.sources and not sources:
        return [], None
    wanted = replace(query, sources=sources, limit=None, before=after[0] + 1 if after else None)
    found = audit.acts(repository, wanted)
    if after is not None:
        found = itertools.dropwhile(lambda each: place(each) >= after, found)
    page = list(itertools.islice(found, limit + 1))
    return page[:limit], place(page[limit - 1]) if len(page) > limit else None


def place(noted: audit.NotedAct) -> tuple[int, int]:
    """Its entry, and where in it."""
    entry, _, number = noted.id.partition(".")
    return int(entry), int(number or 1)
