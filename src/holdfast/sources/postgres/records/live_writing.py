"""The statements that write many rows of one table at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.model.errors import TargetError
from holdfast.model.records import Key, Row
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.records.live_catalog import LiveTable
from holdfast.sources.postgres.records.live_sql import values
from holdfast.sources.records import Write

VERBS = ("insert", "update", "delete")
_LARGEST = 20_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Writes of one kind to one table, no row of which is written twice. ``columns``: those that are set."""

    verb: str
    table: LiveTable
    name: str
    columns: tuple[str, ...]
    writes: tuple[Write, ...]

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns by which a row is recognised: the key, or all of them."""
        return self.table.structure.key or self.table.form.names

    def keys(self) -> list[Key]:
        """What recognises each row."""
        return [recognised(write, self.table).key(self.identity) for write in self.writes]


def recognised(write: Write, table: LiveTable) -> Row:
    """The row as it is now, as far as that is needed to find it."""
    if table.structure.key:
        return write.row
    whole = write.expect or (write.row if write.verb == "delete" else None)
    if whole is None:
        raise TargetError(
            "a row of a table without key is only changed when all of it is known", where=named(write, table)
        )
    return whole


def named(write: Write, table: LiveTable) -> str:
    """Table and row, for a person."""
    columns = table.structure.key or table.form.names[:3]
    told = ", ".join(f"{name}={write.row.values.get(name)}" for name in columns)
    return f"{write.table} ({told})"


def batches(writes: Sequence[Write], table: LiveTable) -> Iterator[Batch]:
    """Consecutive writes to one table, put together as far as their order allows."""
    held: list[Write] = []
    seen: set[Key] = set()
    last: tuple[str, tuple[str, ...], bool] | None = None
    for write in writes:
        shape = (write.verb, _columns(write, table), write.expect is not None)
        key = () if write.verb == "insert" else recognised(write, table).key(table.structure.key or table.form.names)
        repeated = bool(table.structure.key) and write.verb != "insert" and key in seen
        if held and (shape != last or repeated or len(held) >= _LARGEST):
            yield Batch(held[0].verb, table, held[0].table, _columns(held[0], table), tuple(held))
            held, seen = [], set()
        held.append(write)
        seen.add(key)
        last = shape
    if held:
        yield Batch(held[0].verb, table, held[0].table, _columns(held[0], table), tuple(held))


def statement(batch: Batch) -> str:
    """UPDATE or DELETE of every row of a batch."""
    rows = [recognised(write, batch.table) for write in batch.writes]
    identity = batch.identity
    columns = [[row.values.get(name) for row in rows] for name in identity]
    columns += [[write.row.values.get(name) for write in batch.writes] for name in batch.columns]
    new = [
        f"{quote(name)} = u.c{len(identity) + place}::{batch.table.columns[name].type}"
        for place, name in enumerate(batch.columns)
    ]
    head = f"UPDATE {batch.table.rows} t SET {', '.join(new)} FROM" if batch.verb == "update" else (
        f"DELETE FROM {batch.table.rows} t USING"
    )
    if batch.table.structure.key:
        same = [f"t.{quote(name)} = u.c{place}::{batch.table.columns[name].base}"
                for place, name in enumerate(identity)]
        return f"{head} {values(columns)} WHERE {' AND '.join(same)}"
    return f"{head} {_counted(batch, columns)} u WHERE t.tableoid = u.holder AND t.ctid = u.place"


def _counted(batch: Batch, columns: list[list[object]]) -> str:
    """Exactly as many of the rows that are equal in everything as were asked for."""
    count = len(batch.identity)
    mine = _text([f"x.{quote(name)}" for name in batch.identity])
    theirs = _text([f"u.c{place}" for place in range(count)])
    everything = ", ".join(f"u.c{place}" for place in range(len(columns)))
    return (
        f"(SELECT m.holder, m.place, w.* FROM (SELECT x.tableoid AS holder, x.ctid AS place, {mine} AS own, "
        f"row_number() OVER (PARTITION BY {mine}) AS nth FROM {batch.table.rows} x) m JOIN "
        f"(SELECT {everything or 'NULL'}, {theirs} AS own, row_number() OVER (PARTITION BY {theirs}) AS nth "
        f"FROM {values(columns)}) w ON m.own = w.own AND m.nth = w.nth)"
    )


def _text(parts: list[str]) -> str:
    """A whole row as one text; NULL is not the empty text. (IS NOT NULL would miss rows with a NULL field.)

    Its bytes count: to a collation of its columns rows might be the same that are not.
    """
    cases = ", ".join(f"CASE WHEN {one} IS DISTINCT FROM NULL THEN concat({one}) END" for one in parts)
    return f'((ARRAY[{cases}]::text[])::text COLLATE pg_catalog."C")'


def _columns(write: Write, table: LiveTable) -> tuple[str, ...]:
    """The columns a write sets. TargetError for one that is not there."""
    if write.verb not in VERBS:
        raise TargetError(f"there is no way to {write.verb} a row", where=write.table)
    asked = write.columns or tuple(write.row.values)
    gone = [name for name in asked if name not in table.columns]
    if gone and write.verb != "delete":
        raise TargetError(
            f"{write.table} has no column {', '.join(gone)}", where=named(write, table),
            hint="the table changed since; it has " + ", ".join(table.columns),
        )
    if write.verb == "delete":
        return ()
    written = tuple(name for name in asked if not table.columns[name].generated)
    if write.verb == "insert":
        return written
    chosen = tuple(
        name for name in written
        if write.columns or (name not in table.structure.key and table.columns[name].identity != "a")
    )
    if not chosen:
        raise TargetError("an update without a column that can be written", where=named(write, table))
    return chosen
