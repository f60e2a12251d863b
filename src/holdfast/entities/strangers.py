"""Rows under a key that the snapshot knows as somebody else's."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.entities.paths import keys_at
from holdfast.model.records import Row, Table, Value

_SHOWN = 60


def is_somebody_else(table: Table, was: Row, now: Row) -> bool:
    """Whether none of its unique values is what it was. False where the table has none to tell by."""
    natural = [(then, keys_at(now, unique)) for unique in table.unique if (then := keys_at(was, unique))]
    return bool(natural) and not any(set(then) & set(keys) for then, keys in natural)


def another_row(table: Table, was: Row, now: Row) -> str | None:
    """In words, when nothing that tells the row is what it was: its unique values, else all of its columns."""
    told = [column for unique in table.unique for column in unique if column in was.values]
    if told:
        if not is_somebody_else(table, was, now):
            return None
    else:
        told = [name for name in was.values if name not in table.key and name in now.values]
        if not told or any(now.values[name] == was.values[name] for name in told):
            return None
    key = ",".join(map(str, now.key(table.key)))
    return f"{table.name} {key} is another row now: {_shown(now, told)} instead of {_shown(was, told)}"


def _shown(row: Row, columns: Sequence[str]) -> str:
    texts: list[Value] = [value for name in columns if isinstance(value := row.values.get(name), str)]
    value = texts[0] if texts else row.values.get(columns[0])
    return repr(value)[:_SHOWN]
