"""Values of columns that have another type by now, as those would hold them: where nothing is lost by that."""

from __future__ import annotations

import json
from collections.abc import Sequence

import psycopg

from holdfast.model.records import Row, Table
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.records import Retyped

_ZONED = "with time zone"
_WHATEVER_IT_WAS = {
    "numeric(": "x::pg_catalog.numeric = x::{new}", "timestamp": r"x ~ '^\d+-\d\d-\d\d( BC)?$'",
}
"""By the type of now: when nothing is lost."""


def retyped(connection: Connection, was: Table, now: Table, rows: Sequence[Row]) -> Retyped:
    """Rows of ``was`` for ``now``; a value that would not be the same when it is turned back stays as it is."""
    types = {column.name: column.type for column in now.columns if not column.generated}
    others = {
        column.name: (column.type, types[column.name])
        for column in was.columns
        if column.type and types.get(column.name, column.type) != column.type
    }
    found = {name: _held(connection, name, rows, *pair) for name, pair in others.items()}
    if not found:
        return Retyped(rows)
    made = [Row({name: found.get(name, {}).get(str(value), value) for name, value in row.values.items()})
            for row in rows]  # fmt: skip
    lost: dict[int, str] = {}
    for name, (old, new) in others.items():
        for number, row in enumerate(rows):
            if (value := row.values.get(name)) is not None and str(value) not in found[name]:
                lost.setdefault(number, f"its {name} was of type {old}, and {new} would not hold the same")
    return Retyped(made, lost)


def _held(connection: Connection, name: str, rows: Sequence[Row], old: str, new: str) -> dict[str, str]:
    """What the new type holds of each value, of those that it holds without loss."""
    values = list({str(value) for row in rows if (value := row.values.get(name)) is not None})
    found: dict[str, str] = {}
    if (old, new) == ("json", "jsonb"):  # white space and the order of names mean nothing, as the new type has it
        found = _cast(connection, [value for value in values if _names_once(value)], "x::json::jsonb", "TRUE")
    elif old == "?":
        same = next((rule for name, rule in _WHATEVER_IT_WAS.items() if new.startswith(name)), "FALSE")
        found = {} if _ZONED in new else _cast(connection, values, f"x::{new}", same.replace("{new}", new))
    elif (_ZONED in old) == (_ZONED in new):  # which zone a time was meant in is not known
        found = _cast(connection, values, f"x::{old}::{new}", f"pg_catalog.format('%s', x::{old}::{new}::{old}) = x")
    left = [value for value in values if value not in found]
    return found | _cast(connection, left, f"x::{new}", f"pg_catalog.format('%s', x::{new}) = x")


def _cast(connection: Connection, values: list[str], made: str, same: str) -> dict[str, str]:
    """Those for which ``same`` holds; one that the server cannot read spoils no other."""
    asked = f"SELECT x, pg_catalog.format('%s', {made}) FROM pg_catalog.unnest($$) x WHERE {same}".replace("%", "%%")
    asked = asked.replace("$$", "%s::pg_catalog.text[]")
    try:
        with connection.transaction():
            return dict(connection.execute(asked.encode(), (values,)).fetchall()) if values else {}
    except psycopg.DataError:
        if len(values) == 1:
            return {}
        one, two = values[: len(values) // 2], values[len(values) // 2 :]
        return _cast(connection, one, made, same) | _cast(connection, two, made, same)
    except psycopg.Error:  # there is no such type any more, or no way from one to the other
        return {}


def _names_once(text: str) -> bool:
    """Whether no object gives a name twice: only the last would be left."""

    def once(pairs: list[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError

    try:
        json.loads(text, object_pairs_hook=once, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True
