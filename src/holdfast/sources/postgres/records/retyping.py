"""Values of columns that have another type by now, as those would hold them: where nothing is lost by that."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from holdfast.model.records import Row, Table
from holdfast.sources.postgres.connection import Connection

_ZONED = "with time zone"


def retyped(connection: Connection, was: Table, now: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Rows of ``was`` for ``now``; a value that would not be the same when it is turned back stays as it is."""
    types = {column.name: column.type for column in now.columns if not column.generated}
    others = {
        column.name: (column.type, types[column.name])
        for column in was.columns
        if column.type and types.get(column.name, column.type) != column.type
    }
    found = {name: _cast(connection, name, rows, *pair) for name, pair in others.items() if _is_told(*pair)}
    if not any(found.values()):
        return rows
    return [
        Row({name: found.get(name, {}).get(str(value), value) for name, value in row.values.items()}) for row in rows
    ]


def _is_told(old: str, new: str) -> bool:
    """Which zone a time was meant in is not."""
    return (_ZONED in old) == (_ZONED in new)


def _cast(connection: Connection, name: str, rows: Sequence[Row], old: str, new: str) -> dict[str, str]:
    values = list({value for row in rows if isinstance(value := row.values.get(name), str)})
    asked = (
        f"SELECT x, pg_catalog.format('%%s', x::{old}::{new}) FROM pg_catalog.unnest(%s::pg_catalog.text[]) x"
        f" WHERE pg_catalog.format('%%s', x::{old}::{new}::{old}) = x"
    )
    try:
        with connection.transaction():
            return dict(connection.execute(asked.encode(), (values,)).fetchall()) if values else {}
    except psycopg.Error:  # a type that is gone, a value that does not fit: told when it is written
        return {}
