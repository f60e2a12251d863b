"""Materialized views that read restored tables: found through views, functions and partitions, refreshed in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psycopg

from holdfast.model.plans import ItemResult
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.names import qualified
from holdfast.sources.postgres.target_place import Place, reason
from holdfast.sources.postgres.target_schema import patiently

_READS = """
SELECT coalesce(r.ev_class, d.objid)::bigint, d.refobjid::bigint
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid
 WHERE d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass)
   AND d.refclassid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass)
UNION
SELECT inhparent::bigint, inhrelid::bigint FROM pg_catalog.pg_inherits
"""
_VIEWS = """
SELECT c.oid::bigint, n.nspname, c.relname,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       pg_catalog.pg_has_role(c.relowner, 'USAGE'){}
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND c.relispopulated
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A filled materialized view; ``label`` as a snapshot calls it. ``allowed``: this role may refresh it."""

    name: tuple[str, str]
    label: str
    allowed: bool

    @property
    def by_hand(self) -> str:
        """The statement that refreshes it."""
        return f"REFRESH MATERIALIZED VIEW {qualified(*self.name)};"


def stale(connection: Connection, tables: Iterable[int]) -> list[View]:
    """Filled materialized views that read any of these tables (by oid), those first that others read."""
    reads: dict[int, set[int]] = defaultdict(set)
    for reader, read in connection.execute(_READS):
        reads[reader].add(read)
    maintained = " OR pg_catalog.has_table_privilege(c.oid, 'MAINTAIN')"
    found = connection.execute(_VIEWS.format(maintained if connection.info.server_version >= 170000 else ""))
    views = {
        oid: View(name=(schema, name), label=label, allowed=allowed) for oid, schema, name, label, allowed in found
    }
    touched = _readers(reads, set(tables))
    return [views[oid] for oid in _in_order(reads, sorted(views)) if oid in touched and oid in views]


def _readers(reads: dict[int, set[int]], changed: set[int]) -> set[int]:
    """Everything that reads what was changed, at any distance."""
    read_by: dict[int, set[int]] = defaultdict(set)
    for reader, read in reads.items():
        for one in read:
            read_by[one].add(reader)
    found: set[int] = set()
    waiting = list(changed)
    while waiting:
        for reader in read_by[waiting.pop()] - found:
            found.add(reader)
            waiting.append(reader)
    return found


def _in_order(reads: dict[int, set[int]], wanted: Iterable[int]) -> Iterator[int]:
    """What is read before what reads it; no relation reads itself in a ring, save through functions."""
    seen: set[int] = set()
    for start in wanted:
        stack = [(start, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                yield node
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack += [(read, False) for read in sorted(reads.get(node, ())) if read not in seen]


def refresh_stale(
    connection: Connection, views: Iterable[View], place: Place, paths: Sequence[str] = ()
) -> Iterator[ItemResult]:
    """Fill them anew in the open transaction. One that cannot be filled keeps what it held: "incomplete" says why."""
    for view in views:
        status, detail = "ok", "refreshed"
        try:
            patiently(connection, view.by_hand.encode(connection.info.encoding), paths)
        except psycopg.Error as error:
            if connection.closed:
                raise
            status = "incomplete"
            detail = (
                f"shows what its tables held before, it could not be refreshed: {place.harmless(reason(error))}; "
                f"as its owner: {view.by_hand}"
            )
        yield ItemResult(name=view.label, action="overwrite", rows=None, status=status, detail=detail)
