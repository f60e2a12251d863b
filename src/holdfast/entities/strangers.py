"""Rows under a key that the snapshot knows as somebody else's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from holdfast.entities.paths import keys_at
from holdfast.entities.sameish import alike
from holdfast.model.records import Row, Table, Value

_SHOWN = 60
_SECRET = re.compile(r"passw|secret|token|hash|salt|api_?key|otp|totp|session", re.IGNORECASE)
_NATURAL = re.compile(r"(e_?mail|user_?name|login|handle|nick(_?name)?|phone)(_?address)?\Z", re.IGNORECASE)


def natural_of(table: Table) -> tuple[tuple[str, ...], ...]:
    """What tells a person without the id: unique columns that hold no secret, else those named like an address."""
    unique = tuple(each for each in table.unique if not any(_SECRET.search(name) for name in each))
    named = tuple((column.name,) for column in table.columns if _NATURAL.match(column.name))
    return unique or named


def natural_row(table: Table, row: Row, columns: Sequence[str]) -> Row:
    """Only what refers to the row (``columns``), its key, and what tells who it is: no secrets, nothing else."""
    kept = {*columns, *table.key, *(name for each in natural_of(table) for name in each)}
    if not table.columns and not table.unique:
        kept |= {name for name, value in row.values.items() if _NATURAL.match(name) and isinstance(value, str)}
    return Row({name: value for name, value in row.values.items() if name in kept})


def is_somebody_else(table: Table, was: Row, now: Row) -> bool:
    """Whether nothing that tells the row is what it was. False where there is nothing to tell by."""
    columns = natural_of(table) or tuple((name,) for name in was.values if _NATURAL.match(name))
    natural = [(then, keys_at(now, each)) for each in columns if (then := keys_at(was, each))]
    return bool(natural) and not any(set(map(alike, then)) & set(map(alike, keys)) for then, keys in natural)


def another_row(table: Table, was: Row, now: Row) -> str | None:
    """In words, when nothing that tells the row is what it was: its unique values, else all of its columns."""
    told = [column for each in natural_of(table) for column in each if column in was.values]
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
