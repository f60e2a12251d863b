"""Checks foreign keys again after rows were written with their triggers kept still."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from holdfast.model.errors import TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Name, Reference
from holdfast.sources.postgres.names import qualified, quote


def check_references(connection: Connection, references: Iterable[Reference], *, undoing: bool = False) -> None:
    """TargetError names the first foreign key that some row breaks, and how many rows do."""
    for reference in references:
        if not reference.checked:
            continue
        row = connection.execute(_orphans(reference)).fetchone()
        if row and row[0]:
            raise TargetError(
                f"the foreign key {reference.name} would be broken",
                where=".".join(reference.table),
                why=f"{row[0]} rows refer to rows of {'.'.join(reference.other)} that would not exist",
                hint=_way_out(reference, undoing=undoing),
            )


def _way_out(reference: Reference, *, undoing: bool) -> str:
    if not undoing:
        return f"restore {'.'.join(reference.other)} as well, or leave out --exact; nothing was changed"
    table = qualified(*reference.table)
    return (
        "nothing was changed; before the restore such rows were there without this key, or since then rows went that "
        f"they refer to: ALTER TABLE {table} DROP CONSTRAINT {quote(reference.name)}; then undo again, and add the key "
        "again NOT VALID; or restore the snapshot kept for undo into a new database"
    )


def _orphans(reference: Reference) -> str:
    present = " AND ".join(f"r.{quote(column)} IS NOT NULL" for column in reference.columns)
    pairs = list(zip(reference.columns, reference.others, reference.operators, reference.collates, strict=True))
    same = " AND ".join(
        f"o.{quote(other)} {operator} r.{quote(column)}{collate}"
        for column, other, operator, collate in (pairs[:-1] if reference.period else pairs)
    )
    table = f"{'' if reference.whole else 'ONLY '}{qualified(*reference.table)}"
    other = f"{'' if reference.other_whole else 'ONLY '}{qualified(*reference.other)}"
    if reference.period:
        covered = f"SELECT pg_catalog.range_agg(o.{quote(reference.others[-1])}) FROM {other} o WHERE {same or 'true'}"
        within = f"r.{quote(reference.columns[-1])} OPERATOR(pg_catalog.<@) ({covered})"
        return f"SELECT count(*) FROM {table} r WHERE {present} AND ({within}) IS NOT TRUE"
    return f"SELECT count(*) FROM {table} r WHERE {present} AND NOT EXISTS (SELECT FROM {other} o WHERE {same})"


def parents_first(tables: Sequence[Name], references: Iterable[Reference]) -> list[Name]:
    """The tables so that those referred to come before those that refer; rings stay as given."""
    wanted = set(tables)
    parents: dict[Name, set[Name]] = {table: set() for table in tables}
    for reference in references:
        if reference.table in wanted and reference.other in wanted and reference.table != reference.other:
            parents[reference.table].add(reference.other)
    return list(_visited(tables, parents))


def _visited(tables: Sequence[Name], parents: dict[Name, set[Name]]) -> Iterator[Name]:
    seen: set[Name] = set()
    for table in tables:
        stack = [(table, False)]
        while stack:
            name, ready = stack.pop()
            if ready:
                yield name
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [(parent, False) for parent in sorted(parents[name]) if parent not in seen]
