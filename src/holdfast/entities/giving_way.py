"""Rows that hold a unique value which another row is about to take give it up first, and get their own afterwards."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.entities.graph import Structure
from holdfast.entities.paths import keys_at
from holdfast.entities.sameish import alike
from holdfast.model.errors import TargetError
from holdfast.model.records import Column, Did, Difference, Row, Table, Value
from holdfast.sources.records import Write

_TEXTS = ("text", "character varying", "character", "varchar", "char", "citext", "name", "clob", "nvarchar", "bpchar")
_WHOLE = ("integer", "bigint", "int", "int4", "int8", "oid")
_BIG = 1 << 30
_SMALL = 1 << 14
_LENGTH = re.compile(r"\((\d+)(?:\s*,\s*(\d+))?\)")
_HEX = 32


@dataclass(slots=True, kw_only=True)
class GivingWay:
    """``writes`` before all others. ``emptied``: columns of a change (by ``id``) that have to be written in any case.

    ``taken_out``: changes (by ``id``) whose row is deleted by ``writes`` already.
    """

    writes: list[Write] = field(default_factory=list)
    emptied: dict[int, tuple[str, ...]] = field(default_factory=dict)
    taken_out: set[int] = field(default_factory=set)


def giving_way(book: Structure, changes: Mapping[str, Sequence[Difference]]) -> GivingWay:
    """What has to be written first. TargetError names the rows where no value can be given up for a moment."""
    found = GivingWay()
    for name, each in changes.items():
        table = book.tables[name]
        bound = {column for reference in book.references if reference.table == name for column in reference.columns}
        for unique in table.unique:
            for change in _holders(each, unique):
                _give_way(found, table, unique, change, bound)
    return found


def _holders(changes: Sequence[Difference], unique: tuple[str, ...]) -> list[Difference]:
    """Changes of rows that have now what another row is to have."""
    touching = [change for change in changes if _touches(change, unique)]
    holders = [(change, keys_at(change.before, unique)) for change in touching if change.before is not None]
    if not holders:
        return []
    takers = {alike(key): each for each in touching if each.after is not None for key in keys_at(each.after, unique)}
    return [
        change for change, keys in holders
        if any(takers.get(alike(key), change) is not change for key in keys)
    ]  # fmt: skip


def _touches(change: Difference, unique: tuple[str, ...]) -> bool:
    bases = {name.partition(".")[0].removesuffix("[]") for name in unique}
    return change.did is not Did.CHANGED or bool(bases & set(change.columns))


def _give_way(
    found: GivingWay, table: Table, unique: tuple[str, ...], change: Difference, bound: set[str]
) -> None:
    before = change.before
    if before is None or id(change) in found.taken_out or set(unique) & set(found.emptied.get(id(change), ())):
        return
    if not table.columns or (not table.key and change.did is Did.REMOVED):
        found.taken_out.add(id(change))
        found.writes.append(Write(verb="delete", table=table.name, row=before, expect=before))
        return
    column, value = _for_a_moment(table, unique, before, bound)
    emptied = found.emptied.get(id(change), ())
    row = Row({**before.values, column: value})
    expected = None if emptied else before
    found.writes.append(Write(verb="update", table=table.name, row=row, columns=(column,), expect=expected))
    found.emptied[id(change)] = (*emptied, column)


def _for_a_moment(table: Table, unique: tuple[str, ...], row: Row, bound: set[str]) -> tuple[str, Value]:
    """A column of the unique key, and what stands there until the row gets its own value."""
    known = {column.name: column for column in table.columns}
    free = [known[name] for name in unique if name in known and name not in table.key and not known[name].generated]
    for column in free:
        if column.nullable:
            return column.name, None
    for column in free:
        made = _made(column, row.values.get(column.name)) if column.name not in bound else None
        if made is not None:
            return column.name, made
    key = ",".join(str(value) for value in row.key(table.key or unique))
    raise TargetError(
        f"rows of {table.name} take {'+'.join(unique)} from one another, and none of them can give it up first",
        where=f"{table.name} {key}", why="no column of it may be NULL, or hold another value for a moment",
        hint="nothing was changed; change that value of one of the rows by hand first",
    )  # fmt: skip


def _made(column: Column, value: Value) -> Value:
    """A value nobody else has."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return _BIG + secrets.randbelow(_BIG - 1)
    if isinstance(value, float):
        return float(_BIG + secrets.randbelow(_BIG))
    if isinstance(value, bytes):
        return secrets.token_bytes(_HEX)
    return _text(column.type.lower()) if isinstance(value, str) else None


def _text(kind: str) -> str | None:
    """As text of a type, the way databases write it."""
    length = _LENGTH.search(kind)
    bare = kind.partition("(")[0].strip().rpartition(".")[2]
    if bare == "uuid":
        return str(uuid.uuid4())
    if bare in _WHOLE:
        return str(_BIG + secrets.randbelow(_BIG - 1))
    if bare == "smallint":
        return str(_SMALL + secrets.randbelow(_SMALL - 1))
    if bare in ("numeric", "decimal"):
        digits = int(length[1]) - int(length[2] or 0) if length else _HEX
        return str(10 ** (digits - 1) + secrets.randbelow(9 * 10 ** (digits - 1))) if digits > 0 else None
    if bare in _TEXTS or not bare:
        return secrets.token_hex(_HEX // 2)[: int(length[1]) if length else _HEX]
    return None
