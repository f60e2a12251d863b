"""How many rows of each table a transaction touched, cascades and the application's own triggers included."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from holdfast.sources.sqlite.names import quoted
from holdfast.sources.sqlite.records.schema import Shape

_TABLE = "holdfast_affected"
_EVENTS = (("INSERT", "inserted"), ("UPDATE", "updated"), ("DELETE", "deleted"))


class Counting:
    """Temporary triggers of this connection, which go with it; nobody else sees or runs them."""

    def __init__(self, connection: sqlite3.Connection, shapes: Mapping[str, Shape]) -> None:
        self._connection = connection
        self._names = [name for name, shape in shapes.items() if not shape.virtual]
        self._on = False

    def start(self) -> None:
        """Count from now on; once in a transaction."""
        if self._on:
            return
        self._on = True
        run = self._connection.execute
        if run(f"SELECT 1 FROM temp.sqlite_schema WHERE name = '{_TABLE}'").fetchone():
            run(f"UPDATE temp.{_TABLE} SET inserted = 0, updated = 0, deleted = 0")
            return
        run(
            f"CREATE TEMP TABLE {_TABLE} (number INTEGER PRIMARY KEY,"
            " inserted INT DEFAULT 0, updated INT DEFAULT 0, deleted INT DEFAULT 0)"
        )
        for number, name in enumerate(self._names):
            run(f"INSERT INTO temp.{_TABLE} (number) VALUES ({number})")
            for event, column in _EVENTS:
                run(
                    f"CREATE TEMP TRIGGER holdfast_{column}_{number} AFTER {event} ON main.{quoted(name)} BEGIN"
                    f" UPDATE {_TABLE} SET {column} = {column} + 1 WHERE number = {number}; END"
                )

    def told(self) -> dict[str, tuple[int, int, int]]:
        """Inserted, updated, deleted by table; tables that were not touched are left out."""
        if not self._on:
            return {}
        rows = self._connection.execute(
            f"SELECT number, inserted, updated, deleted FROM temp.{_TABLE} WHERE inserted OR updated OR deleted"
        )
        return {self._names[number]: (inserted, updated, deleted) for number, inserted, updated, deleted in rows}
