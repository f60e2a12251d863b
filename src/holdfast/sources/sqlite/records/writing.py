"""The statement that writes one row, so that equal statements can be run for many rows at once."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.model.errors import TargetError
from holdfast.model.records import Row, Value
from holdfast.sources.records import Write
from holdfast.sources.sqlite.names import quoted
from holdfast.sources.sqlite.records.asking import Statement, mark
from holdfast.sources.sqlite.records.schema import Shape


def statement_of(write: Write, shape: Shape) -> Statement:
    """SQL and values of one write. TargetError for what cannot be written."""
    if write.verb == "insert":
        return _insert(shape, write.row)
    if write.verb == "update":
        return _update(shape, write)
    if write.verb == "delete":
        where = _where(shape, write)
        return Statement(f"DELETE FROM main.{quoted(shape.table.name)} WHERE {where.sql}", where.values)
    raise TargetError(f"there is no way to {write.verb} a row", where=shape.table.name)


def named(write: Write, shape: Shape) -> str:
    """Table and row, for a person."""
    columns = shape.table.key or shape.names[:3]
    told = ", ".join(f"{name}={write.row.values.get(name)!r}" for name in columns)
    return f"{shape.table.name} ({told})"


def _insert(shape: Shape, row: Row) -> Statement:
    names = _writable(shape, tuple(row.values))
    table = f"main.{quoted(shape.table.name)}"
    if not names:
        return Statement(f"INSERT INTO {table} DEFAULT VALUES")
    marks, values = _marks(row, names)
    columns = ", ".join(map(quoted, names))
    return Statement(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(marks)})", values)


def _update(shape: Shape, write: Write) -> Statement:
    key = shape.table.key
    asked = write.columns or tuple(name for name in write.row.values if name not in key)
    names = _writable(shape, asked)
    if not names:
        raise TargetError("an update without a column that can be written", where=named(write, shape))
    marks, values = _marks(write.row, names)
    sets = ", ".join(f"{quoted(name)} = {each}" for name, each in zip(names, marks, strict=True))
    where = _where(shape, write)
    sql = f"UPDATE main.{quoted(shape.table.name)} SET {sets} WHERE {where.sql}"
    return Statement(sql, values + where.values)


def _where(shape: Shape, write: Write) -> Statement:
    """The row by its key; without one, exactly one of those that are equal in everything."""
    if shape.table.key:
        return _equal(write.row, shape.table.key)
    whole = write.expect or (write.row if write.verb == "delete" else None)
    if whole is None or not shape.rowid:
        raise TargetError(
            "a row of a table without key is only changed when all of it is known", where=named(write, shape)
        )
    same = _equal(whole, tuple(name for name in shape.names if name in whole.values), " COLLATE BINARY")
    first = f"ORDER BY {_alike(whole, shape)} LIMIT 1"
    inner = f"SELECT {shape.rowid} FROM main.{quoted(shape.table.name)} WHERE {same.sql} {first}"
    return Statement(f"{shape.rowid} = ({inner})", same.values)


def _alike(row: Row, shape: Shape) -> str:
    """Those whose numbers are of the same kind first: 1 and 1.0 are equal, and two rows."""
    numbers = [(name, row.values.get(name)) for name in shape.names if isinstance(row.values.get(name), int | float)]
    told = [f"(typeof({quoted(n)}) = '{'real' if isinstance(v, float) else 'integer'}')" for n, v in numbers]
    return f"({' + '.join(told)}) DESC" if told else "1"


def _equal(row: Row, names: Sequence[str], collation: str = "") -> Statement:
    marks, values = _marks(row, names)
    tests = [f"{quoted(name)} IS {each}{collation}" for name, each in zip(names, marks, strict=True)]
    return Statement(" AND ".join(tests), values)


def _marks(row: Row, names: Sequence[str]) -> tuple[list[str], tuple[Value, ...]]:
    pairs = [mark(row.values.get(name)) for name in names]
    return [each for each, _ in pairs], tuple(value for _, value in pairs)


def _writable(shape: Shape, names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in shape.names]
    if unknown:
        raise TargetError(
            f"{shape.table.name} has no column {', '.join(unknown)}",
            where=shape.table.name,
            hint="the table changed since; it has " + ", ".join(shape.names),
        )
    return tuple(name for name in names if name in shape.written)
